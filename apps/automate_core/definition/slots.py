"""Slots, the lists of steps inside a step, and an index of where each step of a definition stands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from automate_core.definition.document import (
    OTHERWISE,
    TIMEOUT,
    ActionStep,
    ApprovalStep,
    BranchStep,
    ForEachStep,
    OnError,
    ParallelStep,
    RepeatStep,
    Step,
    TryStep,
    WaitStep,
)

NAMED_SLOT_FIELDS = {"branch": "arms", "parallel": "arms", "approval": "outcomes"}  #: by the kind of step


@dataclass(frozen=True)
class Slot:
    """A list of steps inside another step. `place` is its path in the step's document, `arms[0].steps`."""

    key: str
    place: str
    steps: list[Step]
    name: str = ""


def slots(step: Step) -> list[Slot]:
    """The slots of `step` in evaluation order; none for a step that holds no others."""
    match step:
        case BranchStep():
            return [*_named_slots(step), Slot(OTHERWISE, slot_place("branch", OTHERWISE), step.otherwise)]
        case ParallelStep():
            return _named_slots(step)
        case ForEachStep() | RepeatStep():
            return [Slot("steps", "steps", step.steps)]
        case TryStep():
            return [Slot(name, name, getattr(step, name)) for name in ("steps", "on_error", "always")]
        case WaitStep():
            return _timeout_slot(step)
        case ApprovalStep():
            return [*_named_slots(step), *_timeout_slot(step)]
        case ActionStep():
            in_place = step.on_error is not None and step.on_error.value is msgspec.UNSET
            place = slot_place("action", "on_error")
            return [Slot("on_error", place, step.on_error.steps)] if step.on_error and in_place else []
        case _:
            return []


def _named_slots(step: BranchStep | ParallelStep | ApprovalStep) -> list[Slot]:
    kind = str(step.__struct_config__.tag)
    named = getattr(step, NAMED_SLOT_FIELDS[kind])
    return [Slot(each.key, slot_place(kind, each.key, n), each.steps, each.name) for n, each in enumerate(named)]


def _timeout_slot(step: WaitStep | ApprovalStep) -> list[Slot]:
    return [Slot(TIMEOUT, slot_place("wait", TIMEOUT), step.on_timeout)] if step.on_timeout is not None else []


def slot_place(kind: str, key: str, number: int | None = None) -> str:
    """The path of a slot in the document of a step of that kind; of a named slot by its number."""
    if number is not None:
        return f"{NAMED_SLOT_FIELDS[kind]}[{number}].steps"
    if key == TIMEOUT:
        return "on_timeout"
    return "on_error.steps" if kind == "action" and key == "on_error" else key


def with_slot[S: Step](step: S, key: str, steps: list[Step]) -> S:
    """A copy of `step` with `steps` in its slot `key`.

    An optional slot (`on_timeout`, an action's `on_error`) is created. Another key that the step does not have leaves
    it as it is.
    """
    match step:
        case BranchStep() | ParallelStep() | ApprovalStep() if key in {slot.key for slot in _named_slots(step)}:
            field = NAMED_SLOT_FIELDS[str(step.__struct_config__.tag)]
            named = [
                msgspec.structs.replace(each, steps=steps) if each.key == key else each for each in getattr(step, field)
            ]
            return msgspec.structs.replace(step, **{field: named})
        case WaitStep() | ApprovalStep() if key == TIMEOUT:
            return msgspec.structs.replace(step, on_timeout=steps)
        case ActionStep() if key == "on_error":
            return msgspec.structs.replace(step, on_error=OnError(steps=steps))
        case BranchStep() | ForEachStep() | RepeatStep() | TryStep() if key in {slot.key for slot in slots(step)}:
            return msgspec.structs.replace(step, **{key: steps})
    return step


def walk(steps: list[Step], place: str = "steps") -> Iterator[tuple[str, Step]]:
    """Every step below `steps` in reading order, each with its place in the document."""
    for index, step in enumerate(steps):
        here = f"{place}[{index}]"
        yield here, step
        for slot in slots(step):
            yield from walk(slot.steps, f"{here}.{slot.place}")


@dataclass(frozen=True)
class StepPosition:
    """Position of a step.

    `path` are the keys from the outermost step down to it, `place` its path in the document. `parents` are the steps
    around it, outermost first, and `slots` those of them that it stands in. `siblings` is the whole list, with the step
    at `index`; `order` sorts the steps inside one parent.
    """

    step: Step
    path: tuple[str, ...]
    place: str
    siblings: list[Step]
    index: int
    parents: tuple[Step, ...] = ()
    slots: tuple[Slot, ...] = ()
    order: tuple[int, int] = (0, 0)

    @property
    def parent(self) -> Step | None:
        """The step that holds it; None at the top."""
        return self.parents[-1] if self.parents else None

    @property
    def slot(self) -> Slot | None:
        """The slot of `parent` that it stands in; None at the top."""
        return self.slots[-1] if self.slots else None

    @property
    def is_disabled(self) -> bool:
        """Whether the step, or one around it, is disabled."""
        return self.step.disabled or any(parent.disabled for parent in self.parents)

    @property
    def slot_key(self) -> str:
        """The key of `slot`; empty at the top."""
        return self.slots[-1].key if self.slots else ""


class StepIndex:
    """The positions of all steps of a definition, in reading order.

    With `enabled_only`, disabled steps and all inside them are left out.
    """

    def __init__(self, steps: list[Step], *, enabled_only: bool = False) -> None:
        positions = _positions(steps)
        self.positions = [each for each in positions if not (enabled_only and each.is_disabled)]
        self._by_path = {position.path: position for position in self.positions}
        self._by_key: dict[str, StepPosition] = {}
        for position in self.positions:
            self._by_key.setdefault(position.step.key, position)

    def __iter__(self) -> Iterator[StepPosition]:
        return iter(self.positions)

    def __getitem__(self, path: tuple[str, ...]) -> StepPosition:
        return self._by_path[path]

    def find(self, key: str) -> StepPosition | None:
        """The step with that key; None when there is none."""
        return self._by_key.get(key)

    def at(self, path: tuple[str, ...]) -> StepPosition | None:
        """The step under exactly these keys, outermost first; None when there is none."""
        return self._by_path.get(path)


def _positions(
    steps: list[Step],
    place: str = "steps",
    path: tuple[str, ...] = (),
    parents: tuple[Step, ...] = (),
    inside: tuple[Slot, ...] = (),
    number: int = 0,
) -> Iterator[StepPosition]:
    for index, step in enumerate(steps):
        here, keys = f"{place}[{index}]", (*path, step.key)
        yield StepPosition(step, keys, here, steps, index, parents, inside, (number, index))
        for inner, slot in enumerate(slots(step)):
            around = (*parents, step), (*inside, slot)
            yield from _positions(slot.steps, f"{here}.{slot.place}", keys, *around, inner)

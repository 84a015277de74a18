"""The part of a workflow that a test runs: one step, all up to one step. Values in, values out."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from automate_core.definition.document import Definition, ForEachStep, OnError, RepeatStep, Step
from automate_core.definition.slots import Slot, slots, walk

EXAMPLE_ERROR = {"code": "example", "message": "An example of an error", "step": "", "retryable": False}

_LANE = re.compile(r"(arms|outcomes)\[(\d+)\]")


@dataclass(frozen=True)
class WorkflowPart:
    """Steps to run, and names that expressions in them see beside those that the run itself gives."""

    steps: list[Step]
    given: dict[str, Any]

    @property
    def keys(self) -> set[str]:
        """The keys of all of its steps."""
        return {step.key for _, step in walk(self.steps)}


@dataclass(frozen=True)
class _Around:
    """A list that the target stands in, or a step that holds it: the index there; the step and slot that hold the
    list."""

    steps: list[Step]
    index: int
    holder: Step | None
    slot: Slot | None


def step_digests(steps: list[Step]) -> dict[str, str]:
    """A digest of what each step does, by key: the same whenever it says the same, whatever is inside it."""
    return {step.key: _digest(step) for _, step in walk(steps)}


def _digest(step: Step) -> str:
    for slot in slots(step):
        step = _holding(step, slot, [])
    said = {name: value for name, value in msgspec.to_builtins(step).items() if name not in _WITHOUT_EFFECT}
    return hashlib.sha256(msgspec.json.encode(said, order="sorted")).hexdigest()[:16]


_WITHOUT_EFFECT = {"name", "notes", "disabled"}  #: of what a step does when it is tested


def single_step(definition: Definition, key: str) -> WorkflowPart | None:
    """The step itself with what is inside it, in the loops around it; None when there is no such step."""
    chain = next(_chains(definition.steps, key, None, None), None)
    if chain is None:
        return None
    steps: list[Step] = [msgspec.structs.replace(chain[-1].steps[chain[-1].index], disabled=False)]
    given: dict[str, Any] = {}
    for around in reversed(chain):
        if isinstance(around.holder, ForEachStep):
            steps = [
                msgspec.structs.replace(around.holder, steps=steps, on_item_error="stop", disabled=False),
            ]
        elif isinstance(around.holder, RepeatStep):
            given["index"] = 0
        if around.slot is not None and around.slot.place.startswith("on_error"):
            given["error"] = EXAMPLE_ERROR
    return WorkflowPart(steps, given)


def steps_up_to(definition: Definition, key: str) -> WorkflowPart | None:
    """All steps before it and the step itself; what else may be taken beside it, such as other routes, stays."""
    chain = next(_chains(definition.steps, key, None, None), None)
    if chain is None:
        return None
    last = chain[-1]
    steps = last.steps[: last.index + 1]
    for outer, inner in zip(reversed(chain[:-1]), reversed(chain[1:]), strict=True):
        holder, slot = outer.steps[outer.index], inner.slot
        held = _holding(holder, slot, steps) if slot is not None else holder
        steps = [*outer.steps[: outer.index], held]
    return WorkflowPart(steps, {})


def _chains(steps: list[Step], key: str, holder: Step | None, slot: Slot | None) -> Iterator[list[_Around]]:
    """The way to the step from the outside in: the last of it names the step itself."""
    for index, step in enumerate(steps):
        here = _Around(steps, index, holder, slot)
        if step.key == key:
            yield [here]
        for inner in slots(step):
            for rest in _chains(inner.steps, key, step, inner):
                yield [here, *rest]


def _holding(holder: Step, slot: Slot, steps: list[Step]) -> Step:
    """The same with these steps in one of its slots."""
    changes: dict[str, Any]
    if lane := _LANE.match(slot.place):
        lanes = list(getattr(holder, lane[1]))
        lanes[int(lane[2])] = msgspec.structs.replace(lanes[int(lane[2])], steps=steps)
        changes = {lane[1]: lanes}
    elif slot.place == "on_error.steps":
        changes = {"on_error": OnError(steps=steps)}
    else:
        changes = {slot.place: steps}
    held: Step = msgspec.structs.replace(holder, **changes)
    return held

"""The lists of steps inside a step, and where each step stands."""

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
    ParallelStep,
    RepeatStep,
    Step,
    TryStep,
    WaitStep,
)


@dataclass(frozen=True)
class Slot:
    """A list of steps inside another step. `place` is where it stands in the step's document."""

    key: str
    place: str
    steps: list[Step]
    name: str = ""


def slots(step: Step) -> list[Slot]:
    """The lists of steps inside `step`, in evaluation order; none for a step that holds no others."""
    match step:
        case BranchStep():
            arms = [Slot(arm.key, f"arms[{n}].steps", arm.steps, arm.name) for n, arm in enumerate(step.arms)]
            return [*arms, Slot(OTHERWISE, OTHERWISE, step.otherwise)]
        case ParallelStep():
            return [Slot(arm.key, f"arms[{n}].steps", arm.steps, arm.name) for n, arm in enumerate(step.arms)]
        case ForEachStep() | RepeatStep():
            return [Slot("steps", "steps", step.steps)]
        case TryStep():
            return [Slot(name, name, getattr(step, name)) for name in ("steps", "on_error", "always")]
        case WaitStep():
            return [Slot(TIMEOUT, "on_timeout", step.on_timeout)] if step.on_timeout is not None else []
        case ApprovalStep():
            lanes = [
                Slot(lane.key, f"outcomes[{n}].steps", lane.steps, lane.name) for n, lane in enumerate(step.outcomes)
            ]
            return [*lanes, *([Slot(TIMEOUT, "on_timeout", step.on_timeout)] if step.on_timeout is not None else [])]
        case ActionStep():
            in_place = step.on_error is not None and step.on_error.value is msgspec.UNSET
            return [Slot("on_error", "on_error.steps", step.on_error.steps)] if step.on_error and in_place else []
        case _:
            return []


def walk(steps: list[Step], place: str = "steps") -> Iterator[tuple[str, Step]]:
    """Every step below `steps` in reading order, each with its place in the document."""
    for index, step in enumerate(steps):
        here = f"{place}[{index}]"
        yield here, step
        for slot in slots(step):
            yield from walk(slot.steps, f"{here}.{slot.place}")

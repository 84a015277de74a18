"""The part of a workflow that a test runs: one step, all up to one step. Values in, values out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import msgspec

from automate_core.definition.document import Definition, ForEachStep, RepeatStep, Step
from automate_core.definition.slots import StepIndex, slots, walk, with_slot

EXAMPLE_ERROR = {"code": "example", "message": "An example of an error", "step": "", "retryable": False}


@dataclass(frozen=True)
class WorkflowPart:
    """Steps to run, and names that expressions in them see beside those that the run itself gives."""

    steps: list[Step]
    given: dict[str, Any]

    @property
    def keys(self) -> set[str]:
        """The keys of all of its steps."""
        return {step.key for _, step in walk(self.steps)}


def step_digests(steps: list[Step]) -> dict[str, str]:
    """A digest of what each step does, by key: the same whenever it says the same, whatever is inside it."""
    return {step.key: _digest(step) for _, step in walk(steps)}


def _digest(step: Step) -> str:
    for slot in slots(step):
        step = with_slot(step, slot.key, [])
    content = {name: value for name, value in msgspec.to_builtins(step).items() if name not in _WITHOUT_EFFECT}
    return hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()[:16]


_WITHOUT_EFFECT = {"name", "notes", "disabled"}  #: of what a step does when it is tested


def single_step(definition: Definition, key: str) -> WorkflowPart | None:
    """The step with its slots, in the loops around it; None when there is no such step."""
    position = StepIndex(definition.steps).find(key)
    if position is None:
        return None
    steps: list[Step] = [msgspec.structs.replace(position.step, disabled=False)]
    given: dict[str, Any] = {}
    for parent, slot in zip(reversed(position.parents), reversed(position.slots), strict=True):
        if isinstance(parent, ForEachStep):
            steps = [msgspec.structs.replace(parent, steps=steps, on_item_error="stop", disabled=False)]
        elif isinstance(parent, RepeatStep):
            given["index"] = 0
        if slot.place.startswith("on_error"):
            given["error"] = EXAMPLE_ERROR
    return WorkflowPart(steps, given)


def steps_up_to(definition: Definition, key: str) -> WorkflowPart | None:
    """All steps before it and the step itself; the other slots of the steps around it stay whole."""
    index = StepIndex(definition.steps)
    position = index.find(key)
    if position is None:
        return None
    steps = position.siblings[: position.index + 1]
    while position.parents:
        slot_key, position = position.slot_key, index[position.path[:-1]]
        steps = [*position.siblings[: position.index], with_slot(position.step, slot_key, steps)]
    return WorkflowPart(steps, {})

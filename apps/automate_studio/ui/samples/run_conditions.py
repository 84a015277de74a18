"""Conditions on which a step has run, in words."""

from __future__ import annotations

from automate_core.definition.document import TIMEOUT, ApprovalStep, BranchStep, Step, TryStep
from automate_core.definition.scope import RunCondition
from automate_core.definition.step_names import title_of_key


def describe_condition(condition: RunCondition | None) -> str:
    """The words after "only if"; empty for a step that always has run."""
    if condition is None:
        return ""
    step, slot = condition.step, condition.slot
    label = step_label(step)
    if slot is None:
        return f"{label} is on"
    if isinstance(step, BranchStep):
        return f"{label} took {slot.name or slot.key if slot.place.startswith('arms') else 'Otherwise'}"
    if slot.key == TIMEOUT:
        return f"{label} ran out of time"
    if isinstance(step, ApprovalStep):
        return f"{label} gave {slot.name or slot.key}"
    if isinstance(step, TryStep) and slot.key == "steps":
        return "it got that far" if condition.is_enclosing else f"{label} went well"
    return f"{label} failed"


def step_label(step: Step) -> str:
    """The step's own name, else its key as a title."""
    return step.name or title_of_key(step.key)

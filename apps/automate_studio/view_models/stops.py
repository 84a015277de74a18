"""Whether steps always end the run, so that nothing comes after them."""

from __future__ import annotations

from collections.abc import Iterable

from automate_core.definition.document import (
    ApprovalStep,
    BranchStep,
    ParallelStep,
    RepeatStep,
    Step,
    StopStep,
    TryStep,
)


def always_stops(steps: Iterable[Step]) -> bool:
    """Whether a run that begins these steps ends within them, if none of them fails."""
    return any(step_always_stops(step) for step in steps)


def step_always_stops(step: Step) -> bool:
    """Whether no run continues after the step. A step that is disabled does not run."""
    if step.disabled:
        return False
    match step:
        case StopStep():
            return True
        case BranchStep():
            return always_stops(step.otherwise) and all(always_stops(arm.steps) for arm in step.arms)
        case ApprovalStep():  # without steps for it, the end of its time fails the step
            outcomes = [outcome.steps for outcome in step.outcomes]
            return all(map(always_stops, outcomes)) and (step.on_timeout is None or always_stops(step.on_timeout))
        case ParallelStep():
            return any(always_stops(arm.steps) for arm in step.arms)
        case RepeatStep():
            return always_stops(step.steps)
        case TryStep():  # a failure is caught by the steps in `on_error`, if there are any
            caught = not step.on_error or always_stops(step.on_error)
            return always_stops(step.always) or (always_stops(step.steps) and caught)
    return False  # a wait and an action go on, and a loop's list may be empty

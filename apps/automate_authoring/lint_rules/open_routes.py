"""Routes of approvals without steps, after which the run continues as if it had been approved."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from automate_authoring.drafts.step_location import slot_label
from automate_authoring.lint_rules.following_steps import following_steps, reads_value
from automate_core.definition.document import ApprovalStep, Definition, Problem, Step
from automate_core.definition.slots import Slot, StepIndex, slots
from automate_core.definition.step_names import shown_name, title_of_key
from automate_plugins import text

_NO_DECISION = r"\W*output\W*(?:by|at|form|remark)\b"  #: values of an approval that do not say how it was decided


@dataclass(frozen=True)
class OpenRoute:
    """A route of the approval `step` at `place` in the document. `then` is the step that runs after it."""

    step: ApprovalStep
    place: str
    slot: Slot
    then: Step

    @property
    def field(self) -> str:
        """Its field in the document of the step."""
        return self.slot.place

    @property
    def reason(self) -> str:
        """The warning."""
        return text(
            "After “%(route)s”, the run continues with “%(step)s”. Stop it there, or confirm that it continues.",
            route=shown_name(self.slot.name) or slot_label(self.slot.key),
            step=self.then.name or title_of_key(self.then.key),
        )


def find_open_routes(definition: Definition) -> Iterator[OpenRoute]:
    """Outcomes other than the first, which approves, and deadlines, that hold no steps although steps follow.

    None where a later step reads the decision, and none that the author has confirmed.
    """
    index = StepIndex(definition.steps, enabled_only=True)
    for position in index:
        step = position.step
        if not isinstance(step, ApprovalStep):
            continue
        routes = [slot for slot in slots(step)[1:] if _is_open(step, slot)]
        after = following_steps(index, position) if routes else []
        if not after or any(reads_value(each, "steps", step.key, but=_NO_DECISION) for each in after):
            continue
        yield from (OpenRoute(step, position.place, slot, after[0]) for slot in routes)


def _is_open(step: ApprovalStep, slot: Slot) -> bool:
    is_confirmed = slot.key in step.continues_after
    return not is_confirmed and all(inner.disabled for inner in slot.steps)


def open_route_problems(definition: Definition) -> Iterator[Problem]:
    """A warning for each, at its route."""
    for route in find_open_routes(definition):
        yield Problem(f"{route.place}.{route.field}", route.reason)

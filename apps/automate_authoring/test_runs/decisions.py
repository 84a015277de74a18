"""The outcomes of approvals and pages of forms in a test: the choices, the defaults, and the outputs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from automate_authoring.output_readers import example_output
from automate_core import database
from automate_core.definition import form_validation
from automate_core.definition.document import ApprovalStep, Definition, FormField, Step, WaitStep
from automate_core.definition.form_validation import AnswersError
from automate_core.definition.slots import walk
from automate_governance.people.names import sign_in_name
from automate_governance.permissions import Person
from automate_plugins import text
from automate_plugins.typed_values import write_moment

TIMED_OUT = "timeout"  #: the outcome of an approval that had no decision before its deadline


class DecisionError(ValueError):
    """An outcome that cannot be taken; the message names the step."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Outcome chosen for one approval. Fields missing in `form` get an example."""

    outcome: str
    form: Mapping[str, Any] = field(default_factory=dict)


def find_approvals(steps: list[Step]) -> Iterator[ApprovalStep]:
    """The approvals among the steps and in them, in reading order, without those turned off."""
    for _, step in walk(steps):
        if isinstance(step, ApprovalStep) and not step.disabled:
            yield step


def decided_outputs(steps: list[Step], chosen: Mapping[str, Decision], *, by: Person) -> dict[str, dict[str, Any]]:
    """The outputs of the approvals for which an outcome was chosen, by key. Raises DecisionError."""
    return {step.key: _output(step, chosen[step.key], by) for step in find_approvals(steps) if step.key in chosen}


def default_output(step: ApprovalStep, *, by: Person) -> dict[str, Any]:
    """The output of an approval for which nothing was chosen: its first outcome, with an example of each answer."""
    return _output(step, Decision(outcome=step.outcomes[0].key), by) if step.outcomes else {"outcome": ""}


def example_pages(steps: list[Step]) -> dict[str, dict[str, Any]]:
    """Outputs of the pages of forms among the steps and in them, with an example of each answer, by key."""
    return {
        step.key: {"outcome": "submitted", "form": {asked.name: example_answer(asked) for asked in step.form}}
        for _, step in walk(steps)
        if isinstance(step, WaitStep) and step.form and not step.disabled
    }


def find_callbacks(steps: list[Step]) -> Iterator[WaitStep]:
    """The waits for a callback among the steps and in them, in reading order, without those turned off."""
    for _, step in walk(steps):
        if isinstance(step, WaitStep) and step.callback and not step.disabled:
            yield step


def received(payload: Any) -> dict[str, Any]:
    """The output of a wait to which a callback with this payload came."""
    return {"outcome": "received", "payload": payload}


def example_callback(definition: Definition, key: str) -> dict[str, Any]:
    """The output of a wait for a callback that never came: its payload has each field that another step reads."""
    output = example_output(definition, key, received(None))
    return received(output["payload"] if isinstance(output["payload"], dict | list) else {})


def example_answer(asked: FormField) -> Any:
    """An answer that the field accepts."""
    match asked.kind:
        case "number":
            return 1
        case "boolean" | "consent":
            return True
        case "choice":
            return asked.choices[0] if asked.choices else None
        case "choices":
            return asked.choices[:1]
        case "email":
            return "anna@example.com"
        case "file":
            return None
        case "date":
            return dt.date.today().isoformat()
    return "example"


def _output(step: ApprovalStep, decision: Decision, by: Person) -> dict[str, Any]:
    if decision.outcome == TIMED_OUT:
        return {"outcome": TIMED_OUT}
    name = step.name or step.key
    if decision.outcome not in {named_slot.key for named_slot in step.outcomes}:
        raise DecisionError(text("%(step)s has no outcome %(outcome)s.", step=name, outcome=repr(decision.outcome)))
    given = {asked.name: example_answer(asked) for asked in step.form} | dict(decision.form)
    try:
        form = form_validation.check_answers(msgspec.to_builtins(step.form), given)
    except AnswersError as error:
        raise DecisionError(text("%(step)s: %(reason)s", step=name, reason=str(error))) from error
    by_whom = {"by": sign_in_name(by), "at": write_moment(database.now())}
    return {"outcome": decision.outcome, "form": form, **by_whom, "remark": ""}

"""Approvals and callbacks in the test form: outcomes to choose, answers and payloads to enter, and the posted ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from django.utils.translation import gettext as _

from automate_authoring.test_runs import decisions, samples, workflow_part
from automate_authoring.test_runs.decisions import TIMED_OUT, Decision
from automate_core.definition.document import ApprovalStep, Definition, Step, WaitStep
from automate_core.definition.step_names import shown_name, title_of_key
from automate_core.models import Workflow
from automate_ui.describe import step_label
from automate_ui.fields import FormFieldView, build_widget_field
from automate_ui.forms import answer_widget, field_label

PREFIX = "decision"
PAYLOAD = "payload"
_BOOLEANS = ["yes", "no"]
_ATTRS = {"form": "test-form"}  #: the fields stand outside of their form


@dataclass(frozen=True, kw_only=True)
class ApprovalChoice:
    """An approval for the template: its outcome, and the answers to its form; a callback with its payload."""

    name: str
    fields: list[FormFieldView]


def approval_choices(workflow: Workflow, definition: Definition, key: str) -> list[ApprovalChoice]:
    """Approvals and callbacks that a test of the step reaches; of the whole workflow for an empty key."""
    steps = _approval_steps(definition, key)
    found = list(decisions.find_approvals(steps))
    known = samples.known_outputs(workflow, [step.key for step in found]) if found else {}
    callbacks = [
        ApprovalChoice(name=step_label(step), fields=[_payload_field(step)])
        for step in decisions.find_callbacks(steps)
        if step.key != key
    ]
    return [_approval_choice(step, known.get(step.key)) for step in found] + callbacks


def posted_decisions(post: Mapping[str, Any], definition: Definition) -> dict[str, Decision]:
    """Posted outcomes by step key."""
    found = {}
    for step in decisions.find_approvals(definition.steps):
        if outcome := post.get(_field_id(step.key)):
            form = {
                each.name: given
                for each in step.form
                if (given := post.get(_field_id(step.key, each.name))) is not None
            }
            found[step.key] = Decision(outcome=str(outcome), form=form)
    return found


def posted_payloads(post: Mapping[str, Any], definition: Definition, read: Callable[[str], Any]) -> dict[str, Any]:
    """Outputs of waits for which the payload of a callback was entered, by step key. `read` reads its JSON."""
    given = {
        step.key: str(post.get(_field_id(step.key, PAYLOAD)) or "").strip()
        for step in decisions.find_callbacks(definition.steps)
    }
    return {key: decisions.received(read(text)) for key, text in given.items() if text}


def decision_sentences(definition: Definition, chosen: Mapping[str, Decision]) -> Iterator[str]:
    """Chosen outcomes for the confirmation: `Refund the order: Approve`."""
    for step in decisions.find_approvals(definition.steps):
        if step.key in chosen:
            names, outcome = dict(outcome_choices(step)), chosen[step.key].outcome
            yield f"{step_label(step)}: {names.get(outcome, outcome)}"


def is_decision_field(name: str) -> bool:
    """Whether a field of the test form belongs to an approval or a callback."""
    return name.startswith(f"{PREFIX}:")


def _approval_steps(definition: Definition, key: str) -> list[Step]:
    if not key:
        return definition.steps
    part = workflow_part.steps_up_to(definition, key)
    return part.steps if part else []


def _approval_choice(step: ApprovalStep, known: Any) -> ApprovalChoice:
    answers = [_answer_field(step, document) for document in msgspec.to_builtins(step.form)]
    return ApprovalChoice(name=step_label(step), fields=[_outcome_field(step, known), *answers])


def outcome_choices(step: ApprovalStep) -> list[tuple[str, str]]:
    """(key, name) of all outcomes that an approval can have."""
    return [
        *((lane.key, shown_name(lane.name or title_of_key(lane.key))) for lane in step.outcomes),
        (TIMED_OUT, _("Deadline passes")),
    ]


def _outcome_field(step: ApprovalStep, known: Any) -> FormFieldView:
    outcomes = outcome_choices(step)
    present = str(known.get("outcome")) if isinstance(known, dict) else ""
    preset = dict(outcomes).get(present) or outcomes[0][1]
    default = _("%(outcome)s (a real run asks the approvers)") % {"outcome": preset}
    choices = [("", default), *outcomes]
    return build_widget_field(_field_id(step.key), _("Outcome"), answer_widget("choice", choices, _ATTRS))


def _payload_field(step: WaitStep) -> FormFieldView:
    help_ = _("Leave empty to use the payload of an earlier run, else an example. A real run waits for the callback.")
    name = _field_id(step.key, PAYLOAD)
    return build_widget_field(
        name, _("Payload of the callback (JSON)"), answer_widget("long_text", [], _ATTRS), help=help_
    )


def _answer_field(step: ApprovalStep, document: Mapping[str, Any]) -> FormFieldView:
    """A field of its form. Yes or no is a choice: a box that is not ticked posts nothing."""
    asked = next(each for each in step.form if each.name == document["name"])
    kind, choices, value = asked.kind, asked.choices, decisions.example_answer(asked)
    if kind == "boolean":
        kind, choices, value = "choice", _BOOLEANS, "yes"
    words = {"yes": _("yes"), "no": _("no")} if asked.kind == "boolean" else {}
    widget = answer_widget(kind, [(each, words.get(each, each)) for each in choices], _ATTRS)
    return build_widget_field(_field_id(step.key, asked.name), field_label(document), widget, value)


def _field_id(key: str, field: str = "") -> str:
    return ":".join(filter(None, (PREFIX, key, field)))

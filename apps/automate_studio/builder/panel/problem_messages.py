"""Problems of a draft where they are fixed: at a field of a panel, and in a list with links."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from django.utils.translation import gettext as _

from automate_authoring.drafts.connector_triggers import CONNECTOR_KINDS
from automate_authoring.drafts.problems import DraftProblem
from automate_authoring.drafts.step_location import distinct_names
from automate_authoring.drafts.values import Draft, StepNode, TriggerNode
from automate_core.definition.slots import NAMED_SLOT_FIELDS
from automate_core.definition.step_paths import START
from automate_governance.texts import translated
from automate_plugins import text
from automate_studio.builder.panel import setup, steps, wait_fields
from automate_studio.builder.panel.conditions import condition_dom_id
from automate_studio.builder.panel.field_messages import concerns_field, with_label
from automate_studio.builder.panel.fields import SETTINGS_FIELDS
from automate_studio.builder.panel.forms import find_field
from automate_studio.builder.panel.setup import trigger_field_id
from automate_studio.builder.panel.steps import path_of_step, step_field_specs
from automate_studio.builder.triggers.connector_form import input_specs
from automate_ui.fields import FieldMessage
from automate_ui.formatting import as_sentence

#: Where the form has other fields than the document: by the kind and the name there, the name here and its own words.
_ELSEWHERE = {
    ("schedule", ""): ("repeats", text("Choose when the workflow starts")),
    ("schedule", "every"): ("number", ""),
}


@dataclass(frozen=True, kw_only=True)
class ProblemLine:
    """A problem in a list: owner, label of its field, and the id of the element that shows it.

    `text` is the whole of it, as on a card. While a draft is edited, a missing value has a level of its own.
    """

    level: Literal["error", "warning", "missing"]
    path: str
    whose: str
    label: str
    reason: str
    text: str
    at: str


def messages_by_field(
    problems: Iterable[DraftProblem], refused: Mapping[str, str], kind: str = ""
) -> dict[str, FieldMessage]:
    """Messages of a form's fields by name: all errors, or else the warnings.

    `refused` says why fields were not stored; it replaces the others.
    """
    found: dict[str, FieldMessage] = {}
    for problem in sorted(problems, key=lambda problem: problem.level):
        name, reason = _form_field(problem, kind)
        said = FieldMessage(as_sentence(reason), problem.level, problem.missing)
        before = found.setdefault(name, said)
        if before is not said and before.level == said.level:
            found[name] = FieldMessage(f"{before.text} {said.text}", said.level, before.missing and said.missing)
    return found | {
        name: FieldMessage(reason, proposals=getattr(reason, "proposals", ())) for name, reason in refused.items()
    }


def form_messages(problems: Iterable[DraftProblem], has: Callable[[str], bool], kind: str = "") -> list[FieldMessage]:
    """Messages above a form: those without a field in it."""
    found = [(problem, *_form_field(problem, kind)) for problem in problems]
    return [FieldMessage(as_sentence(why), each.level, each.missing) for each, name, why in found if not has(name)]


def problem_lines(draft: Draft, problems: Iterable[DraftProblem]) -> list[ProblemLine]:
    """The problems with the labels of their fields. No query."""
    names = distinct_names(draft)
    return [_problem_line(draft, names, problem) for problem in problems]


def editing_problem_lines(draft: Draft, problems: Iterable[DraftProblem]) -> list[ProblemLine]:
    """The problems, missing values apart from errors."""
    found = list(problems)
    lines = zip(found, problem_lines(draft, found), strict=True)
    return [replace(line, level="missing") if problem.missing else line for problem, line in lines]


def _form_field(problem: DraftProblem, kind: str) -> tuple[str, str]:
    """(name of the field, reason) in the form of a step or trigger of that kind."""
    if (kind, problem.field) == ("wait", ""):
        return ("duration", text("Enter how long to wait")) if problem.missing else (wait_fields.CHOICE, problem.reason)
    name, own = _ELSEWHERE.get((kind, problem.field), (problem.field, ""))
    return name, own or problem.reason


def _problem_line(draft: Draft, names: Mapping[str, str], problem: DraftProblem) -> ProblemLine:
    path, whose, kind, label, at = steps.SETTINGS, _("Workflow"), "", "", ""
    if problem.step:
        node = draft.steps[problem.step]
        path, whose, kind = path_of_step(draft, node.key), names[node.key], node.kind
        label, at = _locate_in_step(node, _form_field(problem, kind)[0])
    elif problem.trigger:
        trigger = draft.triggers[problem.trigger]
        path, whose, kind = START, as_sentence(trigger.label, stop=""), trigger.kind
        label, at = _locate_in_trigger(trigger, _form_field(problem, kind)[0])
    elif problem.field == "tests":
        path, whose = steps.TEST, _("Tests")
    elif problem.field == "triggers":
        path = START
    elif found := find_field(SETTINGS_FIELDS, problem.field):
        label, at = found.label, found.id
    name, reason = _form_field(problem, kind)
    name = name.rpartition(".")[2]
    return ProblemLine(
        level=problem.level,
        path=path,
        whose=whose,
        label=label,
        reason=_reason_after_label(reason, name) if label else _in_list(reason),
        text=as_sentence(with_label(reason, name, label)),
        at=at,
    )


def _reason_after_label(reason: str, name: str) -> str:
    """The reason without the field's name, so that it continues the label: `Message` `is required`."""
    said = translated(reason)
    rest = said.removeprefix(f"{name}: ").removeprefix(f"{name} ")
    if rest == said:
        return _in_list(reason)
    return rest if ". " in rest else rest.rstrip(".")


def _in_list(reason: str) -> str:
    """A line of a list: one sentence goes without its full stop, several keep theirs."""
    return as_sentence(reason, stop="." if ". " in translated(reason) else "")


def _locate_in_step(node: StepNode, name: str) -> tuple[str, str]:
    """(label, element id) in a step's panel."""
    lanes = NAMED_SLOT_FIELDS.get(node.kind, "")
    for index, lane in enumerate(node.named_slots):
        if concerns_field(name, f"{lanes}[{index}]"):
            is_condition = concerns_field(name, f"{lanes}[{index}].when")
            at = condition_dom_id(node.key, lane["key"]) if is_condition else f"arm-{lane['key']}-name"
            return lane.get("name") or lane["key"], at
    if lanes and name == lanes:
        return "", "arms"
    if node.kind == "repeat" and concerns_field(name, "until"):
        return _("Until"), condition_dom_id(node.key, "until")
    for specs, _values, prefix in step_field_specs(node):
        if found := find_field(specs, name, prefix):
            return found.label, found.id
    return "", ""


def _input_labels(node: TriggerNode) -> dict[str, str]:
    """What the inputs of a poll or a webhook are called, by field name."""
    specs = input_specs(node) if node.kind in CONNECTOR_KINDS else ()
    return {f"inputs.{spec.name}": spec.label or spec.name for spec in specs}


def _locate_in_trigger(node: TriggerNode, name: str) -> tuple[str, str]:
    """(label, element id) in a trigger's form."""
    if concerns_field(name, "filter"):
        return _("Only when"), condition_dom_id(node.key, node.key)
    known = {**setup.LABELS[node.kind], **_input_labels(node)}
    found = next((field for field in known if concerns_field(name, field)), "")
    return (translated(known[found]), trigger_field_id(node, found)) if found else ("", f"trigger-{node.key}")

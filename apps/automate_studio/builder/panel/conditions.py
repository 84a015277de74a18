"""Conditions of a panel: as rows or JSON, as a sentence, and evaluated on the sample with the reason."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, cast

from django.utils.translation import gettext as _

from automate_authoring.definitions.scope import scope_at_condition
from automate_authoring.drafts.commands import DraftState
from automate_authoring.drafts.errors import RefusedError
from automate_authoring.drafts.values import Draft, StepNode, TriggerNode
from automate_authoring.lint_rules.known_types import number_fields
from automate_authoring.lint_rules.number_comparisons import OF_TEXTS
from automate_core.definition.slots import NAMED_SLOT_FIELDS
from automate_core.expressions.json_logic import RuleError, read_rule
from automate_governance.permissions import Person, User
from automate_governance.texts import escape_invisible, translated
from automate_studio.builder.data.declared_types import declared_output
from automate_studio.builder.panel.condition_fields import (
    FieldOption,
    StepNames,
    field_label,
    field_options,
    step_names,
)
from automate_studio.builder.panel.field_messages import message_at
from automate_studio.samples import samples
from automate_studio.samples.samples import Sample, WithheldSample, sample_for_step, sample_for_trigger, walk_paths
from automate_studio.view_models.condition_lines import ConditionLine, explanation_lines, value_text
from automate_ui.condition_rows import (
    GROUPS,
    MAX_GROUPS_DEEP,
    OPERATORS,
    ConditionGroup,
    ConditionRow,
    apply_action,
    read_form,
    refuse_row,
    rows_from_rule,
    rule_from_rows,
)
from automate_ui.describe import describe_condition
from automate_ui.fields import FieldMessage
from automate_ui.formatting import as_sentence
from automate_ui.json.editor import parse_json


@dataclass(frozen=True)
class KnownFields:
    """Fields of numbers, as the workflow declares them, and others that hold one in the sample; names of steps."""

    declared: frozenset[str]
    sampled: frozenset[str]
    name_of: StepNames

    @property
    def of_numbers(self) -> frozenset[str]:
        """All fields of numbers."""
        return self.declared | self.sampled


@dataclass(frozen=True, kw_only=True)
class ConditionRowView:
    """A row for the template. `name` prefixes its field names: `1.0.`."""

    name: str
    row: ConditionRow
    number: int
    fields: KnownFields
    is_row: bool = True

    @property
    def place(self) -> str:
        """Position, as actions name it."""
        return self.name.rstrip(".")

    @property
    def operators(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """Operators to choose from, in groups of (name, label)."""
        return [(title, [(name, OPERATORS[name].label) for name in names]) for title, names in GROUPS]

    @property
    def takes(self) -> str:
        """Kind of value that the operator takes; empty for none."""
        return OPERATORS[self.row.operator].takes

    @property
    def proposals(self) -> tuple[str, ...]:
        """Values to take instead of one that cannot be compared."""
        refusal = refuse_row(self.row, self.fields.of_numbers)
        return refusal.proposals if refusal else ()

    @property
    def label(self) -> str:
        """What people call its field, shown in place of the path until the field is edited; empty where they agree."""
        label = field_label(self.row.field, self.fields.name_of)
        return label if label != self.row.field else ""

    @property
    def question(self) -> str:
        """What is wrong with a comparison where only the sample says that the field is a number; else a problem asks.

        Other events may have a text there, which is equal to any text.
        """
        refusal = refuse_row(self.row, self.fields.sampled)
        is_asked = self.row.field in self.fields.sampled
        is_sure = refusal and (refusal.proposals or OPERATORS[self.row.operator].rule in OF_TEXTS)
        return translated(refusal.reason) if refusal and is_asked and is_sure else ""


@dataclass(frozen=True, kw_only=True)
class ConditionGroupView:
    """A group for the template; the outermost has no name."""

    name: str
    join: str
    parts: list[ConditionRowView | ConditionGroupView]
    number: int = 0
    depth: int = 1
    is_row: bool = False

    @property
    def place(self) -> str:
        """Position, as actions name it."""
        return self.name.rstrip(".")

    @property
    def may_hold_groups(self) -> bool:
        """Whether the depth limit allows another group inside."""
        return self.depth < MAX_GROUPS_DEEP


@dataclass(frozen=True, kw_only=True)
class ConditionResult:
    """Result of a condition. `hint` replaces it when it cannot be evaluated."""

    sample: Sample | None = None
    line: ConditionLine | None = None
    hint: str = ""


@dataclass(frozen=True, kw_only=True)
class ConditionView:
    """A condition in its panel. `rev_of` is the key of the step or trigger whose revision guards it."""

    rev_of: str
    about: dict[str, str]
    label: str
    sentence: str
    group: ConditionGroupView | None
    text: str
    message: FieldMessage | None
    result: ConditionResult
    names: str

    @property
    def takes_data(self) -> bool:
        """Whether its rows can use the data picker: only those of steps."""
        return "trigger" not in self.about

    @property
    def id(self) -> str:
        """Element id, stable while the panel is open."""
        return condition_dom_id(self.rev_of, *self.about.values())


@dataclass(frozen=True)
class Conditions:
    """Conditions of one form by name; `names` are the fields that rows can use."""

    views: dict[str, ConditionView] = field(default_factory=dict)
    names: list[FieldOption] = field(default_factory=list)


def condition_dom_id(rev_of: str, *about: str) -> str:
    """The id of a condition's element."""
    return "-".join(["condition", rev_of, *about])


def step_conditions(state: DraftState, node: StepNode, user: User, messages: Mapping[str, FieldMessage]) -> Conditions:
    """Conditions of a step: of its routes by key, or of a loop as `until`."""
    if node.kind == "branch":
        rules = {lane["key"]: lane.get("when") for lane in node.named_slots}
        faults = {
            lane["key"]: message_at(messages, f"{NAMED_SLOT_FIELDS[node.kind]}[{at}].when")
            for at, lane in enumerate(node.named_slots)
        }
        about, label = "arm", _("Run when")
    elif node.kind == "repeat":
        rules, faults = {"until": node.settings.get("until")}, {"until": message_at(messages, "until")}
        about, label = "field", _("Until")
    else:
        return Conditions()
    sample = sample_for_step(state, node, cast(Person, user))
    fields = _known_fields(state, sample)
    views = {
        key: _condition_view(node.key, {about: key}, label, rule, faults[key], sample, fields, needed=True)
        for key, rule in rules.items()
    }
    known = [*samples.known_paths(state, node), *_declared_paths(state, node)]
    return Conditions(views, field_options(_sample_names(known, sample), fields.name_of))


def _declared_paths(state: DraftState, node: StepNode) -> list[str]:
    """The paths in the outputs that earlier steps declare, before any of them has run."""
    found: list[str] = []
    for available in scope_at_condition(state.parsed.definition, node.key).steps:
        key = available.step.key
        shape = declared_output(state.draft.steps[key])
        found += [path for path, _ in walk_paths(shape, f"steps.{key}.output") if isinstance(shape, dict)]
    return found


def trigger_conditions(
    state: DraftState, node: TriggerNode, user: User, messages: Mapping[str, FieldMessage]
) -> Conditions:
    """The filter of a trigger."""
    sample = sample_for_trigger(state, node.key, cast(Person, user))
    about = {"trigger": node.key}
    message, fields = message_at(messages, "filter"), _known_fields(state, sample)
    view = _condition_view(node.key, about, _("Only when"), node.filter, message, sample, fields, needed=False)
    return Conditions(
        {"filter": view}, field_options(_sample_names(samples.known_paths(state, None), sample), fields.name_of)
    )


def _sample_names(known: list[str], sample: Sample | WithheldSample | None) -> list[tuple[str, str]]:
    found = dict.fromkeys(known, "")
    for path, value in walk_paths(sample.scope) if isinstance(sample, Sample) else ():
        if len(found) >= samples.MAX_PATHS:
            break
        if path.startswith(("event.", "vars.", "item.")) or path.count(".") > 1 or path in found:
            found[path] = value_text(value)
    return list(found.items())


def _known_fields(state: DraftState, sample: Sample | WithheldSample | None) -> KnownFields:
    declared = number_fields(state.parsed.definition)
    found = walk_paths(sample.scope) if isinstance(sample, Sample) else ()
    sampled = (path for path, value in found if isinstance(value, int | float) and not isinstance(value, bool))
    return KnownFields(declared, frozenset(islice(sampled, samples.MAX_PATHS)) - declared, step_names(state))


def _condition_view(
    key: str,
    about: dict[str, str],
    label: str,
    rule: Any,
    message: FieldMessage | None,
    sample: Sample | WithheldSample | None,
    fields: KnownFields,
    *,
    needed: bool,
) -> ConditionView:
    group = rows_from_rule(rule)
    nothing = _("No condition yet") if needed else _("No condition: every event matches")
    return ConditionView(
        rev_of=key,
        about=about,
        label=label,
        sentence=nothing if rule is None else as_sentence(escape_invisible(describe_condition(rule)), stop=""),
        group=None if group is None else _group_view(group, fields),
        text="" if rule is None else json.dumps(rule, indent=2, ensure_ascii=False),
        message=message,
        result=ConditionResult() if rule is None else evaluate_on_sample(rule, sample, fields.name_of),
        names=f"names-{key}",
    )


def _group_view(
    group: ConditionGroup, fields: KnownFields, name: str = "", number: int = 0, depth: int = 1
) -> ConditionGroupView:
    parts: list[ConditionRowView | ConditionGroupView] = []
    for at, part in enumerate(group.parts):
        here = f"{name}{at}."
        if isinstance(part, ConditionRow):
            parts.append(ConditionRowView(name=here, row=part, number=at + 1, fields=fields))
        else:
            parts.append(_group_view(part, fields, here, at + 1, depth + 1))
    return ConditionGroupView(name=name, join=group.join, parts=parts, number=number, depth=depth)


# --- what it comes to -------------------------------------------------------------------------------------------------


def evaluate_on_sample(rule: Any, sample: Sample | WithheldSample | None, name_of: StepNames) -> ConditionResult:
    """Result of the rule on the sample, with the reason."""
    if isinstance(sample, WithheldSample):
        return ConditionResult(hint=_("You need the View payloads permission to see the result."))
    if sample is None:
        return ConditionResult(hint=_("No event yet. The result appears after the first event."))
    try:
        parsed = read_rule(rule)
        if untested := _untested_field(parsed.paths, sample.scope, name_of):
            return ConditionResult(sample=sample, hint=untested)
        explained = parsed.explain(sample.scope)
    except RuleError as error:
        return ConditionResult(
            sample=sample, hint=_("Cannot evaluate the condition. %(problem)s") % {"problem": as_sentence(str(error))}
        )
    return ConditionResult(sample=sample, line=explanation_lines(explained))


def _untested_field(paths: Iterable[str], scope: Mapping[str, Any], name_of: StepNames) -> str:
    """Why the condition has no result: a field of a step or event that the sample lacks. Empty if it has all."""
    for path in paths:
        name, _dot, rest = path.partition(".")
        if name == "event" and not scope.get("event"):
            return _("No event yet. The result appears after the first event.")
        key, _dot, field = rest.partition(".")
        if name == "steps" and key and key not in scope.get("steps", {}):
            values = {"field": field.rpartition(".")[2] or "output", "step": name_of(key)}
            return _("Not known: %(field)s of %(step)s was not tested.") % values
    return ""


# --- what a form asks for ---------------------------------------------------------------------------------------------


def condition_command(draft: Draft, path: str, post: Mapping[str, str], rev: int) -> dict[str, Any]:
    """Draft command of a condition's form. Raises RefusedError."""
    rule = _posted_rule(post)
    trigger = post.get("trigger", "")
    if trigger:
        fields = {"set": {"filter": rule}} if rule is not None else {"unset": ["filter"]}
        return {"do": "edit_trigger", "rev": rev, "key": trigger, **fields}
    key = path.rpartition("/")[2]
    if "arm" in post:
        return {"do": "edit_condition", "rev": rev, "key": key, "arm": post["arm"], "when": rule}
    if key not in draft.steps or draft.steps[key].kind != "repeat":
        raise RefusedError(_("This step has no condition."))
    fields = {"set": {"until": rule}} if rule is not None else {"unset": ["until"]}
    return {"do": "edit", "rev": rev, "key": key, **fields}


def _posted_rule(post: Mapping[str, str]) -> Any:
    """Posted rule: from JSON, or from rows after the requested action."""
    act = post.get("act", "")
    if act == "rows":
        return rule_from_rows(apply_action(ConditionGroup(), "add:"))
    if act == "json" or (not act and "json" in post and "join" not in post):
        return _parse_json_rule(post.get("json", ""))
    group = read_form(post)
    return rule_from_rows(apply_action(group, act) if act else group)


def _parse_json_rule(text: str) -> Any:
    if not text.strip():
        return None
    try:
        return parse_json(text)
    except ValueError as error:
        raise RefusedError(_("Invalid JSON: %(problem)s") % {"problem": translated(str(error))}, "json") from error

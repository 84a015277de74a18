"""Differences between two definitions of a workflow: in words, row by row, and as texts side by side.

Values in, values out. Steps and triggers are the same when their keys are; names are labels. All texts are marked:
`automate_governance.texts.translated` shows them in a language.
"""

from __future__ import annotations

import difflib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import msgspec

from automate_authoring.drafts.step_location import distinct_name, place_name
from automate_authoring.drafts.values import TRIGGER_LABELS
from automate_authoring.field_labels import field_label, find_input, input_label, part_label
from automate_core.definition.document import ActionStep, Definition, Step, Trigger
from automate_core.definition.slots import StepIndex, StepPosition, slots, walk
from automate_core.definition.step_names import marked_name
from automate_plugins import ntext, text
from automate_plugins.fields import FieldSpec
from automate_plugins.texts import Text, joined, marked, verbatim

type Table = Literal["step", "trigger", "workflow"]
type Values = Mapping[str, Any]
_NAMED = ("arms", "outcomes", "form", "inputs")
_FIELDS_OF_FORMS = frozenset({"form", "inputs"})
_SPREAD = ("inputs", "vars", "search_terms", "retry", "concurrency", "retention", "agents", "on_error")

_NAMED_LABELS = {
    "route": (text("route %(name)s"), text("order of routes")),
    "branch": (text("parallel branch %(name)s"), text("order of parallel branches")),
    "outcome": (text("outcome %(name)s"), text("order of outcomes")),
    "form": (text("question %(name)s"), text("order of questions")),
    "inputs": (text("field %(name)s"), text("order of fields")),
}
WORKFLOW = marked(text("Workflow"))
_TOP = marked(text("the top level"))


@dataclass(frozen=True)
class _Condition:
    """A condition among the values of fields."""

    rule: Any


@dataclass(frozen=True, kw_only=True)
class FieldChange:
    """One field. `was` and `now` are its values as texts, None where it was not, or is no longer, given.

    The values of a condition are JSON. `before` and `after` are the values themselves. `label` is what people call it,
    `spec` the field of an action's input.
    """

    name: str
    was: str | None
    now: str | None
    before: Any = None
    after: Any = None
    is_condition: bool = False
    label: str = ""
    spec: FieldSpec | None = None


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One change: `name` is the label of the step or trigger, `words` says what was changed.

    `authors` are the user names of those who made it, where that is known.
    """

    kind: Literal["added", "removed", "moved", "changed"]
    table: Table
    key: str
    name: str
    words: str
    fields: tuple[FieldChange, ...] = ()
    authors: tuple[str, ...] = ()


def find_differences(before: Definition, after: Definition, *, run_as: tuple[str, str] = ("", "")) -> list[Difference]:
    """The differences: those of the workflow's own fields, of its triggers, then of its steps in reading order.

    `run_as` are the names of the people that each runs as.
    """
    was, now = ({field_label("run as"): name} for name in run_as)
    own = changed_fields("workflow", "", WORKFLOW, {**_own_fields(before), **was}, {**_own_fields(after), **now})
    return [*own, *_triggers(before, after), *_steps(before, after)]


def with_authors(found: list[Difference], authors: Mapping[tuple[str, str], tuple[str, ...]]) -> list[Difference]:
    """The same, each with those who changed its row."""
    return [replace(each, authors=authors.get((each.table, each.key), ())) for each in found]


# --- triggers and the workflow itself ---------------------------------------------------------------------------------


def _own_fields(definition: Definition) -> Values:
    document = msgspec.to_builtins(definition)
    return flat_fields({name: value for name, value in document.items() if name not in {"steps", "triggers", "slug"}})


def _triggers(before: Definition, after: Definition) -> Iterator[Difference]:
    old, new = ({part.key: part for part in each.triggers} for each in (before, after))
    for key, part in old.items():
        if key not in new or new[key].matches[0] != part.matches[0]:
            yield _trigger("removed", part, text("trigger removed"))
    for key, part in new.items():
        present = old.get(key)
        if present is None or present.matches[0] != part.matches[0]:
            yield _trigger("added", part, text("trigger added"))
        else:
            fields = (flat_fields(msgspec.to_builtins(each)) for each in (present, part))
            yield from changed_fields("trigger", key, trigger_name(part), *fields)


def _trigger(kind: Literal["added", "removed"], part: Trigger, words: str) -> Difference:
    return Difference(kind=kind, table="trigger", key=part.key, name=trigger_name(part), words=words)


def trigger_name(part: Trigger) -> str:
    """The label of a trigger: `Webhook github`."""
    kind = str(part.__struct_config__.tag)
    source = part.matches[0].partition(":")[2] or part.matches[1]
    return joined([TRIGGER_LABELS.get(kind, kind.capitalize()), verbatim(source) if source else ""])


# --- steps ------------------------------------------------------------------------------------------------------------


def _steps(before: Definition, after: Definition) -> Iterator[Difference]:
    old, new = ({each.step.key: each for each in StepIndex(part.steps)} for part in (before, after))
    for key, was in old.items():
        if key not in new and (was.parent is None or was.parent.key in new):  # else its parent's difference covers it
            place = _where(was)
            words = text("removed from %(place)s", place=place) if place else text("removed")
            yield _step_difference("removed", was, joined([words, _with_inner(was)]))
    shifted = _reordered_keys(old, new)
    labels = Counter(_label(now.step) for now in new.values())
    for key, now in new.items():
        present = old.get(key)
        if present is None:
            if now.parent is None or now.parent.key in old:
                place = _where(now)
                words = text("added to %(place)s", place=place) if place else text("added")
                yield _step_difference("added", now, joined([words, _with_inner(now)]))
            continue
        if _list_of(present) != _list_of(now):
            places = {"old": _where(present) or _TOP, "new": _where(now) or _TOP}
            yield _step_difference("moved", now, text("moved from %(old)s to %(new)s", **places))
        elif key in shifted:
            yield _step_difference("moved", now, text("moved within %(place)s", place=_where(now) or _TOP))
        name = distinct_name(_label(now.step), _where(now) if labels[_label(now.step)] > 1 else "")
        fields = _step_fields(present.step), _step_fields(now.step)
        inputs = _input_names(present.step) | _input_names(now.step)
        yield from changed_fields("step", key, name, *fields, inputs=inputs)


def _label(step: Step) -> str:
    return step.name or step.key.replace("_", " ").capitalize()


def _name(step: Step) -> str:
    return marked_name(_label(step))


def _list_of(position: StepPosition) -> tuple[str, str]:
    """The list that a step stands in: (key of its parent, key of the slot), both empty at the top."""
    return position.parent.key if position.parent else "", position.slot_key


def _where(position: StepPosition) -> str:
    """The list that a step stands in, in words; empty at the top."""
    if position.parent is None or position.slot is None:
        return ""
    slot = position.slot
    return place_name(slot.key, slot.name, _label(position.parent))


def _reordered_keys(old: Mapping[str, StepPosition], new: Mapping[str, StepPosition]) -> set[str]:
    """Keys that stand in the same list as before, among the others that stayed there, in another order."""
    lists: dict[tuple[str, str], tuple[list[str], list[str]]] = {}
    for side, positions in enumerate((old, new)):
        for key, each in positions.items():
            if key in old and key in new and _list_of(old[key]) == _list_of(new[key]):
                lists.setdefault(_list_of(each), ([], []))[side].append(key)
    found: set[str] = set()
    for was, now in lists.values():
        if was != now:
            matcher = difflib.SequenceMatcher(None, was, now, autojunk=False)
            kept = {key for block in matcher.get_matching_blocks() for key in was[block.a : block.a + block.size]}
            found |= set(was) - kept
    return found


def _step_difference(kind: Literal["added", "removed", "moved"], position: StepPosition, words: str) -> Difference:
    return Difference(kind=kind, table="step", key=position.step.key, name=_name(position.step), words=words)


def _with_inner(position: StepPosition) -> str:
    count = sum(1 for slot in slots(position.step) for __ in walk(slot.steps))
    if not count:
        return ""
    return ntext("(with %(count)s step inside)", "(with %(count)s steps inside)", count)


def _step_fields(step: Step) -> Values:
    """Its own fields, without the steps inside it."""
    document: dict[str, Any] = msgspec.to_builtins(step)
    for slot in slots(step):
        document.pop(slot.place, None)  # a list of its own; those of routes and outcomes are taken out below
    for name in ("arms", "outcomes"):
        document[name] = [{**named_slot, "steps": None} for named_slot in document.get(name, ())]
    if isinstance(step, ActionStep) and isinstance(document.get("on_error"), dict):
        document["on_error"] = {name: value for name, value in document["on_error"].items() if name != "steps"} or True
    return flat_fields(document)


def _input_names(step: Step) -> dict[str, str]:
    """The actions of a step's inputs, by their names."""
    return dict.fromkeys(step.inputs, step.action) if isinstance(step, ActionStep) else {}


# --- fields -----------------------------------------------------------------------------------------------------------


def flat_fields(document: Mapping[str, Any]) -> Values:
    """Fields by their labels: `title` of the inputs, `condition of Bug` of the routes."""
    found: dict[str, Any] = {}
    for name, value in document.items():
        if name in _NAMED and isinstance(value, list):
            found |= _named_values(name, value, str(document.get("kind", "")))
        elif name in _SPREAD and isinstance(value, dict):
            found |= {part_name(name, inner): given for inner, given in value.items()}
        else:
            label = field_label(name, str(document.get("kind", "")))
            found[label] = _Condition(value) if name == "filter" else value
    return found


def part_name(section: str, name: str) -> str:
    """The label of a part: `url` of the inputs, `currency (variables)` of the others."""
    if section == "inputs":
        return verbatim(name)
    return text("%(name)s (%(section)s)", name=part_label(section, name), section=field_label(section))


def _named_values(name: str, named_slots: list[dict[str, Any]], kind: str) -> Values:
    label, order = _NAMED_LABELS[
        "branch" if kind == "parallel" else {"arms": "route", "outcomes": "outcome"}.get(name, name)
    ]
    found: dict[str, Any] = {}
    for named_slot in named_slots:
        key = str(named_slot.get("key") or named_slot.get("name"))
        if name in _FIELDS_OF_FORMS:
            found[Text(label, {"name": key})] = named_slot
            continue
        found[Text(label, {"name": key})] = named_slot.get("name") or key
        if "when" in named_slot:
            found[text("condition of %(name)s", name=named_slot.get("name") or key)] = _Condition(named_slot["when"])
    if len(named_slots) > 1:
        found[marked(order)] = [named_slot.get("key") or named_slot.get("name") for named_slot in named_slots]
    return found


def changed_fields(
    table: Table, key: str, name: str, before: Values, after: Values, *, inputs: Mapping[str, str] | None = None
) -> Iterator[Difference]:
    """The difference of one row by fields, as `flat_fields` gives them; none where they are equal.

    `inputs` are the actions of fields that are inputs, whose name in the document is no label.
    """
    inputs = inputs or {}
    names = [each for each in {**before, **after} if _text(before, each) != _text(after, each)]
    if names:
        fields = tuple(
            FieldChange(
                name=each,
                label=input_label(inputs[each], each) if each in inputs else each,
                spec=find_input(inputs[each], each) if each in inputs else None,
                was=_text(before, each),
                now=_text(after, each),
                before=_raw(before.get(each)),
                after=_raw(after.get(each)),
                is_condition=isinstance(after.get(each, before.get(each)), _Condition),
            )
            for each in names
        )
        words = text("changed: %(fields)s", fields=joined([field.label for field in fields], ", "))
        yield Difference(kind="changed", table=table, key=key, name=name, words=words, fields=fields)


def _raw(value: Any) -> Any:
    return value.rule if isinstance(value, _Condition) else value


def _text(values: Values, name: str) -> str | None:
    if name not in values:
        return None
    value = _raw(values[name])
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=False)


# --- side by side -----------------------------------------------------------------------------------------------------

MAX_LINES = 20_000  #: of both texts together that are compared
CONTEXT = 3  #: lines around a change that are shown


@dataclass(frozen=True, slots=True)
class Line:
    """A line of one or both texts, with its numbers from 1; a `gap` stands for lines left out."""

    kind: Literal["same", "changed", "gap"]
    left: str = ""
    right: str = ""
    left_number: int | None = None
    right_number: int | None = None


def side_by_side(before: str, after: str) -> list[Line] | None:
    """The lines that differ, with some around them; None when the texts are too long to be compared."""
    old, new = before.splitlines(), after.splitlines()
    if len(old) + len(new) > MAX_LINES:
        return None
    found: list[Line] = []
    for group in difflib.SequenceMatcher(None, old, new).get_grouped_opcodes(CONTEXT):
        if found or group[0][1] > 0 or group[0][3] > 0:
            found.append(Line("gap"))
        for kind, a, a_end, b, b_end in group:
            for offset in range(max(a_end - a, b_end - b)):
                left, right = a + offset, b + offset
                found.append(
                    Line(
                        "same" if kind == "equal" else "changed",
                        old[left] if left < a_end else "",
                        new[right] if right < b_end else "",
                        left + 1 if left < a_end else None,
                        right + 1 if right < b_end else None,
                    )
                )
    return found

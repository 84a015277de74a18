"""What differs between two definitions of a workflow: in words, row by row, and as texts side by side.

Values in, values out. Steps and triggers are the same when their keys are; names are labels.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import msgspec

from automate_core.definition.document import OTHERWISE, TIMEOUT, ActionStep, Definition, Step, Trigger
from automate_core.definition.slots import StepIndex, StepPosition, slots, walk

type Table = Literal["step", "trigger", "workflow"]
type Values = Mapping[str, Any]
_NAMED = ("arms", "outcomes", "form")
_SPREAD = ("inputs", "vars", "search_terms", "retry", "concurrency", "retention", "on_error")
_SLOT_WORDS = {
    "steps": "the steps of {}",
    OTHERWISE: "otherwise of {}",
    TIMEOUT: "the time-out of {}",
    "on_error": "on error of {}",
    "always": "always of {}",
}


@dataclass(frozen=True, kw_only=True)
class FieldChange:
    """One field. `was` and `now` are its values as texts, None where it was not, or is no longer, given."""

    name: str
    was: str | None
    now: str | None


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One change: `name` is what people call the step or trigger, `words` what came of it.

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
    """What makes `after` of `before`: the workflow's own fields, its triggers, then its steps in reading order.

    `run_as` are the names of whom each acts as.
    """
    was, now = ({"run as": name} for name in run_as)
    own = _changed("workflow", "", "Workflow", {**_own_fields(before), **was}, {**_own_fields(after), **now})
    return [*own, *_triggers(before, after), *_steps(before, after)]


def with_authors(found: list[Difference], authors: Mapping[tuple[str, str], tuple[str, ...]]) -> list[Difference]:
    """The same, each with those who changed its row."""
    return [replace(each, authors=authors.get((each.table, each.key), ())) for each in found]


# --- triggers and the workflow itself ---------------------------------------------------------------------------------


def _own_fields(definition: Definition) -> Values:
    document = msgspec.to_builtins(definition)
    return _flat_fields({name: value for name, value in document.items() if name not in {"steps", "triggers", "slug"}})


def _triggers(before: Definition, after: Definition) -> Iterator[Difference]:
    old, new = ({part.key: part for part in each.triggers} for each in (before, after))
    for key, part in old.items():
        if key not in new or new[key].matches[0] != part.matches[0]:
            yield _trigger("removed", part, "no longer starts it")
    for key, part in new.items():
        present = old.get(key)
        if present is None or present.matches[0] != part.matches[0]:
            yield _trigger("added", part, "starts it")
        else:
            fields = (_flat_fields(msgspec.to_builtins(each)) for each in (present, part))
            yield from _changed("trigger", key, trigger_name(part), *fields)


def _trigger(kind: Literal["added", "removed"], part: Trigger, words: str) -> Difference:
    return Difference(kind=kind, table="trigger", key=part.key, name=trigger_name(part), words=words)


def trigger_name(part: Trigger) -> str:
    """What people call a trigger: `Webhook github`."""
    kind = str(part.__struct_config__.tag)
    source = part.matches[0].partition(":")[2] or part.matches[1]
    return f"{'By hand' if kind == 'manual' else kind.capitalize()} {source}".strip()


# --- steps ------------------------------------------------------------------------------------------------------------


def _steps(before: Definition, after: Definition) -> Iterator[Difference]:
    old, new = ({each.step.key: each for each in StepIndex(part.steps)} for part in (before, after))
    for key, was in old.items():
        if key not in new and (was.parent is None or was.parent.key in new):  # else its parent's difference covers it
            yield _step_difference("removed", was, f"removed{_removed_words(was)}{_with_inner(was)}")
    shifted = _reordered_keys(old, new)
    for key, now in new.items():
        present = old.get(key)
        if present is None:
            if now.parent is None or now.parent.key in old:
                yield _step_difference("added", now, f"added{_added_words(now)}{_with_inner(now)}")
            continue
        if _list_of(present) != _list_of(now):
            yield _step_difference(
                "moved", now, f"moved{_removed_words(present) or ' from the top'}{_added_words(now) or ' to the top'}"
            )
        elif key in shifted:
            yield _step_difference("moved", now, f"moved among {_where(now) or 'the steps at the top'}")
        yield from _changed("step", key, _label(now.step), _step_fields(present.step), _step_fields(now.step))


def _label(step: Step) -> str:
    return step.name or step.key.replace("_", " ").capitalize()


def _list_of(position: StepPosition) -> tuple[str, str]:
    """The list that a step stands in: (key of its parent, key of the slot), both empty at the top."""
    return position.parent.key if position.parent else "", position.slot_key


def _where(position: StepPosition) -> str:
    """The list that a step stands in, in words; empty at the top."""
    if position.parent is None or position.slot is None:
        return ""
    slot = position.slot
    words = _SLOT_WORDS.get(slot.key, "") if slot.name == "" else ""
    return (words or f"{slot.name or slot.key.replace('_', ' ').capitalize()} of {{}}").format(_label(position.parent))


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
    return Difference(kind=kind, table="step", key=position.step.key, name=_label(position.step), words=words)


def _removed_words(position: StepPosition) -> str:
    return f" from {_where(position)}" if position.parent else ""


def _added_words(position: StepPosition) -> str:
    return f" to {_where(position)}" if position.parent else ""


def _with_inner(position: StepPosition) -> str:
    count = sum(1 for slot in slots(position.step) for _ in walk(slot.steps))
    return f", with the {count} step{'s' if count > 1 else ''} in it" if count else ""


def _step_fields(step: Step) -> Values:
    """Its own fields, without the steps inside it."""
    document: dict[str, Any] = msgspec.to_builtins(step)
    for slot in slots(step):
        document.pop(slot.place, None)  # a list of its own; those of routes and outcomes are taken out below
    for name in ("arms", "outcomes"):
        document[name] = [{**named_slot, "steps": None} for named_slot in document.get(name, ())]
    if isinstance(step, ActionStep) and isinstance(document.get("on_error"), dict):
        document["on_error"] = {name: value for name, value in document["on_error"].items() if name != "steps"} or True
    return _flat_fields(document)


# --- fields -----------------------------------------------------------------------------------------------------------


def _flat_fields(document: Mapping[str, Any]) -> Values:
    """Fields by the names people know them by: `title` of the inputs, `condition of Bug` of the routes."""
    found: dict[str, Any] = {}
    for name, value in document.items():
        if name in _NAMED and isinstance(value, list):
            found |= _named_values(name, value, str(document.get("kind", "")))
        elif name in _SPREAD and isinstance(value, dict):
            prefix = "" if name == "inputs" else f"{name.replace('_', ' ')} "
            found |= {f"{prefix}{inner}": given for inner, given in value.items()}
        else:
            found[name.replace("_", " ")] = value
    return found


def _named_values(name: str, named_slots: list[dict[str, Any]], kind: str) -> Values:
    word = {"arms": "track" if kind == "parallel" else "route", "outcomes": "outcome", "form": "form field"}[name]
    found: dict[str, Any] = {}
    for named_slot in named_slots:
        key = str(named_slot.get("key") or named_slot.get("name"))
        if name == "form":
            found[f"{word} {key}"] = named_slot
            continue
        found[f"{word} {key}"] = named_slot.get("name") or key
        if "when" in named_slot:
            found[f"condition of {named_slot.get('name') or key}"] = named_slot["when"]
    if len(named_slots) > 1:
        found[f"order of {word}s"] = [named_slot.get("key") or named_slot.get("name") for named_slot in named_slots]
    return found


def _changed(table: Table, key: str, name: str, before: Values, after: Values) -> Iterator[Difference]:
    names = [each for each in {**before, **after} if _text(before, each) != _text(after, each)]
    if names:
        fields = tuple(FieldChange(name=each, was=_text(before, each), now=_text(after, each)) for each in names)
        yield Difference(
            kind="changed", table=table, key=key, name=name, words=f"changed {', '.join(names)}", fields=fields
        )


def _text(values: Values, name: str) -> str | None:
    if name not in values:
        return None
    value = values[name]
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

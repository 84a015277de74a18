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
from automate_core.definition.slots import slots

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


@dataclass(frozen=True)
class _LocatedStep:
    """A step where it stands. `holder` is the key of the step around it, empty at the top; `slot` the list there."""

    step: Step
    holder: str
    slot: str
    where: str

    @property
    def label(self) -> str:
        return self.step.name or self.step.key.replace("_", " ").capitalize()

    @property
    def place(self) -> tuple[str, str]:
        return self.holder, self.slot


def _steps(before: Definition, after: Definition) -> Iterator[Difference]:
    old, new = ({each.step.key: each for each in _located_steps(part.steps)} for part in (before, after))
    for key, gone in old.items():
        if key not in new and (gone.holder in new or not gone.holder):  # what went along with its holder is not told
            yield _step_difference("removed", gone, f"removed{_removed_words(gone)}{_with_inner(gone)}")
    shifted = _reordered_keys(old, new)
    for key, now in new.items():
        was = old.get(key)
        if was is None:
            if now.holder in old or not now.holder:
                yield _step_difference("added", now, f"added{_added_words(now)}{_with_inner(now)}")
            continue
        if was.place != now.place:
            yield _step_difference(
                "moved", now, f"moved{_removed_words(was) or ' from the top'}{_added_words(now) or ' to the top'}"
            )
        elif key in shifted:
            yield _step_difference("moved", now, f"moved among {now.where or 'the steps at the top'}")
        yield from _changed("step", key, now.label, _step_fields(was.step), _step_fields(now.step))


def _located_steps(steps: list[Step], holder: str = "", slot: str = "", where: str = "") -> Iterator[_LocatedStep]:
    for step in steps:
        placed = _LocatedStep(step, holder, slot, where)
        yield placed
        for inner in slots(step):
            words = _SLOT_WORDS.get(inner.key, "") if inner.name == "" else ""
            said = (words or f"{inner.name or inner.key.replace('_', ' ').capitalize()} of {{}}").format(placed.label)
            yield from _located_steps(inner.steps, step.key, inner.key, said)


def _reordered_keys(old: Mapping[str, _LocatedStep], new: Mapping[str, _LocatedStep]) -> set[str]:
    """Keys that stand in the same list as before, among the others that stayed there, in another order."""
    lists: dict[tuple[str, str], tuple[list[str], list[str]]] = {}
    for side, placed in enumerate((old, new)):
        for key, each in placed.items():
            if key in old and key in new and old[key].place == new[key].place:
                lists.setdefault(each.place, ([], []))[side].append(key)
    found: set[str] = set()
    for was, now in lists.values():
        if was != now:
            matcher = difflib.SequenceMatcher(None, was, now, autojunk=False)
            kept = {key for block in matcher.get_matching_blocks() for key in was[block.a : block.a + block.size]}
            found |= set(was) - kept
    return found


def _step_difference(kind: Literal["added", "removed", "moved"], placed: _LocatedStep, words: str) -> Difference:
    return Difference(kind=kind, table="step", key=placed.step.key, name=placed.label, words=words)


def _removed_words(placed: _LocatedStep) -> str:
    return f" from {placed.where}" if placed.where else ""


def _added_words(placed: _LocatedStep) -> str:
    return f" to {placed.where}" if placed.where else ""


def _with_inner(placed: _LocatedStep) -> str:
    count = sum(1 for slot in slots(placed.step) for _ in _located_steps(slot.steps))
    return f", with the {count} step{'s' if count > 1 else ''} in it" if count else ""


def _step_fields(step: Step) -> Values:
    """Its own fields, without the steps inside it."""
    document: dict[str, Any] = msgspec.to_builtins(step)
    for slot in slots(step):
        document.pop(slot.place, None)  # a list of its own; those of routes and outcomes are taken out below
    for name in ("arms", "outcomes"):
        document[name] = [{**lane, "steps": None} for lane in document.get(name, ())]
    if isinstance(step, ActionStep) and isinstance(document.get("on_error"), dict):
        document["on_error"] = {name: value for name, value in document["on_error"].items() if name != "steps"} or True
    return _flat_fields(document)


# --- fields -----------------------------------------------------------------------------------------------------------


def _flat_fields(document: Mapping[str, Any]) -> Values:
    """Fields by the names people know them by: `title` of the inputs, `condition of Bug` of the routes."""
    found: dict[str, Any] = {}
    for name, value in document.items():
        if name in _NAMED and isinstance(value, list):
            found |= _lanes(name, value, str(document.get("kind", "")))
        elif name in _SPREAD and isinstance(value, dict):
            prefix = "" if name == "inputs" else f"{name.replace('_', ' ')} "
            found |= {f"{prefix}{inner}": given for inner, given in value.items()}
        else:
            found[name.replace("_", " ")] = value
    return found


def _lanes(name: str, lanes: list[dict[str, Any]], kind: str) -> Values:
    word = {"arms": "track" if kind == "parallel" else "route", "outcomes": "outcome", "form": "form field"}[name]
    found: dict[str, Any] = {}
    for lane in lanes:
        key = str(lane.get("key") or lane.get("name"))
        if name == "form":
            found[f"{word} {key}"] = lane
            continue
        found[f"{word} {key}"] = lane.get("name") or key
        if "when" in lane:
            found[f"condition of {lane.get('name') or key}"] = lane["when"]
    if len(lanes) > 1:
        found[f"order of {word}s"] = [lane.get("key") or lane.get("name") for lane in lanes]
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

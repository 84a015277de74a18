"""Documents of steps into a draft: the initial state of a new step, and whole trees of them under free keys."""

from __future__ import annotations

import copy
import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.utils.translation import gettext as _

from automate_authoring.drafts.errors import RefusedError
from automate_authoring.drafts.parsing import STEPS, TRIGGERS
from automate_authoring.drafts.references import rewrite_references
from automate_authoring.drafts.values import (
    COLUMNS,
    GAP,
    POLICY_FIELDS,
    Draft,
    StepNode,
    TriggerNode,
    slot_container,
)
from automate_core.definition.document import (
    MAX_NESTING,
    OTHERWISE,
    TIMEOUT,
    ConnectionSlug,
    DefinitionError,
    Key,
    Name,
    NamedSlot,
    Route,
)
from automate_core.definition.parsing import convert
from automate_core.definition.slots import NAMED_SLOT_FIELDS
from automate_plugins import text

MAX_SLOTS = 50
MAX_BYTES = 1_000_000
_TYPES: dict[str, Any] = {
    "name": Name,
    "notes": str,
    "disabled": bool,
    "action": Name,
    "connection": ConnectionSlug,
    "inputs": dict[str, Any],
    "on_error": dict[str, Any] | None,
    "on_timeout": list[Any] | None,
}


def initial_settings(kind: str) -> dict[str, Any]:
    """Initial settings of a new step of that kind or preset, with names in the active language."""
    first, second = (initial_slot_name(kind, number) for number in (1, 2))
    match kind:
        case "branch":
            return {"arms": [{"key": "route_1", "name": first, "when": None, "steps": []}], "otherwise": []}
        case "parallel":
            return {
                "arms": [
                    {"key": "track_1", "name": first, "steps": []},
                    {"key": "track_2", "name": second, "steps": []},
                ]
            }
        case "for_each":
            return {"items": ""}
        case "repeat":
            return {"until": None, "maximum": 10}
        case "reply":
            return {"body": {"status": "ok"}}
        case "form_page":
            return {"form": [{"name": "answer", "label": _("Answer"), "required": True}], "timeout": "7d"}
        case "callback":
            return {"callback": True, "timeout": "1d"}
        case "approval":
            outcomes = [("approved", _("Approve")), ("rejected", _("Reject"))]
            return {
                "timeout": "2d",
                "outcomes": [{"key": key, "name": name, "steps": []} for key, name in outcomes],
            }
    return {}


def initial_slot_name(kind: str, number: int) -> str:
    """Name of a new route, parallel branch or outcome, in the active language."""
    match kind:
        case "branch":
            return _("Route %(number)s") % {"number": number}
        case "parallel":
            return _("Parallel branch %(number)s") % {"number": number}
    return _("Outcome %(number)s") % {"number": number}


def free_key(wish: str, taken: Mapping[str, Any] | set[str]) -> str:
    """A key like `wish` that is not taken: `post_message`, then `post_message_2`."""
    plain = unicodedata.normalize("NFKD", wish).encode("ascii", "ignore").decode().lower()
    stem = re.sub(r"[^a-z0-9]+", "_", plain).strip("_").lstrip("0123456789_")[:56].rstrip("_") or "step"
    number, key = 1, stem
    while key in taken:
        number += 1
        key = f"{stem}_{number}"
    return key


def free_name(wish: str, draft: Draft, kind: str) -> str:
    """A name like `wish` that no step has yet: `Send message`, then `Send message 2`.

    Stops can have the same name: nothing refers to them, so a number would say nothing.
    """
    if kind == "stop":
        return wish
    taken = {node.label for node in draft.steps.values()}
    number, name, stem = 1, wish, re.sub(r" \d+$", "", wish)[:190]
    while name and name in taken:
        number += 1
        name = f"{stem} {number}"
    return name


def check_storable(value: Any, place: str = "") -> None:
    """Raise RefusedError for what no JSON column takes."""
    try:
        encoded = json.dumps(value, allow_nan=False, ensure_ascii=False)
        encoded.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise RefusedError(text("Not valid as JSON: %(error)s", error=str(error)), place) from error
    if "\\u0000" in encoded.replace("\\\\", ""):
        raise RefusedError(text("Remove the NUL character."), place)
    if len(encoded) > MAX_BYTES:
        raise RefusedError(text("Too large. Use at most %(maximum)s characters.", maximum=MAX_BYTES), place)


def editable_fields(kind: str) -> list[str]:
    """The fields of a step that can be edited by name: all but its key and the lists of steps in it."""
    return [
        name
        for name in STEPS[kind].__struct_fields__
        if name not in {"key", "arms", "outcomes"} and not _holds_steps(kind, name)
    ]


def _holds_steps(kind: str, name: str) -> bool:
    """Whether a field is a list of steps and nothing else: those are rows of their own."""
    return name in {"steps", "otherwise", "always"} or (kind == "try" and name == "on_error")


def checked_value(name: str, value: Any) -> Any:
    """A field's value as it is stored; faults that only keep it from being published may stay. Raises RefusedError."""
    check_storable(value, name)
    if name in _TYPES:
        try:
            convert(value, _TYPES[name], name)
        except DefinitionError as error:
            raise RefusedError(error.problems[0].reason, name) from error
    if name == "on_error" and isinstance(value, dict) and "steps" in value:
        return {**value, "steps": []}
    return [] if name == "on_timeout" and value is not None else value


def build_node(document: Mapping[str, Any], key: str) -> StepNode:
    """The step of a document, without the steps inside it. Raises RefusedError."""
    kind = document.get("kind", "action")
    if not isinstance(kind, str) or kind not in STEPS:
        raise RefusedError(text("%(value)s is not a kind of step.", value=repr(kind)))
    values: dict[str, dict[str, Any]] = {"columns": {}, "policy": {}, "settings": {}}
    for name in STEPS[kind].__struct_fields__:
        if name not in document or name == "key" or _holds_steps(kind, name):
            continue
        value = (
            _named_slots(kind, name, document[name])
            if name in {"arms", "outcomes"}
            else checked_value(name, document[name])
        )
        where = "columns" if name in COLUMNS else "policy" if kind == "action" and name in POLICY_FIELDS else "settings"
        if not (where != "columns" and value is None):
            values[where][name] = copy.deepcopy(value)
    if unknown := next((name for name in document if name not in {"kind", *STEPS[kind].__struct_fields__}), None):
        reason = text("A step of kind %(kind)s has no field %(field)s.", kind=kind, field=repr(unknown))
        raise RefusedError(reason, str(unknown)[:100])
    settings = values["settings"]
    if kind in NAMED_SLOT_FIELDS:
        settings.setdefault(NAMED_SLOT_FIELDS[kind], initial_settings(kind)[NAMED_SLOT_FIELDS[kind]])
    return StepNode(key=key, kind=kind, policy=values["policy"], settings=settings, **values["columns"])


def _named_slots(kind: str, name: str, named_slots: Any) -> list[dict[str, Any]]:
    """Routes, parallel branches or outcomes without the steps in them."""
    reserved = {OTHERWISE} if kind == "branch" else {TIMEOUT} if kind == "approval" else set()
    found: list[dict[str, Any]] = []
    if not isinstance(named_slots, list):
        raise RefusedError(text("Must be a list of objects."), name)
    for named_slot in named_slots:
        if not isinstance(named_slot, dict):
            raise RefusedError(text("Must be a list of objects."), name)
        bare = {**({"when": None} if kind == "branch" else {}), **named_slot, "steps": []}
        try:
            convert(bare, Route if kind == "branch" else NamedSlot, name)
        except DefinitionError as error:
            raise RefusedError(str(error), name) from error
        if bare["key"] in reserved | {other["key"] for other in found}:
            raise RefusedError(text("The key %(key)s is already used by another route.", key=repr(bare["key"])), name)
        check_storable(bare, name)
        found.append(bare)
    return found


def insert_steps(draft: Draft, documents: list[Any], place: tuple[str, str], index: int | None) -> list[str]:
    """Put documents of steps into a list under keys that are free; references among them follow. Gives their keys.

    Raises RefusedError.
    """
    keys: dict[str, str] = {}
    taken = set(draft.steps)
    _assign_keys(documents, keys, taken, 1)
    documents = rewrite_references(documents, {old: new for old, new in keys.items() if old != new})
    return _insert(draft, documents, place, index, keys)


def _insert(
    draft: Draft, documents: list[Any], place: tuple[str, str], index: int | None, keys: Mapping[str, str]
) -> list[str]:
    planted = []
    for number, document in enumerate(documents):
        made = build_node(document, keys[document["key"]])
        made = replace(made, name=free_name(made.name, draft, made.kind))
        draft.place_at(made, place, None if index is None else index + number)
        planted.append(made.key)
        _insert_inside(draft, made, document, keys)
    return planted


def _insert_inside(draft: Draft, outer: StepNode, document: Mapping[str, Any], keys: Mapping[str, str]) -> None:
    """The steps inside a step that is new: nothing stands in its lists yet."""
    for slot in outer.slots:
        mapping, name = slot_container({**document, "kind": outer.kind}, slot)
        for number, inner in enumerate(mapping.get(name) or [], 1):
            made = build_node(inner, keys[inner["key"]])
            made = replace(made, name=free_name(made.name, draft, made.kind))
            draft.steps[made.key] = replace(made, parent=outer.key, slot=slot, position=number * GAP)
            _insert_inside(draft, made, inner, keys)


def _assign_keys(documents: Any, keys: dict[str, str], taken: set[str], depth: int) -> None:
    """Give every step of the documents a key that is free."""
    if depth > MAX_NESTING:
        raise RefusedError(text("Steps can be nested at most %(maximum)s levels deep.", maximum=MAX_NESTING))
    if not isinstance(documents, list):
        raise RefusedError(text("Must be a list of steps."))
    for document in documents:
        if not isinstance(document, dict):
            raise RefusedError(text("Must be a list of steps."))
        try:
            old: str = convert(document.get("key"), Key, "key")
        except DefinitionError as error:
            raise RefusedError(str(error), "key") from error
        if old in keys:
            raise RefusedError(text("The key %(key)s is used twice.", key=repr(old)))
        keys[old] = free_key(re.sub(r"_\d+$", "", old), taken) if old in taken else old
        taken.add(keys[old])
        made = build_node(document, old)
        for slot in made.slots:
            mapping, name = slot_container({**document, "kind": made.kind}, slot)
            _assign_keys([] if mapping.get(name) is None else mapping[name], keys, taken, depth + 1)


def build_trigger(document: Mapping[str, Any], key: str) -> TriggerNode:
    """The trigger of a document. Raises RefusedError."""
    kind = document.get("kind", "webhook")
    if not isinstance(kind, str) or kind not in TRIGGERS:
        raise RefusedError(text("%(value)s is not a kind of trigger.", value=repr(kind)))
    known = TRIGGERS[kind].__struct_fields__
    if unknown := next((name for name in document if name not in {"kind", *known}), None):
        reason = text("A trigger of kind %(kind)s has no field %(field)s.", kind=kind, field=repr(unknown))
        raise RefusedError(reason, str(unknown)[:100])
    config = {name: value for name, value in document.items() if name in known and name not in {"key", "filter"}}
    check_storable([config, document.get("filter")])
    return TriggerNode(key=key, kind=kind, config=copy.deepcopy(config), filter=copy.deepcopy(document.get("filter")))

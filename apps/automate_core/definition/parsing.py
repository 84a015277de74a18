"""Reading documents as definitions, and writing them: unknown fields, wrong types and missing values as problems."""

from __future__ import annotations

import difflib
import re
from typing import Any, get_args

import msgspec
from msgspec import Struct

from automate_core.definition.document import (
    MAX_NESTING,
    PATTERN_REASONS,
    SCHEMA,
    Concurrency,
    Definition,
    DefinitionError,
    FormField,
    NamedSlot,
    OnError,
    Problem,
    Retention,
    Retry,
    Route,
    Step,
    Trigger,
)


def parse(document: Any) -> Definition:
    """Parse a document's structure. Raises DefinitionError. Its content is checked by `validation.find_problems`."""
    try:
        definition: Definition = convert(_with_kinds(document), Definition)
    except RecursionError:
        raise DefinitionError([Problem("steps", f"nested more than {MAX_NESTING} deep")]) from None
    return definition


def convert(value: Any, into: Any, place: str = "", *, strict: bool = True) -> Any:
    """`value` as that type. Raises DefinitionError, whose problem's path begins with `place`."""
    try:
        return msgspec.convert(value, into, strict=strict)
    except msgspec.ValidationError as error:
        reason, _, where = str(error).partition(" - at `")
        where = (where or "$`").replace("$", f"$.{place}" if place else "$", 1)
        raise DefinitionError([_problem(f"{reason} - at `{where}")]) from error


def to_document(definition: Definition) -> dict[str, Any]:
    """The document of a definition, defaults left out. `parse` reads it back the same."""
    document: dict[str, Any] = msgspec.to_builtins(definition)
    return {"schema": SCHEMA, **document}


_LISTS_OF_STEPS = ("steps", "otherwise", "on_error", "always", "on_timeout")
_LISTS_OF_SLOTS = ("arms", "outcomes")


def _with_kinds(node: Any, depth: int = 0) -> Any:
    """`kind` may be left out of actions and webhooks, the commonest kinds."""
    if depth > 4 * MAX_NESTING:
        raise RecursionError
    if not isinstance(node, dict):
        return node
    filled = dict(node)
    for name, kind in (*((name, "action") for name in _LISTS_OF_STEPS), ("triggers", "webhook")):
        if isinstance(filled.get(name), list):
            filled[name] = [
                _with_kinds({"kind": kind, **item}, depth + 1) if isinstance(item, dict) else item
                for item in filled[name]
            ]
    for name in _LISTS_OF_SLOTS:
        if isinstance(filled.get(name), list):
            filled[name] = [_with_kinds(slot, depth + 1) for slot in filled[name]]
    if isinstance(filled.get("on_error"), dict):
        filled["on_error"] = _with_kinds(filled["on_error"], depth + 1)
    return filled


_AT = re.compile(r"(?P<reason>.*?)(?: - at `(?:key in )?\$(?P<path>[^`]*)`)?", re.DOTALL)
_UNKNOWN_FIELD = re.compile(r"unknown field `(?P<name>.*)`$")


def _problem(message: str) -> Problem:
    match = _AT.fullmatch(message)
    if match is None:
        return Problem("", message)
    path = (match["path"] or "").lstrip(".")
    reason = next((words for pattern, words in PATTERN_REASONS.items() if repr(pattern) in message), match["reason"])
    reason = reason[:1].lower() + reason[1:]
    if unknown := _UNKNOWN_FIELD.search(reason):
        fields = next(fields for pattern, fields in _FIELDS_AT if re.search(pattern, path))
        close = difflib.get_close_matches(unknown["name"], fields, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"there is {', '.join(fields)}"
        reason = f"there is no {unknown['name']!r} here; {hint}"
        path = f"{path}.{unknown['name']}".lstrip(".")
    elif path.endswith(".kind"):
        reason += (
            f"; a step is {', '.join(_STEPS)}" if "triggers" not in path else f"; a trigger is {', '.join(_TRIGGERS)}"
        )
    elif not path and "got `null`" in reason:
        reason = "there is nothing in it"
    return Problem(path, reason)


def _fields(*parts: type[Struct]) -> list[str]:
    """The names that may stand in any of these parts."""
    return list(dict.fromkeys(name for part in parts for name in ("kind", *part.__struct_fields__)))


_STEP_PARTS = get_args(Step.__value__)
_TRIGGER_PARTS = get_args(Trigger.__value__)
_STEPS = [str(part.__struct_config__.tag) for part in _STEP_PARTS]
_TRIGGERS = [str(part.__struct_config__.tag) for part in _TRIGGER_PARTS]
_FIELDS_AT = (
    (r"retry$", _fields(Retry)[1:]),
    (r"on_error$", _fields(OnError)[1:]),
    (r"concurrency$", _fields(Concurrency)[1:]),
    (r"retention$", _fields(Retention)[1:]),
    (r"arms\[\d+\]$", _fields(Route)[1:]),
    (r"outcomes\[\d+\]$", _fields(NamedSlot)[1:]),
    (r"(form|inputs)\[\d+\]$", _fields(FormField)[1:]),
    (r"(steps|otherwise|on_error|always|on_timeout)\[\d+\]$", _fields(*_STEP_PARTS)),
    (r"triggers\[\d+\]$", _fields(*_TRIGGER_PARTS)),
    (r"", _fields(Definition)[1:]),
)

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
    AgentTool,
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
from automate_plugins import ntext, text
from automate_plugins.texts import joined, marked


def parse(document: Any) -> Definition:
    """Parse a document's structure. Raises DefinitionError. Its content is checked by `validation.find_problems`."""
    try:
        definition: Definition = convert(_with_kinds(document), Definition)
    except RecursionError:
        raise DefinitionError([Problem("steps", too_deep())]) from None
    return definition


def too_deep() -> str:
    """The reason for steps that are nested too deeply."""
    return text("Steps can be nested at most %(maximum)s levels deep.", maximum=MAX_NESTING)


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
_MISSING_FIELD = re.compile(r"Object missing required field `(?P<name>.*)`")
_INVALID_VALUE = re.compile(r"Invalid (?:enum )?value (?P<value>.*)", re.DOTALL)
_WRONG_TYPE = re.compile(r"Expected `(?P<expected>[^`]*)`, got `(?P<actual>[^`]*)`")
_WRONG_LENGTH = re.compile(r"Expected `(?P<type>\w+)` of length (?P<sign>[<>]=) (?P<limit>\d+)")
_OUT_OF_RANGE = re.compile(r"Expected `[^`]*` (?P<sign>[<>]=?) (?P<limit>-?[\d.]+)")
_TYPE_WORDS = {
    "int": text("a whole number"),
    "float": text("a number"),
    "str": text("text"),
    "bool": text("true or false"),
    "array": text("a list"),
    "object": text("an object"),
    "null": text("empty"),
}


def _problem(message: str) -> Problem:
    match = _AT.fullmatch(message)
    if match is None:
        return Problem("", message)
    path = (match["path"] or "").lstrip(".")
    if reason := next((words for pattern, words in PATTERN_REASONS.items() if repr(pattern) in message), ""):
        return Problem(path, reason)
    if unknown := _UNKNOWN_FIELD.search(match["reason"]):
        name = unknown["name"]
        return Problem(f"{path}.{name}".lstrip("."), _unknown_field(name, path))
    if path.endswith(".kind") and (value := _INVALID_VALUE.fullmatch(match["reason"])):
        return Problem(path, _unknown_kind(value["value"], path))
    if not path and "got `null`" in match["reason"]:
        return Problem(path, text("The file is empty."))
    return Problem(path, _reason(match["reason"]))


def _unknown_kind(value: str, path: str) -> str:
    if "triggers" in path:
        kinds = ", ".join(_TRIGGERS)
        return text("%(value)s is not a kind of trigger. Use one of: %(kinds)s.", value=value, kinds=kinds)
    kinds = ", ".join(_STEPS)
    return text("%(value)s is not a kind of step. Use one of: %(kinds)s.", value=value, kinds=kinds)


def _unknown_field(name: str, path: str) -> str:
    fields = next(fields for pattern, fields in _FIELDS_AT if re.search(pattern, path))
    if name in fields:
        return text("%(field)s is a field of other kinds. Remove it, or change the kind.", field=repr(name))
    close = difflib.get_close_matches(name, fields, n=1)
    if close:
        return text(
            "There is no field %(field)s here. Did you mean %(suggestion)s?",
            field=repr(name),
            suggestion=repr(close[0]),
        )
    return text("There is no field %(field)s here. Available: %(names)s.", field=repr(name), names=", ".join(fields))


def _reason(given: str) -> str:
    """A reason of msgspec in our words; one that is not known stays as it is."""
    if found := _WRONG_TYPE.fullmatch(given):
        return text(
            "Must be %(expected)s, not %(actual)s.", expected=_types(found["expected"]), actual=_types(found["actual"])
        )
    if found := _WRONG_LENGTH.fullmatch(given):
        most = int(found["limit"])
        if found["sign"] == ">=":
            return text("Must not be empty.")
        if found["type"] == "str":
            return ntext(
                "Must be at most %(count)s character long.", "Must be at most %(count)s characters long.", most
            )
        return ntext("Must have at most %(count)s item.", "Must have at most %(count)s items.", most)
    if found := _OUT_OF_RANGE.fullmatch(given):
        limit = f"{float(found['limit']):g}"
        match found["sign"]:
            case ">=":
                return text("Must be at least %(limit)s.", limit=limit)
            case "<=":
                return text("Must be at most %(limit)s.", limit=limit)
            case ">":
                return text("Must be greater than %(limit)s.", limit=limit)
            case _:
                return text("Must be less than %(limit)s.", limit=limit)
    if found := _MISSING_FIELD.fullmatch(given):
        return text("%(name)s is required.", name=found["name"])
    if found := _INVALID_VALUE.fullmatch(given):
        return text("%(value)s is not allowed here.", value=found["value"])
    return given


def _types(names: str) -> str:
    """Types of msgspec in words."""
    some = [name for name in names.split(" | ") if name != "null"] or ["null"]
    return joined((marked(_TYPE_WORDS.get(name, name)) for name in some), " / ")


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
    (r"agents$", _fields(AgentTool)[1:]),
    (r"arms\[\d+\]$", _fields(Route)[1:]),
    (r"outcomes\[\d+\]$", _fields(NamedSlot)[1:]),
    (r"(form|inputs)\[\d+\]$", _fields(FormField)[1:]),
    (r"(steps|otherwise|on_error|always|on_timeout)\[\d+\]$", _fields(*_STEP_PARTS)),
    (r"triggers\[\d+\]$", _fields(*_TRIGGER_PARTS)),
    (r"", _fields(Definition)[1:]),
)

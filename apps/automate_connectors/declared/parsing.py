"""Reading a `connector.yaml`: its value as a Document, or one fault with its place."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Any

import msgspec

from automate_connectors.declared.document import FORMAT, Document
from automate_connectors.declared.yaml_files import Place
from automate_plugins import text
from automate_plugins.texts import joined, marked


@dataclass(frozen=True)
class Fault:
    """Something that is wrong at a place of the document."""

    place: Place
    reason: str


class FaultyDocumentError(ValueError):
    """A document with faults."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__(faults[0].reason)
        self.faults = faults


def parse(value: Any) -> Document:
    """Return the Document. Raises FaultyDocumentError for unknown names, missing ones and wrong types."""
    if not isinstance(value, dict):
        raise FaultyDocumentError([Fault((), text("The file must contain a mapping."))])
    if value.get("format") != FORMAT:
        reason = text("format must be %(expected)s, not %(value)s.", expected=FORMAT, value=repr(value.get("format")))
        raise FaultyDocumentError([Fault(("format",), reason)])
    try:
        return msgspec.convert(value, Document)
    except msgspec.ValidationError as error:
        raise FaultyDocumentError([_fault(str(error))]) from error


_AT = re.compile(r"(?P<reason>.*?)(?: - at `(?:key in )?\$(?P<path>[^`]*)`)?", re.DOTALL)
_PART = re.compile(r"\[(\d+)\]|\.?([^.\[\]]+)")
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<name>.*)`")
_MISSING = re.compile(r"Object missing required field `(?P<name>.*)`")
_INVALID = re.compile(r"Invalid enum value (?P<value>.*)", re.DOTALL)
_TYPE = re.compile(r"Expected `(?P<expected>[^`]*)`, got `(?P<actual>[^`]*)`")


def _fault(message: str) -> Fault:
    match = _AT.fullmatch(message)
    reason, path = (match["reason"], match["path"] or "") if match else (message, "")
    place: list[str | int] = [int(number) if number else name for number, name in _PART.findall(path)]
    place = place[: place.index("...")] if "..." in place else place
    shown = [shown_place(place)] if place else []
    if unknown := _UNKNOWN.fullmatch(reason):
        name = unknown["name"]
        advice = text("The format has no name %(name)s here.", name=repr(name))
        similar = difflib.get_close_matches(name, _NAMES, 1)
        more = [text("Did you mean %(name)s?", name=similar[0])] if similar else []
        return Fault((*place, name), _about(shown, joined([advice, *more])))
    if missing := _MISSING.fullmatch(reason):
        return Fault(place, _about(shown, text("The name %(name)s is missing.", name=missing["name"])))
    if invalid := _INVALID.fullmatch(reason):
        return Fault(place, _about(shown, text("%(value)s is not one of the values.", value=invalid["value"])))
    if typed := _TYPE.fullmatch(reason):
        said = text("Expected %(expected)s, not %(actual)s.", expected=typed["expected"], actual=typed["actual"])
        return Fault(place, _about(shown, said))
    return Fault(place, _about(shown, reason))


def shown_place(place: Place) -> str:
    """Return a place as people write it: `actions[2].fields[0].in`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")


def _about(shown: list[str], reason: str) -> str:
    return joined([*shown, marked(reason)], ": ")


def _names(kind: type[Any]) -> set[str]:
    found: set[str] = set()
    for field in msgspec.structs.fields(kind):
        found.add(field.encode_name)
        for inner in (field.type, *getattr(field.type, "__args__", ())):
            if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
                found |= _names(inner)
    return found


_NAMES = sorted(_names(Document))

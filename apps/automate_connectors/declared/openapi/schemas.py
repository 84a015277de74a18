"""Schemas of an OpenAPI document: the kind of a field, the properties of a body, and a sample of an answer.

A schema may hold itself; so depth is limited, and so is the work, for the whole document.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from automate_connectors.declared.openapi.reader import Api
from automate_plugins.fields import FieldKind

MAX_DEPTH = 8  #: of schemas in schemas that are looked into
MAX_CHOICES = 100
SAMPLE_MEMBERS = 15
_SAMPLE_DEPTH = 3
_LONGEST_HELP = 200
_KINDS = {
    "integer": FieldKind.INTEGER,
    "number": FieldKind.NUMBER,
    "boolean": FieldKind.BOOLEAN,
    "array": FieldKind.LIST,
    "object": FieldKind.MAPPING,
}
_FORMATS = {
    "date": FieldKind.DATE,
    "date-time": FieldKind.DATETIME,
    "binary": FieldKind.FILE,
    "byte": FieldKind.LONG_TEXT,
}
_SAMPLES = {"integer": 1, "number": 1.5, "boolean": True}
_ADDRESS = r"(<[^<>\s@]{1,100}@[^<>\s@]{1,100}>)"  #: of an email in angle brackets, which is no tag
_TAG = re.compile(rf"{_ADDRESS}|<[^<>]{{0,300}}>")
_LINK = re.compile(r"!?\[([^\[\]]{0,200})\]\([^()]{0,500}\)")
_MARKUP = re.compile(rf"{_ADDRESS}|[`*<>\\]|(?<!\S)#+(?=\s)")
_EXPRESSION = re.compile(r"\{[{%#]")


def one_line(written: str) -> str:
    """Return a text without line breaks and control characters."""
    return " ".join("".join(each if each.isprintable() else " " for each in written).split())


def plain(written: Any, most: int = _LONGEST_HELP) -> str:
    """Return a description as one short line without markup; a document may hold anything."""
    found = _TAG.sub(lambda match: match[1] or " ", str(written or "")[:5_000])
    found = one_line(_LINK.sub(r"\1", found))
    found = " ".join(_MARKUP.sub(lambda match: match[1] or "", found).split())
    if len(found) <= most:
        return found
    sentence = found[:most].rpartition(". ")[0]
    return f"{sentence}." if len(sentence) > most // 3 else f"{found[: most - 1].rpartition(' ')[0]}…"


@dataclass(frozen=True)
class Property:
    """One property of an object: its schema, and whether it is required."""

    name: str
    schema: dict[str, Any]
    required: bool


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


class Schemas:
    """Reads the schemas of one document."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def merged(self, schema: Any, depth: int = 0) -> dict[str, Any]:
        """Return a schema with its reference followed, `allOf` joined and `null` left out of its alternatives."""
        found = dict(self._api.mapping(schema))
        self._api.work.spend(1 + len(found))
        if depth > MAX_DEPTH:
            return {}
        parts = [self.merged(part, depth + 1) for part in self._listed(found.pop("allOf", None))]
        if parts:
            found = self._joined([*parts, found])
        for name in ("oneOf", "anyOf"):
            others = [each for each in self._listed(found.get(name)) if not self._is_null(each)]
            if len(others) == 1:
                found.pop(name)
                found = {**self.merged(others[0], depth + 1), **found}
        return found

    def _joined(self, parts: list[dict[str, Any]]) -> dict[str, Any]:
        """Return several schemas as one; later ones win."""
        joined: dict[str, Any] = {}
        properties: dict[str, Any] = {}
        required: list[Any] = []
        for part in parts:
            self._api.work.spend(len(part) + len(_mapping(part.get("properties"))))
            joined |= part
            properties |= _mapping(part.get("properties"))
            required += self._listed(part.get("required"))
        members = {"properties": properties} if properties else {}
        return joined | members | ({"required": required} if required else {})

    def type_of(self, schema: dict[str, Any]) -> str:
        """Return the type of a merged schema; "" for several, or none that is known."""
        kind = schema.get("type")
        if isinstance(kind, list):
            kinds = [each for each in kind if each != "null"]
            kind = kinds[0] if len(kinds) == 1 else ""
        if isinstance(kind, str) and kind:
            return kind
        if "oneOf" in schema or "anyOf" in schema:
            others = [self.merged(each, 1) for each in self._listed(schema.get("oneOf") or schema.get("anyOf"))]
            types = {each["type"] for each in others if isinstance(each.get("type"), str)}
            return str(types.pop()) if len(types) == 1 else ""
        if isinstance(schema.get("properties"), dict):
            return "object"
        return "array" if "items" in schema else ""

    def field(self, schema: Any) -> dict[str, Any]:
        """Return `kind`, and `choices`, `default` and `columns` where there are any, for a field of that schema."""
        found = self.merged(schema)
        kind, made = self.type_of(found), dict[str, Any]()
        choices = [each for each in self._listed(found.get("enum")) if isinstance(each, str) and each]
        if kind in {"string", ""} and choices and len(choices) <= MAX_CHOICES:
            made = {"kind": FieldKind.CHOICE.value, "choices": list(dict.fromkeys(choices))}
        elif kind == "string":
            written = _FORMATS.get(str(found.get("format")), FieldKind.TEXT)
            if "contentMediaType" in found and "contentEncoding" not in found:
                written = FieldKind.FILE
            made = {"kind": written.value} if written is not FieldKind.TEXT else {}
        else:
            made = {"kind": _KINDS.get(kind, FieldKind.JSON).value}
        default = found.get("default")
        if self._is_plain(default, made):
            made["default"] = default
        return made

    def takes_texts(self, schema: Any) -> bool:
        """Return whether a value is one text or several: a list then says both."""
        found = self.merged(schema)
        kind = found.get("type")
        if isinstance(kind, list):
            kinds = {each for each in kind if isinstance(each, str)}
            lists = [found]
        else:
            others = [self.merged(each, 1) for each in self._listed(found.get("oneOf") or found.get("anyOf"))]
            kinds = {self.type_of(each) for each in others}
            lists = [each for each in others if self.type_of(each) == "array"]
        items = {self.type_of(self.merged(each.get("items"), 2)) for each in lists}
        return kinds - {"null"} == {"string", "array"} and items == {"string"}

    def properties(self, schema: Any) -> list[Property] | None:
        """Return the properties of an object that a request may hold; None for what is no flat object."""
        found = self.merged(schema)
        members = found.get("properties")
        if self.type_of(found) != "object" or not isinstance(members, dict) or "oneOf" in found or "anyOf" in found:
            return None
        required = {each for each in self._listed(found.get("required")) if isinstance(each, str)}
        kept = [(name, self.merged(each, 1)) for name, each in members.items()]
        return [
            Property(name=name, schema=each, required=name in required)
            for name, each in kept
            if each.get("readOnly") is not True
        ]

    def sample(self, schema: Any, depth: int = 0) -> Any:
        """Return a short example of a schema, from its examples or its types."""
        found = self.merged(schema, min(depth, MAX_DEPTH))
        for name in ("example", "const", "default"):
            if name in found and self._is_short(found[name]):
                return found[name]
        examples = found.get("examples")
        if isinstance(examples, list) and examples and self._is_short(examples[0]):
            return examples[0]
        match self.type_of(found):
            case "object":
                members = found.get("properties") if depth < _SAMPLE_DEPTH else None
                shown = list(members.items())[:SAMPLE_MEMBERS] if isinstance(members, dict) else []
                return {name: self.sample(each, depth + 1) for name, each in shown}
            case "array":
                return [self.sample(found.get("items"), depth + 1)] if depth < _SAMPLE_DEPTH else []
            case "":
                return None
            case kind:
                choices = self._listed(found.get("enum"))
                return choices[0] if choices else _SAMPLES.get(kind, "text")

    def _is_null(self, schema: Any) -> bool:
        found = self._api.mapping(schema)
        return found.get("type") == "null" or found.get("enum") == [None]

    def _is_plain(self, default: Any, made: dict[str, Any]) -> bool:
        """Whether a default is a value that a form can offer: no expression, and of the field's kind."""
        if default is None or isinstance(default, dict | list) or made.get("kind") == FieldKind.FILE:
            return False
        if isinstance(default, str) and (_EXPRESSION.search(default) or not default):
            return False
        kind = FieldKind(made.get("kind", "text"))
        return kind.accepts(default) and default in made.get("choices", [default])

    @staticmethod
    def _is_short(value: Any) -> bool:
        return len(str(value)) <= 500

    @staticmethod
    def _listed(value: Any) -> list[Any]:
        return value if isinstance(value, list) else []

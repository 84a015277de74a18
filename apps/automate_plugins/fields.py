"""FieldSpec: an action's inputs described as data, from which forms, validation and docs are made."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from automate_plugins.files import is_file
from automate_plugins.texts import marked, text
from automate_plugins.typed_values import number_question


class FieldKind(enum.StrEnum):
    """The editor of a field and the JSON type of its value."""

    TEXT = "text"
    LONG_TEXT = "long_text"
    URL = "url"
    NUMBER = "number"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    CHOICE = "choice"
    LIST = "list"
    MAPPING = "mapping"
    JSON = "json"
    CODE = "code"
    DATE = "date"
    DATETIME = "datetime"
    FILE = "file"
    SECRET = "secret"  # noqa: S105 - the kind of a field that holds a secret reference, never a value

    def accepts(self, value: Any) -> bool:
        """True when `value` has the JSON type of this kind."""
        if self is FieldKind.JSON:
            return True
        if self is FieldKind.FILE:
            return is_file(value)
        if self in {FieldKind.NUMBER, FieldKind.INTEGER} and isinstance(value, bool):
            return False
        return isinstance(value, _PYTHON_TYPES.get(self, str))


_PYTHON_TYPES: dict[FieldKind, type | tuple[type, ...]] = {
    FieldKind.NUMBER: (int, float),
    FieldKind.INTEGER: int,
    FieldKind.BOOLEAN: bool,
    FieldKind.LIST: list,
    FieldKind.MAPPING: dict,
}

_FROM_TEXT: dict[FieldKind, tuple[re.Pattern[str], Callable[[str], Any]]] = {
    FieldKind.NUMBER: (
        re.compile(r"-?\d{1,18}(\.\d{1,18})?", re.ASCII),
        lambda number: float(number) if "." in number else int(number),
    ),
    FieldKind.INTEGER: (re.compile(r"-?\d{1,18}", re.ASCII), int),
    FieldKind.BOOLEAN: (re.compile("true|false"), "true".__eq__),
}


@dataclass(frozen=True, kw_only=True)
class FieldSpec:
    """One input of an action, or one setting of a connection.

    `choices` are (value, label) pairs, used by `FieldKind.CHOICE`. A `sensitive` value is masked wherever
    it is shown. `default` stands in for a missing value; `missing` says what to do about a required one
    that is missing, where “is required” is not enough. A `literal` one is taken as it is written: no expressions.
    `options` names what the connector's `options` method offers for it: values, the items of a list, or the names of a
    mapping. `columns` are the fields of each item, where the value is a list of mappings; of a
    mapping to texts, the words of each text in their order, and last its name. `language` is that of
    `FieldKind.CODE`: html, json or sql; a mapping whose language is json is edited as such, one whose language is
    json-schema as a table of fields, a JSON value whose language is text as a text. A `shown` field stands among those
    that are required. A field with `when`, the name of an earlier choice and values of it, is asked for and required
    only where that choice has one of them; `with_choices_made` adds the choices that follow from what is set. Items of
    a `nested` list may be lists themselves; in others, a list as an item is warned about.
    """

    name: str
    label: str = ""
    kind: FieldKind = FieldKind.TEXT
    required: bool = False
    missing: str = ""
    default: Any = None
    help: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    sensitive: bool = False
    literal: bool = False
    options: str = ""
    columns: tuple[FieldSpec, ...] = ()
    language: str = ""
    shown: bool = False
    when: tuple[str, tuple[str, ...]] | None = None
    nested: bool = False

    def is_asked(self, values: Mapping[str, Any]) -> bool:
        """Whether the other values ask for this one."""
        return self.when is None or values.get(self.when[0]) in self.when[1]

    def taken(self, value: Any) -> Any:
        """Return the value in this field's type where nothing is lost: text `409.94` as a number, a number as text.

        A value that does not fit is returned unchanged; `problem` reports it.
        """
        if isinstance(value, str) and self.kind in {FieldKind.NUMBER, FieldKind.INTEGER, FieldKind.BOOLEAN}:
            pattern, read = _FROM_TEXT[self.kind]
            return read(value.strip()) if pattern.fullmatch(value.strip()) else value
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return str(value) if is_number and self.kind in {FieldKind.TEXT, FieldKind.LONG_TEXT} else value

    def problem(self, value: Any) -> str | None:
        """Return why `value` does not fit this field, or None when it does."""
        if value is None:
            if self.missing and self.required:
                return text("%(name)s is required. %(cure)s", name=self.name, cure=marked(self.missing))
            return text("%(name)s is required.", name=self.name) if self.required else None
        if not self.kind.accepts(value):
            if self.kind in _NUMBERS and isinstance(value, str) and (question := number_question(value[:60])):
                return text("%(name)s: %(question)s", name=self.name, question=question)
            return text(_TYPE_MESSAGES.get(self.kind, _TEXT_MESSAGE), name=self.name, type=json_type(value))
        if self.kind is FieldKind.URL and value and (reason := _url_problem(self.name, value)):
            return reason
        if self.choices and value not in {choice for choice, _ in self.choices}:
            known = ", ".join(choice for choice, _ in self.choices)
            return text(
                "%(name)s must be one of %(known)s, not %(value)s.", name=self.name, known=known, value=repr(value)
            )
        return None

    def problem_in(self, values: Mapping[str, Any]) -> str | None:
        """Return why its value among these does not fit, or None; one that is not asked for may be missing."""
        value = values.get(self.name)
        return None if value is None and not self.is_asked(values) else self.problem(value)


def with_choices_made(specs: Iterable[FieldSpec], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values with the choices that nobody made, where other fields depend on one without a default.

    It is the choice that asks for a field that is set, else the first one.
    """
    specs = list(specs)
    asking = {spec.when[0] for spec in specs if spec.when}
    first = {spec.name: spec.choices[0][0] for spec in specs if spec.name in asking and spec.default is None}
    made = dict(values)
    for spec in specs:
        if spec.when and spec.when[0] in first and values.get(spec.name) not in (None, "", [], {}):
            made.setdefault(spec.when[0], spec.when[1][0])
    return {**first, **made}


_NUMBERS = {FieldKind.NUMBER, FieldKind.INTEGER}
_TEXT_MESSAGE = text("%(name)s must be text (got %(type)s).")
_TYPE_MESSAGES = {
    FieldKind.URL: text("%(name)s must be a URL (got %(type)s)."),
    FieldKind.NUMBER: text("%(name)s must be a number (got %(type)s)."),
    FieldKind.INTEGER: text("%(name)s must be a whole number (got %(type)s)."),
    FieldKind.BOOLEAN: text("%(name)s must be true or false (got %(type)s)."),
    FieldKind.LIST: text("%(name)s must be a list (got %(type)s)."),
    FieldKind.MAPPING: text("%(name)s must be a mapping (got %(type)s)."),
    FieldKind.FILE: text("%(name)s must be a file (got %(type)s)."),
    FieldKind.DATE: text("%(name)s must be a date (got %(type)s)."),
    FieldKind.DATETIME: text("%(name)s must be a date and time (got %(type)s)."),
}


def _url_problem(name: str, value: str) -> str | None:
    try:
        parts = urlsplit(value)
        host, user = parts.hostname, parts.username or parts.password
    except ValueError:
        return text("%(name)s is not a valid URL.", name=name)
    if parts.scheme not in {"http", "https"} or not host:
        # without the value: it may hold a password
        return text("%(name)s must start with https:// or http://.", name=name)
    return text("%(name)s must not contain a username or password.", name=name) if user else None


def problems(fields: Iterable[FieldSpec], values: Mapping[str, Any]) -> list[str]:
    """Return every reason why `values` do not fit `fields`: missing, mistyped and unknown names, in field order."""
    specs = {field.name: field for field in fields}
    found = [problem for field in specs.values() if (problem := field.problem_in(values))]
    unknown = [name for name in values if name not in specs]
    known = ", ".join(specs)
    return found + [
        text("Unknown field %(name)s. Known fields: %(known)s.", name=repr(name), known=known)
        if known
        else text("Unknown field %(name)s. There are no fields.", name=repr(name))
        for name in unknown
    ]


def json_type(value: Any) -> str:
    """Return the JSON name of a Python value's type, for messages."""
    names = {bool: "boolean", int: "number", float: "number", str: "text", list: "list", dict: "mapping"}
    return "null" if value is None else names.get(type(value), type(value).__name__)

"""JSON Schemas for a model's answers: validated when read, and used to validate answers.

A subset of draft 2020-12, in which validation costs no more than schema times answer: no references, no combination of
schemas except `anyOf` and `oneOf`, patterns by RE2. Objects are closed unless the schema opens them, so that an answer
holds nothing that was not requested.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterator
from typing import Any

import re2
from jsonschema import Draft202012Validator, FormatChecker, ValidationError, validators
from jsonschema.exceptions import SchemaError as InvalidSchema
from jsonschema.exceptions import relevance

from automate_plugins import text

MAX_NODES = 1_000
MAX_DEPTH = 20
MAX_PATTERN = 500
MAX_PROBLEMS = 5
_SHOWN = 200

_BY_NAME = ("properties",)
_LISTED = ("anyOf", "oneOf")
_PLAIN = frozenset(
    {
        "type", "enum", "const", "required", "title", "description", "default", "examples", "$schema", "format",
        "minLength", "maxLength", "pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
        "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties",
    }
)  # fmt: skip
KEYWORDS = _PLAIN | {*_BY_NAME, *_LISTED, "items", "additionalProperties"}
# What the providers' own constrained output understands; the rest is checked here alone.
_PORTABLE = frozenset({"type", "enum", "const", "required", "description", *_BY_NAME, "anyOf", "items"})


class SchemaError(ValueError):
    """An unsupported schema; the message says where and why."""


class Schema:
    """A validated schema. `document` is the schema with its objects closed, unless it `is_open`. Raises SchemaError."""

    def __init__(self, document: Any, *, is_open: bool = False) -> None:
        if not isinstance(document, dict):
            raise SchemaError(text("The schema must be a mapping, for example {type: object, properties: …}."))
        budget = iter(range(MAX_NODES))
        closed: dict[str, Any] = _check_and_close(document, "$", 0, budget)
        self.document = document if is_open else closed
        try:
            Draft202012Validator.check_schema(self.document, format_checker=FormatChecker(()))
        except InvalidSchema as error:
            raise SchemaError(f"{error.json_path}: {error.message[:_SHOWN]}") from error
        self._validator = _Validator(self.document, format_checker=_FORMATS)

    def problems(self, value: Any) -> list[str]:
        """Return why `value` does not match, the most relevant problem first; empty when it does."""
        found = sorted(self._validator.iter_errors(value), key=relevance, reverse=True)
        return [f"{error.json_path}: {error.message[:_SHOWN]}" for error in found[:MAX_PROBLEMS]]


def to_portable_schema(
    schema: dict[str, Any], *, all_required: bool = False, also: frozenset[str] = frozenset()
) -> dict[str, Any] | None:
    """Return `schema` as providers accept it for constrained output, or None where they cannot.

    They require closed objects at every level, and some of them every property. `also` are keywords that one provider
    supports beyond the common ones.
    """
    if schema.get("type") != "object":
        return None
    try:
        return _to_portable(schema, all_required, _PORTABLE | also)
    except _NotPortableError:
        return None


class _NotPortableError(Exception):
    """A schema that providers do not accept."""


def _to_portable(schema: Any, all_required: bool, known: frozenset[str]) -> dict[str, Any]:
    if not isinstance(schema, dict) or not schema or "oneOf" in schema:
        raise _NotPortableError
    kept = {name: value for name, value in schema.items() if name in known}
    if "type" not in kept and "anyOf" not in kept:
        raise _NotPortableError
    if "properties" in kept or kept.get("type") == "object":
        names = kept.get("properties") or {}
        if not names or schema.get("additionalProperties") is not False:
            raise _NotPortableError
        if all_required and set(names) != set(kept.get("required", ())):
            raise _NotPortableError
        kept["properties"] = {name: _to_portable(inner, all_required, known) for name, inner in names.items()}
        kept["additionalProperties"] = False
    if "items" in kept:
        kept["items"] = _to_portable(kept["items"], all_required, known)
    if "anyOf" in kept:
        kept["anyOf"] = [_to_portable(inner, all_required, known) for inner in kept["anyOf"]]
    return kept


def _check_and_close(schema: Any, where: str, depth: int, budget: Iterator[int]) -> Any:
    """Return a closed copy of `schema`. Raises SchemaError for unsupported keywords and excessive size."""
    if isinstance(schema, bool):
        return schema
    if not isinstance(schema, dict):
        raise SchemaError(text("%(place)s must be a mapping, true or false.", place=where))
    if depth > MAX_DEPTH or next(budget, None) is None:
        raise SchemaError(
            text("The schema can have up to %(count)s parts and %(depth)s levels.", count=MAX_NODES, depth=MAX_DEPTH)
        )
    if unknown := sorted(map(str, set(schema) - KEYWORDS)):
        raise SchemaError(
            text(
                "%(place)s: the keyword %(name)s is not supported. Supported: %(known)s.",
                place=where,
                name=repr(unknown[0]),
                known=", ".join(sorted(KEYWORDS)),
            )
        )
    _check_texts(schema, where)
    copy = {name: value for name, value in schema.items() if name in _PLAIN}
    for name in _BY_NAME:
        if name in schema:
            if not isinstance(schema[name], dict):
                raise SchemaError(text("%(place)s must be a mapping of names to schemas.", place=f"{where}.{name}"))
            copy[name] = {
                key: _check_and_close(inner, f"{where}.{name}.{key}", depth + 1, budget)
                for key, inner in schema[name].items()
            }
    for name in _LISTED:
        if name in schema:
            if not isinstance(schema[name], list):
                raise SchemaError(text("%(place)s must be a list of schemas.", place=f"{where}.{name}"))
            copy[name] = [
                _check_and_close(inner, f"{where}.{name}[{number}]", depth + 1, budget)
                for number, inner in enumerate(schema[name])
            ]
    for name in ("items", "additionalProperties"):
        if name in schema:
            copy[name] = _check_and_close(schema[name], f"{where}.{name}", depth + 1, budget)
    if "properties" in copy:
        copy.setdefault("additionalProperties", False)
    return copy


def _check_texts(schema: dict[str, Any], where: str) -> None:
    if (pattern := schema.get("pattern")) is not None:
        if not isinstance(pattern, str) or len(pattern) > MAX_PATTERN:
            raise SchemaError(
                text(
                    "%(place)s must be text of up to %(count)s characters.", place=f"{where}.pattern", count=MAX_PATTERN
                )
            )
        try:
            _compiled(pattern)
        except re2.error as error:
            raise SchemaError(
                text("%(place)s is not a valid RE2 pattern: %(reason)s", place=f"{where}.pattern", reason=str(error))
            ) from error
    if (kind := schema.get("format")) is not None and str(kind) not in _FORMATS.checkers:
        raise SchemaError(
            text(
                "%(place)s: the format %(name)s is not supported. Supported: %(known)s.",
                place=f"{where}.format",
                name=repr(kind),
                known=", ".join(_FORMATS.checkers),
            )
        )


def _compiled(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    return re2.compile(pattern, options)


def _pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[ValidationError]:
    """Validate `pattern` by RE2, which is linear in the text."""
    if isinstance(instance, str) and not _compiled(pattern).search(instance):
        yield ValidationError(f"{instance[:_SHOWN]!r} does not match {pattern!r}")


def _is_moment(value: Any) -> bool:
    return not isinstance(value, str) or dt.datetime.fromisoformat(value).tzinfo is not None


def _is_day(value: Any) -> bool:
    return not isinstance(value, str) or bool(dt.date.fromisoformat(value))


def _is_uuid(value: Any) -> bool:
    return not isinstance(value, str) or str(uuid.UUID(value)) == value.lower()


def _is_email(value: Any) -> bool:
    return not isinstance(value, str) or re2.fullmatch(r"[^@\s]{1,64}@[^@\s]{1,255}", value) is not None


_FORMATS = FormatChecker(())
for _name, _check in (("date", _is_day), ("date-time", _is_moment), ("email", _is_email), ("uuid", _is_uuid)):
    _FORMATS.checks(_name, raises=ValueError)(_check)

_Validator = validators.extend(Draft202012Validator, {"pattern": _pattern})

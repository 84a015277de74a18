"""Posted forms as typed values: only changed fields."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _

from automate_governance.numbers import decimal_sign
from automate_governance.texts import translated
from automate_plugins.fields import FieldKind, FieldSpec
from automate_plugins.typed_values import number_question, read_number
from automate_studio.builder.panel import schema_table
from automate_studio.builder.panel.fields import JSON_LIST
from automate_studio.builder.panel.forms import MISSING, ROWS, FieldGroup, FreeInput, build_field_view
from automate_studio.builder.panel.mapping_records import mapping_from_records
from automate_studio.builder.panel.schema_table import schema_from_records, with_schema_columns
from automate_studio.builder.panel.steps import DRAWN, kind_of_value
from automate_ui.fields import FieldRefusal, ProposedError
from automate_ui.formatting import ended
from automate_ui.json.bare_expressions import check_mixed
from automate_ui.json.editor import parse_json, read_text, read_value

_K = FieldKind
_YES, _NO = {"true", "yes", "on"}, {"false", "no", "off"}


def changed_fields(
    specs: Iterable[FieldSpec], present: Mapping[str, Any], post: QueryDict, prefix: str = ""
) -> tuple[dict[str, Any], list[str], dict[str, str]]:
    """(set values, emptied fields, unreadable fields) by full name: only those that differ from `present`."""
    found: dict[str, Any] = {}
    unset: list[str] = []
    errors: dict[str, str] = {}
    for spec in specs:
        name, value = f"{prefix}{spec.name}", present.get(spec.name, MISSING)
        posted = _posted_texts(spec, name, post)
        shown = build_field_view(spec, name, value).posted()
        compared = shown if name + ROWS in posted else posted  # of no rows at all, nothing is posted
        if all(posted.get(at, []) == shown.get(at) for at in compared) and not _is_retyped(
            spec, value, posted.get(name)
        ):
            continue
        try:
            given = _parse_field(spec, name, posted, value)
        except ValueError as error:
            refusal = FieldRefusal(_("Not saved: %(problem)s") % {"problem": ended(translated(str(error)))})
            refusal.proposals = error.proposals if isinstance(error, ProposedError) else ()
            errors[name] = refusal
            continue
        if given is MISSING:
            unset += [name] if value is not MISSING else []
        elif value is MISSING or json.dumps(given) != json.dumps(value):
            found[name] = given
    return found, unset, errors


def _is_retyped(spec: FieldSpec, present: Any, texts: list[str] | None) -> bool:
    """Whether the same text may be a value of another type now."""
    return isinstance(spec, FreeInput) and bool(texts and texts[-1].strip()) and spec.kind is not kind_of_value(present)


def _posted_texts(spec: FieldSpec, name: str, post: QueryDict) -> dict[str, list[str]]:
    """Posted texts of a field: of its own name, its columns or its parts; empty for an untouched field."""
    begins = f"{name}." if isinstance(spec, FieldGroup) else f"{name}::"
    found = {
        at: [text.replace("\r\n", "\n") for text in post.getlist(at)]
        for at in post
        if at == name or (at.startswith(begins) and not at.endswith(DRAWN))
    }
    is_there = isinstance(spec, FieldGroup) or name in found or name + ROWS in found
    return found if is_there else {}


def _parse_field(spec: FieldSpec, name: str, posted: Mapping[str, list[str]], present: Any) -> Any:
    """Value of a field's texts; MISSING when it is empty. Raises ValueError."""
    if isinstance(spec, FieldGroup):
        parts = dict(spec.parts_of(None if present is MISSING else present))
        for part in spec.parts:
            at = f"{name}.{part.name}"
            texts = {key: found for key, found in posted.items() if key == at or key.startswith(f"{at}::")}
            if texts:
                parts[part.name] = _parse_part(part, at, texts, parts.get(part.name, MISSING))
        return spec.whole({key: value for key, value in parts.items() if value is not MISSING})
    if name + ROWS in posted:
        found = _parse_rows(spec, name, posted)
        return found if found or not spec.required else MISSING  # no rows are no value
    return parse_one(spec, posted[name][-1])


def _parse_part(part: FieldSpec, name: str, posted: Mapping[str, list[str]], present: Any) -> Any:
    try:
        return _parse_field(part, name, posted, present)
    except ValueError as error:
        label = translated(part.label or part.name)
        raise ValueError(_("%(field)s: %(problem)s") % {"field": label, "problem": translated(str(error))}) from error


def _parse_rows(spec: FieldSpec, name: str, posted: Mapping[str, list[str]]) -> Any:
    if spec.language == schema_table.LANGUAGE:
        return _parse_schema(with_schema_columns(spec), name, posted)
    if spec.columns:
        records = _parse_records(spec, name, posted)
        return mapping_from_records(spec, records) if spec.kind is _K.MAPPING else records
    if spec.kind is _K.MAPPING:
        return _parse_entries(name, posted)
    return [text.strip() for text in posted.get(f"{name}::item", ()) if text.strip()]


def _parse_entries(name: str, posted: Mapping[str, list[str]]) -> dict[str, Any]:
    columns = (posted.get(f"{name}::{column}", []) for column in ("key", "value", "type"))
    found: dict[str, Any] = {}
    for number, (key, text, kind) in enumerate(zip(*columns, strict=False), 1):
        if not key.strip() and not text.strip():
            continue
        if not key.strip():
            raise ValueError(_("Row %(number)s needs a name.") % {"number": number})
        if key.strip() in found:
            raise ValueError(_("The name “%(name)s” appears twice.") % {"name": key.strip()})
        try:
            found[key.strip()] = parse_entry(kind, text)
        except ValueError as error:
            raise ValueError(
                _("%(field)s: %(problem)s") % {"field": key.strip(), "problem": translated(str(error))}
            ) from error
    return found


def parse_entry(kind: str, text: str) -> Any:
    """Value of a mapping's entry; text in braces is an expression, whatever its type. Raises ValueError."""
    plain = text.strip()
    if kind == "json" and plain.startswith("{{"):
        check_mixed(plain)
    if kind in {"text", "expression"} or plain.startswith(("{{", "{%")):
        return text
    if kind == "json":
        return parse_json(text) if plain else None
    if kind == "boolean":
        if plain.lower() not in _YES | _NO:
            raise ValueError(_("Enter true, false or an expression in {{ }}."))
        return plain.lower() in _YES
    number = _parse_number(plain)
    if isinstance(number, str):
        raise ValueError(
            number_question(plain) or _("Enter a number, for example 12 or 0.5, or an expression in {{ }}.")
        )
    return number


def _parse_records(spec: FieldSpec, name: str, posted: Mapping[str, list[str]]) -> list[dict[str, Any]]:
    """The records, without rows that hold nothing but choices."""
    columns = [posted.get(f"{name}::{column.name}", []) for column in spec.columns]
    count = max(map(len, columns))
    columns = [texts or [""] * count for texts in columns]  # a page that was drawn before the column was there
    found = []
    for number, texts in enumerate(zip(*columns, strict=False), 1):
        given = list(zip(spec.columns, texts, strict=True))
        if not any(text.strip() for column, text in given if column.kind not in {_K.CHOICE, _K.BOOLEAN}):
            continue
        record = {}
        for column, text in given:
            try:
                value = _parse_cell(column, text)
            except ValueError as error:
                values = {
                    "number": number,
                    "field": translated(column.label or column.name),
                    "problem": translated(str(error)),
                }
                raise ValueError(_("Row %(number)s, %(field)s: %(problem)s") % values) from error
            if value is not MISSING and value != column.default:
                record[column.name] = value
        found.append(record)
    return found


def _parse_schema(spec: FieldSpec, name: str, posted: Mapping[str, list[str]]) -> Any:
    """Schema of a table; MISSING when it is empty."""
    rest = parse_json(posted.get(name + schema_table.REST, ["{}"])[-1])
    found = _parse_records(spec, name, posted)
    if not isinstance(rest, dict):
        raise ValueError(_("The rest of the schema is not a mapping. Edit it as JSON."))
    return schema_from_records(found, rest) if found or rest else MISSING


def _parse_cell(column: FieldSpec, text: str) -> Any:
    if column.kind is _K.BOOLEAN:
        return text == "true"
    if column.kind is _K.LIST:
        return [part.strip() for part in text.split(",") if part.strip()] or MISSING
    if column.kind is _K.JSON and text.strip():
        return read_text(text)  # a cell has one line, and a text in it no quotes
    return parse_one(column, text)


def parse_one(spec: FieldSpec, text: str) -> Any:
    """Typed value of one text; an expression stays one. Raises ValueError."""
    if text.strip() == "":
        return "" if spec.kind in {_K.TEXT, _K.LONG_TEXT, _K.CODE} and text else MISSING
    if isinstance(spec, FreeInput) and spec.kind in {_K.NUMBER, _K.BOOLEAN}:
        return parse_entry(spec.kind.value, text)
    match spec.kind:
        case _K.TEXT if spec.language == JSON_LIST and text.lstrip().startswith("["):
            return parse_json(text)
        case _K.JSON if isinstance(spec, FreeInput) or spec.language == "text":
            return read_text(text)
        case _K.JSON:
            return read_value(text)
        case _K.BOOLEAN if text.strip().lower() in _YES | _NO:
            return text.strip().lower() in _YES
        case _K.LIST if "{{" not in text and not text.lstrip().startswith("["):
            return [line.strip() for line in text.splitlines() if line.strip()]
        case _K.LIST | _K.MAPPING if not text.lstrip().startswith(("{{", "{%")):
            return parse_json(text)
        case _K.LIST | _K.MAPPING:
            check_mixed(text, of_list=spec.kind is _K.LIST)
        case _K.NUMBER if "{" not in text:
            return _parse_number(text.strip())
        case _K.INTEGER if "{" not in text:
            return _parse_integer(text)
    return text


def _parse_integer(text: str) -> Any:
    """The integer, or the text itself, which is stored and reported at its field."""
    value = read_number(text, decimal_sign()).value
    return value if isinstance(value, int) else text


def _parse_number(text: str) -> Any:
    """The number, or the text itself, which is stored and reported at its field."""
    value = read_number(text, decimal_sign()).value
    return text if value is None else value

"""JSON Schema of an object as a table of fields, and back: parts that a row cannot show are carried along.

A field with a complex schema is a row of JSON; a schema that is no plain object is no table. Tables round-trip.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from django.utils.translation import gettext as _

from automate_governance.texts import translated
from automate_plugins import text
from automate_plugins.fields import FieldKind, FieldSpec

LANGUAGE = "json-schema"  #: of a mapping that is edited so
REST = "::beside"  #: ends the name of what the table does not show
_JSON = "json"
#: What each type is in a schema, the narrower ones first.
_KINDS: dict[str, dict[str, Any]] = {
    "date": {"type": "string", "format": "date"},
    "text": {"type": "string"},
    "number": {"type": "number"},
    "integer": {"type": "integer"},
    "boolean": {"type": "boolean"},
    "choice": {"type": "string"},
    "list": {"type": "array", "items": {"type": "string"}},
}
_K = FieldKind
COLUMNS = (
    FieldSpec(name="name", label=text("Name")),
    FieldSpec(
        name="kind",
        label=text("Type"),
        kind=_K.CHOICE,
        default="text",
        choices=(
            ("text", text("Text")),
            ("number", text("Number")),
            ("integer", text("Whole number")),
            ("boolean", text("Yes or no")),
            ("choice", text("Choice")),
            ("date", text("Date")),
            ("list", text("List of texts")),
            (_JSON, "JSON Schema"),
        ),
    ),
    FieldSpec(name="required", label=text("Required"), kind=_K.BOOLEAN, default=True),
    FieldSpec(name="description", label=text("Description")),
    FieldSpec(name="choices", label=text("Choices"), kind=_K.LIST),
    FieldSpec(name="schema", label=text("Schema"), kind=_K.JSON),
    FieldSpec(name="rest", label=text("Rest"), kind=_K.JSON),
)


def schema_records(schema: Any) -> list[dict[str, Any]] | None:
    """Fields of a schema, required ones first in their order; None where it is no table."""
    if schema is None:
        return []
    if not isinstance(schema, dict) or not isinstance(schema.get("properties", {}), dict):
        return None
    properties, required = schema.get("properties", {}), schema.get("required", [])
    if schema.get("type", "object" if not schema else "") != "object" or not _are_names(required, properties):
        return None
    order = {name: number for number, name in enumerate(required)}
    names = sorted(properties, key=lambda name: order.get(name, len(order)))
    found = [_schema_record(name, properties[name], name in order) for name in names]
    try:
        return (
            found
            if not schema
            or _is_same_json(schema_from_records(found, schema_rest(schema)), {"properties": {}, **schema})
            else None
        )
    except ValueError:
        return None


def schema_rest(schema: Any) -> dict[str, Any]:
    """Parts of a schema beside its fields."""
    shown = {"type", "properties", *(["required"] if (schema or {}).get("required") else [])}
    return {name: value for name, value in (schema or {}).items() if name not in shown}


def with_schema_columns(spec: FieldSpec) -> FieldSpec:
    """The field with table columns where it is a schema."""
    return replace(spec, columns=COLUMNS) if spec.language == LANGUAGE else spec


def schema_from_records(rows: list[dict[str, Any]], rest: dict[str, Any]) -> dict[str, Any]:
    """Schema of a table. Raises ValueError with the row."""
    properties: dict[str, Any] = {}
    required = []
    for number, row in enumerate(rows, 1):
        name = str(row.get("name") or "").strip()
        if not name:
            raise ValueError(_("Row %(number)s needs a name.") % {"number": number})
        if name in properties:
            raise ValueError(_("The name “%(name)s” appears twice.") % {"name": name})
        try:
            properties[name] = _row_schema(row)
        except ValueError as error:
            raise ValueError(
                _("%(field)s: %(problem)s") % {"field": name, "problem": translated(str(error))}
            ) from error
        required += [name] if row.get("required", True) else []
    made = {**rest, "type": "object", "properties": properties}
    return made | ({"required": required} if required else {})


def _are_names(required: Any, properties: dict[str, Any]) -> bool:
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        return False
    return len(set(required)) == len(required) and set(required) <= set(properties)


def _schema_record(name: str, schema: Any, required: bool) -> dict[str, Any]:
    record = {"name": name, "required": required}
    for kind in _KINDS:
        shown = record | _as_row_of_kind(kind, schema) if isinstance(schema, dict) else {}
        if shown and _round_trips(shown, schema):
            return shown
    return record | {"kind": _JSON, "schema": schema}


def _as_row_of_kind(kind: str, schema: dict[str, Any]) -> dict[str, Any]:
    """A schema as a row of that kind."""
    own = {*_KINDS[kind], "description", *(["enum"] if kind == "choice" else [])}
    unseen = {name: value for name, value in schema.items() if name not in own}
    found: dict[str, Any] = {"kind": kind}
    if "description" in schema:
        found["description"] = schema["description"]
    if kind == "choice":
        found["choices"] = schema.get("enum")
    if unseen:
        found["rest"] = {"kind": kind, "keywords": unseen}
    return found


def _round_trips(record: dict[str, Any], schema: dict[str, Any]) -> bool:
    """Whether a row gives exactly that schema; `enum` belongs to choices alone."""
    description, choices = record.get("description", "-"), record.get("choices", ["-"])
    texts = [description, *choices] if isinstance(choices, list) else [None]
    if not all(isinstance(text, str) and text and text == text.strip() and "\n" not in text for text in texts):
        return False
    if any("," in str(text) for text in texts[1:]) or ("enum" in schema and record["kind"] != "choice"):
        return False
    try:
        return _is_same_json(_row_schema(record), schema)
    except ValueError:
        return False


def _is_same_json(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal: 1 and true are not."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _row_schema(row: dict[str, Any]) -> Any:
    kind = row.get("kind", "text")
    if kind == _JSON:
        if not isinstance(row.get("schema"), dict | bool):
            raise ValueError(_('Enter a JSON Schema, for example {"type": "object"}.'))
        return row["schema"]
    unseen = row.get("rest")
    keywords = unseen.get("keywords") if isinstance(unseen, dict) and unseen.get("kind") == kind else None
    made = {**_KINDS.get(kind, {}), **(keywords if isinstance(keywords, dict) else {})}
    if kind == "choice":
        if not row.get("choices"):
            raise ValueError(_("Enter the choices, separated by commas."))
        made["enum"] = row["choices"]
    return made | ({"description": row["description"]} if row.get("description") else {})

"""Output fields: a JSON Schema as a table and back, of which nothing may be lost."""

from __future__ import annotations

import pytest

from automate_core.models import Step
from automate_studio.builder.panel import schema_table
from tests.support.builder import Builder

TICKET = {
    "type": "object",
    "description": "A ticket",
    "additionalProperties": False,
    "properties": {
        "summary": {"type": "string", "maxLength": 80, "description": "One sentence"},
        "category": {"type": "string", "enum": ["bug", "question"]},
        "confidence": {"type": "number", "minimum": 0, "maximum": 1},
        "due": {"type": "string", "format": "date"},
        "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 3},
        "urgent": {"type": "boolean"},
        "lines": {"type": "array", "items": {"type": "object", "properties": {"sku": {"type": "string"}}}},
        "either": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "odd": {"type": "string", "enum": ["a, b"]},
        "any": True,
    },
    "required": ["category", "summary"],
}


def test_a_schema_is_a_table_in_the_order_of_what_is_required():
    rows = {row["name"]: row for row in schema_table.schema_records(TICKET) or ()}
    assert list(rows)[:2] == ["category", "summary"] and len(rows) == 10
    assert {name: row["kind"] for name, row in rows.items()} == {
        "category": "choice", "summary": "text", "confidence": "number", "due": "date", "tags": "list",
        "urgent": "boolean", "lines": "json", "either": "json", "odd": "json", "any": "json",
    }  # fmt: skip
    assert rows["category"]["choices"] == ["bug", "question"] and rows["summary"]["description"] == "One sentence"
    assert schema_table.schema_from_records(list(rows.values()), schema_table.schema_rest(TICKET)) == TICKET


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object", "properties": {}},
        {"type": "object", "properties": {"a": {"type": "integer", "title": "A", "default": 1}}, "required": ["a"]},
        {"type": "object", "properties": {"a": {"type": "string", "description": ""}}, "required": []},
        {"type": "object", "properties": {"a": {"type": "string", "description": "two\nlines"}}},
        {"type": "object", "properties": {"a": {"enum": ["x", "y"]}, "b": {"type": "string", "enum": [1]}}},
        {"type": "object", "properties": {"a": {"type": ["string", "null"]}, "b": {}}, "title": "T"},
    ],
)
def test_what_a_table_is_made_from_it_gives_again(schema):
    rows = schema_table.schema_records(schema)
    assert rows is not None
    assert schema == {} or schema_table.schema_from_records(rows, schema_table.schema_rest(schema)) == schema


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "items": {"type": "string"}},
        {"anyOf": [{"type": "object"}]},
        {"type": "object", "properties": []},
        {"type": "object", "properties": {"a": {}}, "required": ["b"]},
        {"type": "object", "properties": {" a": {"type": "string"}}},
        {"type": ["object", "null"], "properties": {}},
        "{{ event.payload.schema }}",
        [],
    ],
)
def test_what_is_no_plain_object_is_no_table(schema):
    assert schema_table.schema_records(schema) is None


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([{"name": "a"}, {"description": "x"}], "Row 2 needs a name"),
        ([{"name": "a"}, {"name": "a"}], "appears twice"),
        ([{"name": "a", "kind": "choice"}], "a: Enter the choices"),
        ([{"name": "a", "kind": "json"}], "a: Enter a JSON Schema"),
    ],
)
def test_a_faulty_row_is_named(rows, reason):
    with pytest.raises(ValueError, match=reason):
        schema_table.schema_from_records(rows, {})


def test_another_type_drops_what_only_the_old_one_knows():
    [row] = (
        schema_table.schema_records({"type": "object", "properties": {"a": {"type": "string", "maxLength": 9}}}) or ()
    )
    assert schema_table.schema_from_records([row | {"kind": "number"}], {})["properties"] == {"a": {"type": "number"}}


EXTRACT = """
name: Extract
slug: extract
triggers: [{kind: manual}]
steps:
  - {key: read, action: llm.extract, inputs: {model: m, text: '{{ event.payload }}', schema: {type: object}}}
"""


def sent(name, records, rest="{}"):
    fields = {column.name for column in schema_table.COLUMNS}
    cells = {f"{name}::{field}": [record.get(field, "") for record in records] for field in fields}
    return {f"{name}::rows": "1", f"{name}::beside": rest, **cells}


@pytest.mark.extended
@pytest.mark.django_db(transaction=True)
def test_output_fields_are_edited_as_a_table_and_as_json(workflow, sign_in, owner):
    builder = Builder(sign_in(owner), workflow(EXTRACT, publish=False))
    page = builder.panel("read")
    assert "Output fields required" in page.text and page.all(name="inputs.schema::rows")
    two = [
        {"name": "category", "kind": "choice", "required": "true", "choices": "bug, question"},
        {"name": "score", "kind": "number", "description": "0 to 1"},
    ]
    assert builder.save("read", **sent("inputs.schema", two)).status_code == 200
    stored = {
        "type": "object",
        "properties": {
            "category": {"type": "string", "enum": ["bug", "question"]},
            "score": {"type": "number", "description": "0 to 1"},
        },
        "required": ["category"],
    }
    assert Step.objects.get(key="read").inputs["schema"] == stored
    again = sent("inputs.schema", [{"name": "a", "kind": "choice"}])
    answer = builder.save("read", **again)
    assert answer.status_code == 422 and "a: Enter the choices" in answer.content.decode()
    json_page = builder.client.get(builder.url("builder_step", "read"), {"json": "inputs.schema"}).content.decode()
    assert 'data-schema-as="table"' in json_page and "inputs.schema::rows" not in json_page
    nested = '{"type": "array", "items": {"type": "string"}}'
    assert builder.save("read", **{"inputs.schema": nested}).status_code == 200
    page = builder.panel("read")
    assert not page.all(name="inputs.schema::rows") and page.all(name="inputs.schema", data_code="json")

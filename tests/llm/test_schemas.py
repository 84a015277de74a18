"""Schemas that people write: which are taken, and what fits them."""

from __future__ import annotations

import pytest

from automate_llm.schemas import Schema, SchemaError, to_portable_schema
from tests.support.costs import in_proportion

DEEP = {"type": "object"}
for _ in range(30):
    DEEP = {"type": "object", "properties": {"a": DEEP}}
REFUSED = {
    "not a mapping": ("text", "mapping"),
    "a reference": ({"$ref": "https://169.254.169.254/x"}, "the keyword '$ref' is not supported"),
    "definitions": ({"$defs": {}}, "'$defs'"),
    "allOf": ({"allOf": []}, "'allOf'"),
    "not": ({"not": {}}, "'not'"),
    "patternProperties": ({"patternProperties": {"(a+)+$": {}}}, "'patternProperties'"),
    "a misspelt keyword": ({"type": "object", "properties": {"a": {"typ": "string"}}}, "$.properties.a: the keyword 'typ'"),
    "an unknown type": ({"type": "text"}, "text"),
    "a property that is no schema": ({"properties": {"a": "string"}}, "$.properties.a"),
    "properties that are no mapping": ({"properties": ["a"]}, "$.properties"),
    "anyOf that is no list": ({"anyOf": {"type": "string"}}, "$.anyOf"),
    "a pattern with a look-ahead": ({"type": "string", "pattern": "(?=a)"}, "$.pattern"),
    "a long pattern": ({"pattern": "a" * 501}, "500"),
    "a pattern that is no text": ({"pattern": 7}, "$.pattern"),
    "a format that nobody checks": ({"format": "iri"}, "the format 'iri' is not supported"),
    "a format that is no text": ({"format": 7}, "$.format"),
    "too deep": (DEEP, "20 levels"),
    "too large": ({"anyOf": [{"type": "string"}] * 2_000}, "up to 1000 parts"),
    "an empty enum of the wrong kind": ({"enum": "a"}, "enum"),
    "a negative length": ({"minLength": -1}, "minLength"),
    "required that is no list": ({"required": "a"}, "required"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_checked_safely_is_refused(name):
    document, words = REFUSED[name]
    with pytest.raises(SchemaError) as caught:
        Schema(document)
    assert words in str(caught.value)


INVOICE = {
    "type": "object",
    "properties": {
        "number": {"type": "string", "pattern": "^[A-Z]{2}-[0-9]+$"},
        "total": {"type": "number", "minimum": 0},
        "due": {"type": "string", "format": "date"},
        "lines": {"type": "array", "items": {"type": "object", "properties": {"sku": {"type": "string"}}}},
        "extra": {"type": "object"},
    },
    "required": ["number", "total"],
}
FITS = [
    {"number": "AB-1", "total": 0},
    {"number": "AB-1", "total": 2.5, "due": "2026-11-25", "lines": [{"sku": "x"}], "extra": {"any": {"thing": 1}}},
]
MISFITS = {
    "$: 'total' is a required property": {"number": "AB-1"},
    "$.total": {"number": "AB-1", "total": "1"},
    "$.number": {"number": "ab-1", "total": 1},
    "$.due": {"number": "AB-1", "total": 1, "due": "soon"},
    "$.lines[1]": {"number": "AB-1", "total": 1, "lines": [{"sku": "x"}, {"sku": "y", "price": 0}]},
    "$: Additional properties are not allowed ('admin' was unexpected)": {"number": "AB-1", "total": 1, "admin": True},
    "$: [] is not of type 'object'": [],
}


@pytest.mark.parametrize("value", FITS)
def test_what_fits(value):
    assert Schema(INVOICE).problems(value) == []


@pytest.mark.parametrize("where", MISFITS)
def test_what_does_not_fit_is_named(where):
    problems = Schema(INVOICE).problems(MISFITS[where])
    assert any(problem.startswith(where) for problem in problems), problems


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("date", "2026-02-28", "2026-02-30"),
        ("date-time", "2026-11-25T10:00:00Z", "2026-11-25T10:00:00"),
        ("email", "a@example.com", "a example.com"),
        ("uuid", "0193a7f0-0000-7000-8000-000000000000", "0193a7f0"),
    ],
)
def test_formats_are_checked(kind, good, bad):
    schema = Schema({"type": "string", "format": kind})
    assert schema.problems(good) == [] and schema.problems(bad)


def test_a_pattern_costs_time_in_proportion():
    schema = Schema({"type": "string", "pattern": "^(a+)+$"})
    assert schema.problems("a" * 50_000 + "!")
    assert in_proportion(lambda size: schema.problems("a" * size + "!"), 3_000)


def test_an_object_stays_open_where_its_schema_says_so():
    opened = Schema({"type": "object", "properties": {"a": {}}, "additionalProperties": True})
    assert opened.problems({"a": 1, "b": 2}) == []


def test_what_providers_take():
    closed = Schema({"type": "object", "properties": {"a": {"type": "string", "minLength": 2}}, "required": ["a"]})
    assert to_portable_schema(closed.document, all_required=True) == {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    optional = Schema({"type": "object", "properties": {"a": {"type": "string"}}}).document
    assert to_portable_schema(optional) is not None and to_portable_schema(optional, all_required=True) is None
    for beyond in ({"type": "array"}, {"type": "object"}, {"type": "object", "properties": {"a": {}}}):
        assert to_portable_schema(Schema(beyond).document) is None

"""Literal values in rules: each comparison with each kind of text, as a reader of each language writes it."""

from __future__ import annotations

import json

import pytest
from django.utils import translation

from automate_authoring.definitions import validation, yaml_files
from automate_authoring.definitions.compared_values import OF_TIMES, corrected_texts
from automate_core.expressions.operators import ARITY, ORDERING
from automate_plugins.typed_values import read_number, write_number

NUMBERS = sorted(ORDERING - OF_TIMES)
OTHERS = ["==", "!=", "===", "!==", "in", "contains", "starts_with", "ends_with"]
DATE, NEITHER, NO_DATE = (
    "{} is not a date. Did you mean {}?",
    "{} is neither a number nor a date such as 2026-12-24.",
    "{} is not a date and time such as 2026-12-24T18:00.",
)
ONE, TWO = "{} is not a number. Did you mean {}?", "{} has two readings. Did you mean {} or {}?"

#: A literal; what a comparison of numbers says in English and in German; what one of times says.
TABLE = [
    (10, "", "", ""),
    (0.5, "", "", ""),
    ("", "One row has no value.", "One row has no value.", "One row has no value."),
    ("2026-12-24", "", "", ""),
    ("2026-12-24T18:00:00+01:00", "", "", ""),
    ("5,000", ONE.format("5,000", 5000), TWO.format("5,000", 5, 5000), NO_DATE.format("5,000")),
    ("1,250", TWO.format("1,250", 1250, 1.25), TWO.format("1,250", 1.25, 1250), NO_DATE.format("1,250")),
    ("5.000", TWO.format("5.000", 5, 5000), TWO.format("5.000", 5000, 5), NO_DATE.format("5.000")),
    ("5000 EUR", ONE.format("5000 EUR", 5000), ONE.format("5000 EUR", 5000), NO_DATE.format("5000 EUR")),
    ("€ 1.234,50", ONE.format("€ 1.234,50", 1234.5), ONE.format("€ 1.234,50", 1234.5), NO_DATE.format("€ 1.234,50")),
    ("250,50", ONE.format("250,50", 250.5), ONE.format("250,50", 250.5), NO_DATE.format("250,50")),
    ("1 000", ONE.format("1 000", 1000), ONE.format("1 000", 1000), NO_DATE.format("1 000")),
    (
        "10",
        "“10” is text. Did you mean the number 10?",
        "“10” is text. Did you mean the number 10?",
        NO_DATE.format("10"),
    ),
    ("ten", NEITHER.format("ten"), NEITHER.format("ten"), NO_DATE.format("ten")),
    (True, NEITHER.format("true"), NEITHER.format("true"), NO_DATE.format("true")),
    (None, NEITHER.format("null"), NEITHER.format("null"), NO_DATE.format("null")),
    ("24.12.2026", *[DATE.format("24.12.2026", "2026-12-24")] * 3),
    ("03/04/2026", *[TWO.format("03/04/2026", "2026-03-04", "2026-04-03")] * 3),
]


def problems_of(rule):
    """(path, reason) of a file's problems that has this condition."""
    route = json.dumps({"key": "large", "when": rule})
    written = (
        f"name: A\nslug: a\ntriggers: [{{endpoint: shop}}]\nsteps: [{{kind: branch, key: route, arms: [{route}]}}]"
    )
    return {(each.path, str(each.reason)) for each in validation.find_problems(yaml_files.read_workflow(written))}


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize(("value", "english", "german", "as_time"), TABLE, ids=[repr(row[0]) for row in TABLE])
def test_each_comparison_with_each_kind_of_text(value, english, german, as_time, language):
    for operator in [*NUMBERS, *sorted(OF_TIMES), *OTHERS]:
        rule = {"and": [{operator: [{"var": "event.payload.total"}, value]}]}
        wanted = (
            "" if operator in OTHERS else as_time if operator in OF_TIMES else english if language == "en" else german
        )
        with translation.override(language):
            found = problems_of(rule)
        place = "" if value == "" else f".and[0].{operator}[1]"
        assert found == ({(f"steps[0].arms[0].when{place}", wanted)} if wanted else set()), operator


def test_every_operator_is_in_the_table():
    without_order = {"and", "or", "if", "!", "!!", "exists", "empty", "now", "matches", "all", "any", "some", "none"}
    assert {*NUMBERS, *OF_TIMES, *OTHERS, *without_order} == set(ARITY)


@pytest.mark.parametrize(
    ("rule", "place"),
    [
        ({">": ["5,000", {"var": "event.payload.total"}]}, ".>[0]"),
        ({"<": [1, {"var": "event.payload.total"}, "5,000"]}, ".<[2]"),
        ({">": [{"var": ["event.payload.total", "5,000"]}, 1]}, ".>[0].var[1]"),
        ({"any": [{"var": "event.payload.lines"}, {">": [{"var": "price"}, "5,000"]}]}, ".any[1].>[1]"),
        ({"!": {"<": [{"var": "event.payload.total"}, "5,000"]}}, ".!.<[1]"),
    ],
)
def test_a_value_is_found_wherever_it_stands(rule, place):
    assert problems_of(rule) == {(f"steps[0].arms[0].when{place}", "5,000 is not a number. Did you mean 5000?")}


@pytest.mark.parametrize(
    ("typed", "english", "german"),
    [
        ("250.50", 250.5, 250.5),
        ("250,50", (250.5,), 250.5),
        ("1.234,50", (1234.5,), 1234.5),
        ("1,234.50", 1234.5, (1234.5,)),
        ("1.250.000", (1250000,), 1250000),
        ("1.250", (1.25, 1250), (1250, 1.25)),
        ("1,250", (1250, 1.25), (1.25, 1250)),
        ("-1,250.00", -1250.0, (-1250,)),
        ("0,125", (0.125,), 0.125),
        ("1e3", 1000.0, 1000.0),
        ("1_000", (), ()),
        ("٣", (), ()),
        ("1e999", (), ()),
        ("12,34,5", (), ()),
        ("1.2.3", (), ()),
        ("nan", (), ()),
    ],
)
def test_a_typed_number_is_read_in_the_readers_notation(typed, english, german):
    for decimal, wanted in ((".", english), (",", german)):
        found = read_number(typed, decimal)
        assert (found.readings if found.value is None else found.value) == wanted


@pytest.mark.parametrize("decimal", [".", ","])
@pytest.mark.parametrize("value", [0, -5, 250.5, 1.25, 1.234, 0.125, 1234.5, 1e-7, 10**18, 12345.678])
def test_a_number_that_is_shown_is_read_again(value, decimal):
    assert read_number(write_number(value, decimal), decimal).value == value


#: An expression, and what is said about it in English.
EXPRESSIONS = [
    ('{{ event.payload.total > "5,000" }}', ONE.format("5,000", 5000)),
    ("{% if event.payload.total >= '5000 EUR' %}large{% endif %}", ONE.format("5000 EUR", 5000)),
    ("{{ 'a' if '1,250' < event.payload.total else 'b' }}", TWO.format("1,250", 1250, 1.25)),
    ('{% for line in event.payload.lines %}{% if line.price > "5.000" %}x{% endif %}{% endfor %}',
     TWO.format("5.000", 5, 5000)),
    ('{{ event.payload.lines[0].price > "10" }}', "“10” is text. Did you mean the number 10?"),
    ('{{ event.payload.total | default("0") > "5,000" }}', ONE.format("5,000", 5000)),
    ('{{ (event.payload.lines | last).price > "5,000" }}', ONE.format("5,000", 5000)),
    ('{{ event.payload.lines | sum("price") > "many" }}', NEITHER.format("many")),
    ('{{ event.payload.total | to_number * 2 > "5,000" }}', ONE.format("5,000", 5000)),
    ('{{ event.payload.due > "24.12.2026" }}', DATE.format("24.12.2026", "2026-12-24")),
    ('{{ event.payload.due > "2026-12-24" }}', ""),
    ('{{ event.payload.name < "m" }}', ""),
    ('{{ event.payload.time[11:13] > "18" }}', ""),
    ("{{ now() | date('%H') > '18' }}", ""),
    ('{{ event.payload.code | upper > "10" }}', ""),
    ('{{ event.payload.total > 5000 and event.payload.currency == "EUR" }}', ""),
    ("Total > 5,000", ""),
]  # fmt: skip


@pytest.mark.parametrize(("written", "said"), EXPRESSIONS, ids=[row[0] for row in EXPRESSIONS])
def test_each_comparison_in_an_expression(written, said):
    step = {"key": "set", "action": "data.set", "inputs": {"a": {"b": [written]}}}
    definition = yaml_files.read_workflow(json.dumps({"name": "A", "slug": "a", "steps": [step]}))
    found = {(each.path, str(each.reason)) for each in validation.find_problems(definition)}
    assert found == ({("steps[0].inputs.a", said)} if said else set())


@pytest.mark.parametrize(
    ("written", "corrected"),
    [
        ('{{ event.payload.total > "5,000" }}', ("{{ event.payload.total > 5000 }}",)),
        (
            "{{ event.payload.total > '1,250' }}",
            ("{{ event.payload.total > 1250 }}", "{{ event.payload.total > 1.25 }}"),
        ),
        ('{{ event.payload.due > "24.12.2026" }}', ('{{ event.payload.due > "2026-12-24" }}',)),
        ('{{ event.payload.a > "5,000" or event.payload.b > "5,000" }}', ()),
        ('{{ "5,000" if event.payload.a > "5,000" else "" }}', ()),
    ],
)
def test_an_expression_is_proposed_as_it_may_be_meant(written, corrected):
    assert corrected_texts(written) == corrected

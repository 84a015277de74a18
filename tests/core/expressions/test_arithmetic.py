"""Sums around expressions: which texts are one, and the expression that computes them."""

from __future__ import annotations

import pytest

from automate_authoring.definitions.arithmetic import read_sum
from automate_core.expressions.templating import compile_template

SCOPE = {"a": "15", "b": 2.5, "c": {"d": 4}}
SUMS = {
    "{{ a }} * 2": ("{{ (a | to_number) * 2 }}", 30, True),
    "{{a}}+{{ c.d }}": ("{{ (a | to_number) + (c.d | to_number) }}", 19, True),
    "({{ a }} + 3) / 2": ("{{ ((a | to_number) + 3) / 2 }}", 9, True),
    "{{ a }} / 2": ("{{ (a | to_number) / 2 }}", 7.5, True),
    "{{ a }} - {{ b }}": ("{{ (a | to_number) - (b | to_number) }}", 12.5, False),
    "{{ a }}/2": ("{{ (a | to_number) / 2 }}", 7.5, False),
    "{{ b + 1 }} * 2": ("{{ ((b + 1) | to_number) * 2 }}", 7, True),
    "{{ b | round }} * 2": ("{{ (b | round | to_number) * 2 }}", 4, True),
    "{{ first(x, a) }} * 2": ("{{ (first(x, a) | to_number) * 2 }}", 30, True),
}


@pytest.mark.parametrize(("text", "expected"), SUMS.items())
def test_a_sum_has_one_expression_that_computes_it(text, expected):
    found = read_sum(text)
    assert found is not None
    assert (found.whole, compile_template(found.whole).render(SCOPE), found.certain) == expected


@pytest.mark.parametrize(
    "text",
    [
        "{{ a }}",
        "2 * 2",
        "Total: {{ a }} * 2",
        "{{ a }} 2",
        "{{ a }} *",
        "* {{ a }}",
        "({{ a }} * 2",
        "{{ a }}) * (2",
        "{{ a }} * 2 EUR",
        "{{ }} * 2",
        "{% if a %}{{ a }}{% endif %} * 2",
        "{{ a * 2",
    ],
)
def test_other_texts_are_none(text):
    assert read_sum(text) is None

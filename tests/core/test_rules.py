"""Conditions: our own table, the public one where it is at hand, and explanations."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from automate_core.rules import _ARITY, RuleError, read

SCOPE = {
    "event": {"payload": {"action": "opened", "price": "409.94", "tags": ["a", "b"], "n": 7, "none": None, "empty": ""}}
}


def _var(path):
    return {"var": f"event.payload.{path}"}


RULES = [
    ({"==": [_var("action"), "opened"]}, True),
    ({"==": [_var("n"), "7"]}, True),
    ({"===": [_var("n"), "7"]}, False),
    ({"!=": [_var("action"), "closed"]}, True),
    ({">": [_var("price"), 400]}, True),
    ({"<": [1, _var("n"), 10]}, True),
    ({">": [_var("action"), 1]}, False),
    ({"in": ["a", _var("tags")]}, True),
    ({"contains": [_var("tags"), "c"]}, False),
    ({"contains": [_var("action"), "pen"]}, True),
    ({"starts_with": [_var("action"), "op"]}, True),
    ({"ends_with": [_var("action"), "ed"]}, True),
    ({"starts_with": [_var("n"), "7"]}, False),
    ({"exists": [_var("missing")]}, False),
    ({"exists": [_var("n")]}, True),
    ({"empty": [_var("empty")]}, True),
    ({"empty": [_var("none")]}, True),
    ({"empty": [_var("tags")]}, False),
    ({"and": [{"==": [_var("n"), 7]}, {"or": [{"!": [_var("none")]}, False]}]}, True),
    ({"==": [{"var": ["event.payload.missing", "default"]}, "default"]}, True),
    ({"==": [{"var": "event.payload.tags.1"}, "b"]}, True),
    ({"if": [{"==": [_var("n"), 7]}, True, False]}, True),
]


@pytest.mark.parametrize(("rule", "holds"), RULES)
def test_rules(rule, holds):
    assert read(rule).holds(SCOPE) is holds


@pytest.mark.parametrize(
    ("rule", "path", "reason"),
    [
        ({"equals": [1, 2]}, "equals", "there is no operator 'equals'"),
        ({"==": [1]}, "==", "at least 2"),
        ({"and": [{"==": [1, 1]}, {"in": ["a"]}]}, "and[1].in", "takes 2 values, not 1"),
        ({"==": [1, 1], "!=": [1, 2]}, "", "one operator, not 2"),
        ({"var": [{"a": 1}]}, "var", "dotted name"),
        ({"and": True}, "and", "list of conditions"),
    ],
)
def test_a_wrong_rule_says_where_and_why(rule, path, reason):
    with pytest.raises(RuleError) as caught:
        read(rule)
    assert (caught.value.path, reason in caught.value.reason) == (path, True)


def test_size_and_depth_are_limited():
    deep = {"!": [True]}
    for _ in range(40):
        deep = {"!": [deep]}
    with pytest.raises(RuleError, match="nested too deeply"):
        read(deep)
    with pytest.raises(RuleError, match="too large"):
        read({"or": [{"==": [1, 1]}] * 600})


def test_an_explanation_shows_what_each_condition_saw():
    explained = read({"and": [{"==": [_var("action"), "opened"]}, {">": [_var("n"), 10]}]}).explain(SCOPE)
    assert explained.passed is False
    first, second = explained.parts
    assert (first.operator, first.values, first.passed) == ("==", ("opened", "opened"), True)
    assert (second.operator, second.values, second.passed) == (">", (7, 10), False)


def test_the_variables_of_a_rule_are_known():
    assert read({"and": [{"==": [_var("action"), 1]}, {"exists": [{"var": "steps.a.output"}]}]}).paths == (
        "event.payload.action",
        "steps.a.output",
    )


# Where ours differ on purpose from the public tables: no comparison is an error, what cannot be compared is unequal;
# null equals null alone.
TABLES = os.environ.get("AUTOMATE_JSONLOGIC_TABLES", "")


def _operators(rule):
    if isinstance(rule, dict):
        for name, arguments in rule.items():
            yield name
            yield from _operators(arguments)
    elif isinstance(rule, list):
        for item in rule:
            yield from _operators(item)


@pytest.mark.skipif(not TABLES, reason="AUTOMATE_JSONLOGIC_TABLES names no folder with the public JSON Logic tables")
def test_the_classic_json_logic_cases():
    """The 278 classic cases, as far as their operators are offered here."""
    known, checked = {*_ARITY, "var"}, 0
    for case in json.loads((Path(TABLES) / "compatible.json").read_text()):
        if isinstance(case, dict) and set(_operators(case["rule"])) <= known:
            checked += 1
            assert read(case["rule"]).evaluate(case.get("data")) == case["result"], case
    assert checked > 100

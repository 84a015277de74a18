"""Operators of rules, grouped by how they evaluate their arguments. docs/rules.md lists them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from automate_core.expressions.comparison import (
    contained,
    dated,
    empty,
    equal,
    in_pairs,
    ordered,
    strictly_equal,
    truthy,
)


def _affix(test: Callable[[str, str], bool]) -> Callable[[Any, Any], bool]:
    return lambda text, affix: isinstance(text, str) and isinstance(affix, str) and test(text, affix)


COMPARING: Mapping[str, Callable[..., Any]] = {
    "==": in_pairs(equal),
    "!=": lambda *values: not in_pairs(equal)(*values),
    "===": in_pairs(strictly_equal),
    "!==": lambda *values: not in_pairs(strictly_equal)(*values),
    "<": ordered(lambda left, right: left < right),
    "<=": ordered(lambda left, right: left <= right),
    ">": ordered(lambda left, right: left > right),
    ">=": ordered(lambda left, right: left >= right),
    "in": contained,
    "contains": lambda haystack, needle: contained(needle, haystack),
    "starts_with": _affix(str.startswith),
    "ends_with": _affix(str.endswith),
}
EAGER: Mapping[str, Callable[..., Any]] = {
    **COMPARING,
    "list": lambda *items: list(items),
    "!": lambda value=None: not truthy(value),
    "!!": lambda value=None: truthy(value),
    "exists": lambda value: value is not None,
    "empty": empty,
    "before": dated(lambda left, right: left < right),
    "after": dated(lambda left, right: left > right),
    "not_before": dated(lambda left, right: left >= right),
    "not_after": dated(lambda left, right: left <= right),
    "same_date": dated(lambda left, right: left.date() == right.date()),
}


def _and(arguments: tuple[Any, ...], value_of: Callable[[Any], Any]) -> Any:
    value: Any = False
    for argument in arguments:
        value = value_of(argument)
        if not truthy(value):
            break
    return value


def _or(arguments: tuple[Any, ...], value_of: Callable[[Any], Any]) -> Any:
    value: Any = False
    for argument in arguments:
        value = value_of(argument)
        if truthy(value):
            break
    return value


def _if(arguments: tuple[Any, ...], value_of: Callable[[Any], Any]) -> Any:
    for index in range(0, len(arguments) - 1, 2):
        if truthy(value_of(arguments[index])):
            return value_of(arguments[index + 1])
    return value_of(arguments[-1]) if len(arguments) % 2 else None


LAZY: Mapping[str, Callable[[tuple[Any, ...], Callable[[Any], Any]], Any]] = {"and": _and, "or": _or, "if": _if}
QUANTIFIERS = ("all", "any", "some", "none")

MANY = 1_000
#: How many values each operator takes, at least and at most. `var` takes a name and a default.
ORDERING = frozenset(
    ("<", "<=", ">", ">=", "before", "after", "not_before", "not_after", "same_date")
)  #: of numbers and times: none of them holds of an empty text
ARITY: Mapping[str, tuple[int, int]] = {
    **dict.fromkeys(("==", "!=", "===", "!==", "<", "<=", ">", ">="), (2, MANY)),
    **dict.fromkeys(("and", "or", "if"), (0, MANY)),
    **dict.fromkeys(("!", "!!"), (0, 1)),
    **dict.fromkeys(("in", "contains", "starts_with", "ends_with", "matches"), (2, 2)),
    **dict.fromkeys(("exists", "empty"), (1, 1)),
    **dict.fromkeys(("before", "after", "not_before", "not_after", "same_date"), (2, MANY)),
    "now": (0, 1),
    **dict.fromkeys(QUANTIFIERS, (2, 2)),
}

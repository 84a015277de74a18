"""Conditions as JSON rules, with JSON Logic's semantics (https://jsonlogic.com) and an explanation.

A rule is a literal, or a mapping of one operator to its arguments, such as
`{"==": [{"var": "event.payload.action"}, "opened"]}`. Variables are the dotted names that templates use. Comparisons
follow JavaScript's rules, as JSON Logic does: `==` and the ordering operators read numbers out of texts. `contains`,
`starts_with`, `ends_with`, `exists` and `empty` are ours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

MAX_DEPTH = 30
MAX_NODES = 1_000


class RuleError(ValueError):
    """A rule that cannot be read: where (`and[1].var`) and why."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}" if path else reason)
        self.path = path
        self.reason = reason


@dataclass(frozen=True)
class Explanation:
    """What one operator saw: its arguments' values, its result, and the explanations of the operators inside it."""

    operator: str
    values: tuple[Any, ...]
    result: Any
    parts: tuple[Explanation, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the result counts as true."""
        return truthy(self.result)


@dataclass(frozen=True)
class Rule:
    """A rule that was read and checked. `paths` are the variables it looks up."""

    node: Node
    paths: tuple[str, ...] = ()

    def evaluate(self, scope: Mapping[str, Any]) -> Any:
        """The rule's value for `scope`. Never raises: what cannot be compared is false."""
        return self.node.evaluate(scope)

    def holds(self, scope: Mapping[str, Any]) -> bool:
        """Whether the rule is true for `scope`."""
        return truthy(self.node.evaluate(scope))

    def explain(self, scope: Mapping[str, Any]) -> Explanation:
        """Each condition, the values it saw, and its result."""
        return self.node.explain(scope)


@dataclass(frozen=True, slots=True)
class Literal:
    """A value that stands for itself."""

    value: Any

    def evaluate(self, scope: Mapping[str, Any]) -> Any:
        return self.value

    def explain(self, scope: Mapping[str, Any]) -> Explanation:
        return Explanation("", (), self.value)


@dataclass(frozen=True, slots=True)
class Variable:
    """A look-up by dotted path; a missing one is its default, or null."""

    parts: tuple[str, ...]
    default: Any = None

    def evaluate(self, scope: Mapping[str, Any]) -> Any:
        value: Any = scope
        for part in self.parts:
            value = _step(value, part)
            if value is None:
                return self.default
        return value

    def explain(self, scope: Mapping[str, Any]) -> Explanation:
        return Explanation("var", (".".join(self.parts),), self.evaluate(scope))


@dataclass(frozen=True, slots=True)
class Operation:
    """An operator on its arguments."""

    operator: str
    arguments: tuple[Node, ...] = field(default=())

    def evaluate(self, scope: Mapping[str, Any]) -> Any:
        lazy = _LAZY.get(self.operator)
        if lazy is not None:
            return lazy(self.arguments, lambda node: node.evaluate(scope))
        return _EAGER[self.operator](*[argument.evaluate(scope) for argument in self.arguments])

    def explain(self, scope: Mapping[str, Any]) -> Explanation:
        parts = tuple(argument.explain(scope) for argument in self.arguments)
        return Explanation(self.operator, tuple(part.result for part in parts), self.evaluate(scope), parts)


type Node = Literal | Variable | Operation


def read(rule: Any) -> Rule:
    """Read one rule. Raises RuleError with the place and the reason."""
    paths: list[str] = []
    budget = [MAX_NODES]
    return Rule(_read(rule, "", 0, paths, budget), tuple(paths))


def _read(rule: Any, path: str, depth: int, paths: list[str], budget: list[int]) -> Node:
    budget[0] -= 1
    if depth > MAX_DEPTH or budget[0] < 0:
        raise RuleError(path, "the rule is too large" if budget[0] < 0 else "the rule is nested too deeply")
    if isinstance(rule, list):
        return Operation("list", _read_all(rule, path, depth, paths, budget))
    if not isinstance(rule, dict) or not rule:
        return Literal(rule)
    if len(rule) != 1:
        raise RuleError(path, f"a condition has one operator, not {len(rule)}")
    [(operator, arguments)] = rule.items()
    here = f"{path}.{operator}" if path else str(operator)
    if operator in _LAZY and not isinstance(arguments, list):
        raise RuleError(here, f"{operator} takes a list of conditions")
    listed = arguments if isinstance(arguments, list) else [arguments]
    if operator == "var":
        return _read_variable(listed, here, paths)
    if operator not in _ARITY:
        raise RuleError(here, f"there is no operator {operator!r}; there is {', '.join(['var', *_ARITY])}")
    least, most = _ARITY[operator]
    if not least <= len(listed) <= most:
        wanted = f"{least}" if least == most else f"at least {least}" if most > 100 else f"{least} to {most}"
        raise RuleError(here, f"{operator} takes {wanted} value{'s' if wanted != '1' else ''}, not {len(listed)}")
    return Operation(operator, _read_all(listed, here, depth, paths, budget))


def _read_all(rules: list[Any], path: str, depth: int, paths: list[str], budget: list[int]) -> tuple[Node, ...]:
    return tuple(_read(rule, f"{path}[{index}]", depth + 1, paths, budget) for index, rule in enumerate(rules))


def _read_variable(arguments: list[Any], path: str, paths: list[str]) -> Variable:
    name = arguments[0] if arguments else ""
    if len(arguments) > 2 or isinstance(name, dict | list | bool):
        raise RuleError(path, "a variable is a dotted name, with an optional default")
    if isinstance(name, float) and name.is_integer():
        name = int(name)
    dotted = "" if name is None else str(name)
    if dotted:
        paths.append(dotted)
    return Variable(tuple(dotted.split(".")) if dotted else (), arguments[1] if len(arguments) == 2 else None)


def _step(value: Any, part: str) -> Any:
    if isinstance(value, dict):
        return value.get(part)
    if isinstance(value, list | str) and len(part) < 10 and part.isascii() and part.isdigit():
        return value[int(part)] if int(part) < len(value) else None
    return None


# --- values -----------------------------------------------------------------------------------------------------------


def truthy(value: Any) -> bool:
    """JSON Logic's truth: empty lists and texts, 0 and null are false; everything else, "0" and {} too, is true."""
    return True if isinstance(value, dict) else bool(value) and not (isinstance(value, float) and math.isnan(value))


def _number(value: Any) -> float:
    """JavaScript's ToNumber; NaN for what is no number."""
    if isinstance(value, bool | int | float):
        return value
    if value is None:
        return 0
    if isinstance(value, list):
        return _number(_primitive(value))
    if isinstance(value, str):
        text = value.strip()
        if not text:
            return 0
        try:
            return int(text) if text.lstrip("+-").isdigit() else float(text)
        except ValueError:
            return math.nan
    return math.nan


def _primitive(value: Any) -> Any:
    """JavaScript's ToPrimitive: a list becomes its items joined by commas."""
    if isinstance(value, list):
        return ",".join("" if item is None else _text(item) for item in value)
    return "[object Object]" if isinstance(value, dict) else value


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "null" if value is None else str(_primitive(value))


def _strictly_equal(left: Any, right: Any) -> bool:
    if isinstance(left, bool) != isinstance(right, bool):
        return False
    if isinstance(left, int | float) and isinstance(right, int | float):
        return left == right
    return type(left) is type(right) and left == right


def _equal(left: Any, right: Any) -> bool:
    """JavaScript's ==, except that lists and mappings are equal when their contents are."""
    if type(left) is type(right) or left is None or right is None:
        return bool(left == right)
    if isinstance(left, dict) or isinstance(right, dict):
        return False
    left, right = _primitive(left), _primitive(right)
    if isinstance(left, str) and isinstance(right, str):
        return left == right
    return _number(left) == _number(right)


def _pairwise(test: Callable[[Any, Any], bool]) -> Callable[..., bool]:
    """`test` between each value and the next."""
    return lambda *values: all(test(left, right) for left, right in pairwise(values))


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[..., bool]:
    return _pairwise(lambda left, right: _compare(compare, left, right))


def _compare(compare: Callable[[Any, Any], bool], left: Any, right: Any) -> bool:
    left, right = _primitive(left), _primitive(right)
    if isinstance(left, str) and isinstance(right, str):
        return compare(left, right)
    return compare(_number(left), _number(right))  # NaN compares false


def _in(needle: Any, haystack: Any) -> bool:
    if isinstance(haystack, str):
        return needle is not None and _text(needle) in haystack
    return isinstance(haystack, list) and any(_strictly_equal(needle, item) for item in haystack)


def _affix(test: Callable[[str, str], bool]) -> Callable[[Any, Any], bool]:
    return lambda text, affix: isinstance(text, str) and isinstance(affix, str) and test(text, affix)


def _empty(value: Any) -> bool:
    return value is None or (isinstance(value, str | list | dict) and not value)


_EAGER: dict[str, Callable[..., Any]] = {
    "list": lambda *items: list(items),
    "==": _pairwise(_equal),
    "!=": lambda *values: not _pairwise(_equal)(*values),
    "===": _pairwise(_strictly_equal),
    "!==": lambda *values: not _pairwise(_strictly_equal)(*values),
    "<": _ordered(lambda left, right: left < right),
    "<=": _ordered(lambda left, right: left <= right),
    ">": _ordered(lambda left, right: left > right),
    ">=": _ordered(lambda left, right: left >= right),
    "!": lambda value=None: not truthy(value),
    "!!": lambda value=None: truthy(value),
    "in": _in,
    "contains": lambda haystack, needle: _in(needle, haystack),
    "starts_with": _affix(str.startswith),
    "ends_with": _affix(str.endswith),
    "exists": lambda value: value is not None,
    "empty": _empty,
}


def _and(arguments: tuple[Node, ...], value_of: Callable[[Node], Any]) -> Any:
    value: Any = False
    for argument in arguments:
        value = value_of(argument)
        if not truthy(value):
            break
    return value


def _or(arguments: tuple[Node, ...], value_of: Callable[[Node], Any]) -> Any:
    value: Any = False
    for argument in arguments:
        value = value_of(argument)
        if truthy(value):
            break
    return value


def _if(arguments: tuple[Node, ...], value_of: Callable[[Node], Any]) -> Any:
    for index in range(0, len(arguments) - 1, 2):
        if truthy(value_of(arguments[index])):
            return value_of(arguments[index + 1])
    return value_of(arguments[-1]) if len(arguments) % 2 else None


_LAZY: dict[str, Callable[[tuple[Node, ...], Callable[[Node], Any]], Any]] = {"and": _and, "or": _or, "if": _if}

_MANY = 1_000
_ARITY: dict[str, tuple[int, int]] = {
    "==": (2, _MANY),
    "!=": (2, _MANY),
    "===": (2, _MANY),
    "!==": (2, _MANY),
    "<": (2, _MANY),
    "<=": (2, _MANY),
    ">": (2, _MANY),
    ">=": (2, _MANY),
    "!": (0, 1),
    "!!": (0, 1),
    "and": (0, _MANY),
    "or": (0, _MANY),
    "if": (0, _MANY),
    "in": (2, 2),
    "contains": (2, 2),
    "starts_with": (2, 2),
    "ends_with": (2, 2),
    "exists": (1, 1),
    "empty": (1, 1),
}

"""Conditions as JSON rules, with JSON Logic's semantics (https://jsonlogic.com) and an explanation. See docs/rules.md.

A rule is a literal, or a mapping of one operator to its arguments, such as `{"==": [{"var": "event.payload.action"},
"opened"]}`. Variables are the dotted names that templates use; inside the test of `all`, `any`, `some` and `none` they
are names in the item. Parsing and evaluating a rule have a bounded cost.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any

import re2

from automate_core.expressions import durations
from automate_core.expressions.comparison import truthy, weight
from automate_core.expressions.json_path import Deferred
from automate_core.expressions.operators import ARITY, COMPARING, EAGER, LAZY, MANY, QUANTIFIERS
from automate_plugins import ntext, text
from automate_plugins.texts import joined, verbatim

MAX_DEPTH = 30
MAX_NODES = 1_000
MAX_COST = 200_000  # operators, items and kilobytes that deciding a rule may look at: some tenths of a second
QUICK_COST = 4_000  # of these, what may be decided where others wait: some hundredths of a second
MAX_PATTERN = 500
MAX_MATCHED = 100_000
SHOWN_ITEMS = 20


class RuleError(ValueError):
    """A rule that cannot be parsed: `path` is the place (`and[1].var`), `reason` the cause."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(joined([verbatim(path), reason], ": ") if path else reason)
        self.path = path
        self.reason = reason


class RuleCostError(RuleError):
    """A valid rule that costs too much to evaluate on these values."""


class Meter:
    """Remaining cost of one evaluation."""

    __slots__ = ("left",)

    def __init__(self, most: int = MAX_COST) -> None:
        self.left = most

    def spend(self, cost: int) -> None:
        """Deduct `cost`. Raises RuleCostError when none is left."""
        self.left -= cost
        if self.left < 0:
            raise RuleCostError("", text("The condition takes too long: it goes through too many items."))


@dataclass(frozen=True)
class Explanation:
    """One operator of an evaluated rule: its arguments' values, its result, and the explanations of its operands.

    For a test over a list, `parts` are the list and the first `SHOWN_ITEMS` items.
    """

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
    """A parsed and checked rule. `paths` are the variables it looks up; "" is the whole scope."""

    node: Node
    paths: tuple[str, ...] = ()

    def evaluate(self, scope: Any) -> Any:
        """Return the rule's value for `scope`; comparisons of unlike values are false. Raises RuleCostError."""
        return self._bounded(lambda: self.node.evaluate(scope, Meter()))

    def holds(self, scope: Any) -> bool:
        """Whether the rule is true for `scope`. Raises RuleCostError."""
        return truthy(self.evaluate(scope))

    def holds_at_once(self, scope: Any) -> bool | None:
        """Return the same as `holds` within `QUICK_COST`; None when the rule costs more."""
        try:
            return truthy(self._bounded(lambda: self.node.evaluate(scope, Meter(QUICK_COST))))
        except RuleCostError:
            return None

    def explain(self, scope: Any) -> Explanation:
        """Evaluate the rule and return each operator with its values and result. Raises RuleCostError."""
        explained: Explanation = self._bounded(lambda: self.node.explain(scope, Meter()))
        return explained

    @staticmethod
    def _bounded(work: Callable[[], Any]) -> Any:
        try:
            return work()
        except RecursionError:
            raise RuleCostError("", text("The condition takes too long: its values are nested too deeply.")) from None


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant value."""

    value: Any

    def evaluate(self, scope: Any, meter: Meter) -> Any:
        return self.value

    def explain(self, scope: Any, meter: Meter) -> Explanation:
        return Explanation("", (), self.value)


@dataclass(frozen=True, slots=True)
class Variable:
    """A look-up by dotted path; a missing name gives `default`."""

    parts: tuple[str, ...]
    default: Any = None

    def evaluate(self, scope: Any, meter: Meter) -> Any:
        value = scope
        for part in self.parts:
            value = _step(value, part)
            if value is None:
                return self.default
        return value

    def explain(self, scope: Any, meter: Meter) -> Explanation:
        return Explanation("var", (".".join(self.parts),), self.evaluate(scope, meter))


@dataclass(frozen=True, slots=True)
class Operation:
    """An operator applied to the values of all its arguments."""

    operator: str
    arguments: tuple[Node, ...]

    def evaluate(self, scope: Any, meter: Meter) -> Any:
        return self._apply([argument.evaluate(scope, meter) for argument in self.arguments], meter)

    def explain(self, scope: Any, meter: Meter) -> Explanation:
        parts = tuple(argument.explain(scope, meter) for argument in self.arguments)
        values = tuple(part.result for part in parts)
        return Explanation(self.operator, values, self._apply(list(values), meter), parts)

    def _apply(self, values: list[Any], meter: Meter) -> Any:
        meter.spend(1)
        if self.operator in COMPARING:
            for value in values:
                meter.spend(weight(value, meter.left))
        return EAGER[self.operator](*values)


@dataclass(frozen=True, slots=True)
class Choice:
    """`and`, `or`, `if`: an operator that evaluates its arguments only as far as needed."""

    operator: str
    arguments: tuple[Node, ...]

    def evaluate(self, scope: Any, meter: Meter) -> Any:
        meter.spend(1)
        return LAZY[self.operator](self.arguments, lambda node: node.evaluate(scope, meter))

    def explain(self, scope: Any, meter: Meter) -> Explanation:
        """Explain all arguments, including those that did not decide the result."""
        meter.spend(1)
        parts = tuple(argument.explain(scope, meter) for argument in self.arguments)
        result = LAZY[self.operator](parts, lambda part: part.result)
        return Explanation(self.operator, tuple(part.result for part in parts), result, parts)


@dataclass(frozen=True, slots=True)
class Quantifier:
    """`all`, `any` (`some`) or `none` of the items of a list pass a test. Other values count as an empty list."""

    operator: str
    items: Node
    test: Node

    def evaluate(self, scope: Any, meter: Meter) -> bool:
        return self._decide(self.items.evaluate(scope, meter), meter)

    def explain(self, scope: Any, meter: Meter) -> Explanation:
        listed = self.items.explain(scope, meter)
        result = self._decide(listed.result, meter)
        items = listed.result if isinstance(listed.result, list) else []
        shown = (self.test.explain(item, meter) for item in islice(items, SHOWN_ITEMS))
        return Explanation(self.operator, (listed.result,), result, (listed, *shown))

    def _decide(self, items: Any, meter: Meter) -> bool:
        if not isinstance(items, list) or not items:
            return self.operator == "none"
        wanted = self.operator != "all"
        for item in items:
            meter.spend(1)
            if truthy(self.test.evaluate(item, meter)) is wanted:
                return self.operator in {"any", "some"}
        return self.operator in {"all", "none"}


@dataclass(frozen=True, slots=True)
class Pattern:
    """`matches`: a regular expression (RE2) found in a text. Takes linear time for every expression."""

    text: Node
    pattern: str
    compiled: Any

    def evaluate(self, scope: Any, meter: Meter) -> bool:
        return self._found(self.text.evaluate(scope, meter), meter)

    def explain(self, scope: Any, meter: Meter) -> Explanation:
        part = self.text.explain(scope, meter)
        return Explanation("matches", (part.result, self.pattern), self._found(part.result, meter), (part,))

    def _found(self, searched: Any, meter: Meter) -> bool:
        if not isinstance(searched, str):
            return False
        if len(searched) > MAX_MATCHED:
            raise RuleCostError(
                "", text("The operator matches can search at most %(maximum)s characters.", maximum=MAX_MATCHED)
            )
        meter.spend(1 + len(searched) // 25)
        return self.compiled.search(searched) is not None


@dataclass(frozen=True, slots=True)
class Now:
    """The time of the evaluation, shifted by a duration."""

    shift: dt.timedelta

    def evaluate(self, scope: Any, meter: Meter) -> str:
        return (dt.datetime.now(dt.UTC) + self.shift).isoformat()

    def explain(self, scope: Any, meter: Meter) -> Explanation:
        return Explanation("now", (), self.evaluate(scope, meter))


type Node = Literal | Variable | Operation | Choice | Quantifier | Pattern | Now


# --- reading ----------------------------------------------------------------------------------------------------------


def read_rule(rule: Any) -> Rule:
    """Parse one rule. Raises RuleError with the place and the reason."""
    reader = _Reader()
    return Rule(reader.node(rule, "", 0), tuple(reader.paths))


class _Reader:
    """Parser that enforces the limits and collects the variables."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self._left = MAX_NODES
        self._inside_lists = 0

    def node(self, rule: Any, path: str, depth: int) -> Node:
        self._left -= 1
        if depth > MAX_DEPTH or self._left < 0:
            too_large = self._left < 0
            raise RuleError(
                path, text("The condition is too large.") if too_large else text("The condition is nested too deeply.")
            )
        if isinstance(rule, list):
            return Operation("list", self._all(rule, path, depth))
        if not isinstance(rule, dict) or not rule:
            return Literal(rule)
        if len(rule) != 1:
            raise RuleError(path, text("A condition has one operator, not %(count)s.", count=len(rule)))
        [(operator, arguments)] = rule.items()
        return self._operator(str(operator), arguments, f"{path}.{operator}" if path else str(operator), depth)

    def _operator(self, operator: str, arguments: Any, here: str, depth: int) -> Node:
        if operator in LAZY and not isinstance(arguments, list):
            raise RuleError(here, text("The operator %(operator)s needs a list of conditions.", operator=operator))
        listed = arguments if isinstance(arguments, list) else [arguments]
        if operator == "var":
            return self._variable(listed, here)
        if operator not in ARITY:
            raise RuleError(
                here,
                text(
                    "There is no operator %(operator)s. Available: %(names)s.",
                    operator=repr(operator),
                    names=", ".join(["var", *ARITY]),
                ),
            )
        least, most = ARITY[operator]
        if not least <= len(listed) <= most:
            raise RuleError(here, _wrong_arity(operator, least, most, len(listed)))
        if operator in QUANTIFIERS:
            return self._quantifier(operator, listed, here, depth)
        if operator == "matches":
            return Pattern(self.node(listed[0], f"{here}[0]", depth + 1), *_compiled(listed[1], here))
        if operator == "now":
            return Now(_shift(listed, here))
        nodes = self._all(listed, here, depth)
        return Choice(operator, nodes) if operator in LAZY else Operation(operator, nodes)

    def _all(self, rules: list[Any], path: str, depth: int) -> tuple[Node, ...]:
        return tuple(self.node(rule, f"{path}[{index}]", depth + 1) for index, rule in enumerate(rules))

    def _quantifier(self, operator: str, listed: list[Any], here: str, depth: int) -> Quantifier:
        items = self.node(listed[0], f"{here}[0]", depth + 1)
        self._inside_lists += 1
        test = self.node(listed[1], f"{here}[1]", depth + 1)
        self._inside_lists -= 1
        return Quantifier(operator, items, test)

    def _variable(self, arguments: list[Any], here: str) -> Variable:
        name = arguments[0] if arguments else ""
        if len(arguments) > 2 or isinstance(name, dict | list | bool):
            raise RuleError(here, text("A variable is a dotted name with an optional default."))
        if isinstance(name, float) and name.is_integer():
            name = int(name)
        dotted = "" if name is None else str(name)
        if not self._inside_lists:
            self.paths.append(dotted)
        return Variable(tuple(dotted.split(".")) if dotted else (), arguments[1] if len(arguments) == 2 else None)


def _wrong_arity(operator: str, least: int, most: int, given: int) -> str:
    if least == most:
        return ntext(
            "The operator %(operator)s needs %(count)s value, not %(given)s.",
            "The operator %(operator)s needs %(count)s values, not %(given)s.",
            least,
            operator=operator,
            given=given,
        )
    if most == MANY:
        return ntext(
            "The operator %(operator)s needs at least %(count)s value, not %(given)s.",
            "The operator %(operator)s needs at least %(count)s values, not %(given)s.",
            least,
            operator=operator,
            given=given,
        )
    return text(
        "The operator %(operator)s needs %(minimum)s to %(maximum)s values, not %(given)s.",
        operator=operator,
        minimum=least,
        maximum=most,
        given=given,
    )


def _compiled(pattern: Any, here: str) -> tuple[str, Any]:
    if not isinstance(pattern, str) or len(pattern) > MAX_PATTERN:
        raise RuleError(
            here, text("The pattern must be a text of at most %(maximum)s characters.", maximum=MAX_PATTERN)
        )
    options = re2.Options()
    options.log_errors = False
    try:
        return pattern, re2.compile(pattern, options)
    except (re2.error, UnicodeEncodeError) as error:
        raise RuleError(here, _pattern_problem(error)) from None


def _pattern_problem(error: Exception) -> str:
    """Return why RE2 rejects a pattern; for a look-around or a back-reference, RE2 gives only its text."""
    reason = error.args[0] if error.args else ""
    reason = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
    if "invalid" in reason:
        return text("Invalid pattern: %(reason)s. RE2 supports neither look-around nor back-references.", reason=reason)
    return text("Invalid pattern: %(reason)s.", reason=reason)


def _shift(listed: list[Any], here: str) -> dt.timedelta:
    span: Any = listed[0] if listed else 0
    written = span.strip() if isinstance(span, str) else ""
    back = written.startswith("-")
    try:
        seconds = durations.parse_duration(written[1:] if back else span)
    except ValueError as error:
        hint = text("Start with a minus sign to go back in time.")
        raise RuleError(here, joined([str(error), hint])) from None
    return dt.timedelta(seconds=-seconds if back else seconds)


def _step(value: Any, part: str) -> Any:
    if isinstance(value, dict):
        found = value.get(part)
        return found.load() if type(found) is Deferred else found
    if isinstance(value, list | str) and len(part) < 10 and part.isascii() and part.isdigit():
        return value[int(part)] if int(part) < len(value) else None
    return None

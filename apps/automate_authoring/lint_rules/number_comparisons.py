"""Fields of numbers that are compared as texts: `is 5,000` never holds there, `contains 5` not either."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from automate_authoring.definitions.compared_values import MOST_SHOWN, Refusal, compared_in
from automate_authoring.lint_rules.known_types import number_fields
from automate_core.definition.document import ActionStep, BranchStep, Definition, Problem, RepeatStep
from automate_core.definition.slots import walk
from automate_governance.numbers import decimal_sign
from automate_plugins import text
from automate_plugins.typed_values import number_question, number_readings, plain_number, write_number

EQUALITY = frozenset(("==", "!=", "===", "!=="))
OF_TEXTS = frozenset(("contains", "starts_with", "ends_with", "matches"))


def find_unequal_texts(definition: Definition) -> Iterator[Problem]:
    """Warnings about rules and expressions of steps, and filters of triggers, at their places."""
    numbers = number_fields(definition)
    for index, trigger in enumerate(definition.triggers):
        yield from _in_rule(trigger.filter, f"triggers[{index}].filter", numbers)
    for place, step in walk(definition.steps):
        match step:
            case BranchStep():
                for index, route in enumerate(step.arms):
                    yield from _in_rule(route.when, f"{place}.arms[{index}].when", numbers)
            case RepeatStep():
                yield from _in_rule(step.until, f"{place}.until", numbers)
            case ActionStep():
                for name, value in step.inputs.items():
                    yield from (Problem(f"{place}.inputs.{name}", said) for said in questioned_texts(value, numbers))


def _in_rule(rule: Any, place: str, numbers: frozenset[str]) -> Iterator[Problem]:
    for at, question in _questioned_comparisons(rule, numbers):
        yield Problem(f"{place}.{at}", question)


# --- questions --------------------------------------------------------------------------------------------------------


def question_equal(value: Any, *, coerced: bool = False) -> Refusal | None:
    """Return why a number is not equal to a literal text as it may be meant; None for other values.

    `coerced`: rules compare the text of a number as that number.
    """
    if not isinstance(value, str) or not value.strip() or (coerced and plain_number(value)):
        return None
    shown = value.strip()[:MOST_SHOWN]
    if question := number_question(shown, decimal_sign()):
        return Refusal(question, tuple(map(write_number, number_readings(shown, decimal_sign()))))
    return Refusal(text("“%(value)s” is text, and this field is a number. They are never equal.", value=shown))


def question_comparison(operator: str, value: Any) -> Refusal | None:
    """Return why an operator of rules does not compare a number with a value as it may be meant; None where it does."""
    if operator in OF_TEXTS:
        reason = text(
            "This field is a number. A number never contains, starts with, ends with or matches a text. "
            "Use “is”, “is more than” or “is less than”."
        )
        return Refusal(reason)
    return question_equal(value, coerced=operator in {"==", "!="}) if operator in EQUALITY else None


def _questioned_comparisons(rule: Any, numbers: frozenset[str], place: str = "") -> Iterator[tuple[str, str]]:
    """(place, question) for each value of the rule that is compared with one of these fields of numbers."""
    if isinstance(rule, list):
        for index, each in enumerate(rule):
            yield from _questioned_comparisons(each, numbers, f"{place}[{index}]")
    if not isinstance(rule, dict):
        return
    for operator, arguments in rule.items():
        here = f"{place}.{operator}" if place else str(operator)
        if isinstance(arguments, list):
            for index, argument in _compared_values(operator, arguments, numbers):
                if found := question_comparison(operator, argument):
                    yield f"{here}[{index}]", found.reason
        yield from _questioned_comparisons(arguments, numbers, here)


def _compared_values(operator: str, arguments: list[Any], numbers: frozenset[str]) -> Iterator[tuple[int, Any]]:
    """(index, argument) of what one of the fields is compared with. A text is only searched in the first argument."""
    if operator in OF_TEXTS:
        searched, first = arguments[:1], 1
    else:
        searched, first = arguments, 0
    if any(_is_field(each, numbers) for each in searched):
        yield from list(enumerate(arguments))[first:]


def _is_field(argument: Any, numbers: frozenset[str]) -> bool:
    name = argument.get("var") if isinstance(argument, dict) and len(argument) == 1 else None
    return (name[0] if isinstance(name, list) and name else name) in numbers


def questioned_texts(value: Any, numbers: frozenset[str]) -> Iterator[str]:
    """The questions about texts that expressions of the value compare with a number, or with one of these fields."""
    for compared in compared_in(value):
        is_number = compared.is_number or (compared.path and ".".join(map(str, compared.path)) in numbers)
        found = question_equal(compared.text) if is_number and compared.operator in EQUALITY else None
        if found:
            yield found.reason

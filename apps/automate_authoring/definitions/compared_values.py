"""Literal values that a comparison by order cannot use: a text that is no number and no date is never in order."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from automate_authoring.definitions.comparisons import ORDERS, ComparedText, compared_texts
from automate_core.expressions.comparison import moment
from automate_core.expressions.json_path import TemplateError
from automate_core.expressions.operators import ORDERING
from automate_core.expressions.templating import expressions
from automate_governance.numbers import decimal_sign
from automate_plugins import text
from automate_plugins.typed_values import (
    date_question,
    date_readings,
    is_date,
    number_question,
    number_readings,
    plain_number,
    write_number,
)

OF_TIMES = frozenset(("before", "after", "not_before", "not_after", "same_date"))
MOST_SHOWN = 60


@dataclass(frozen=True)
class Refusal:
    """Why a value is refused, and the values to propose instead of it, as they are typed."""

    reason: str
    proposals: tuple[str, ...] = ()


def refuse_value(operator: str, value: Any) -> Refusal | None:
    """Return why a literal `value` cannot be compared by that operator of rules; None where it can be.

    An empty text is a value that is not filled in yet.
    """
    if operator not in ORDERING or value == "" or (isinstance(value, int | float) and not isinstance(value, bool)):
        return None
    if isinstance(value, dict):
        return None  # looked up when it is compared
    if not isinstance(value, str):
        return _refuse_other(operator, json.dumps(value, ensure_ascii=False))
    shown = value.strip()[:MOST_SHOWN]
    if moment(value) if operator in OF_TIMES else is_date(value):
        return None
    if operator not in OF_TIMES and (question := number_question(shown, decimal_sign())):
        numbers = number_readings(shown, decimal_sign())
        return Refusal(question, tuple(write_number(number) for number in numbers))
    if question := date_question(shown):
        return Refusal(question, date_readings(shown))
    return _refuse_other(operator, shown)


def _refuse_other(operator: str, shown: str) -> Refusal:
    if operator in OF_TIMES:
        return Refusal(text("%(value)s is not a date and time such as 2026-12-24T18:00.", value=shown[:MOST_SHOWN]))
    return Refusal(text("%(value)s is neither a number nor a date such as 2026-12-24.", value=shown[:MOST_SHOWN]))


def refused_values(rule: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """(place, reason) for each literal that the rule cannot compare; places are as those of RuleError."""
    if isinstance(rule, list):
        for index, each in enumerate(rule):
            yield from refused_values(each, f"{place}[{index}]")
    if not isinstance(rule, dict):
        return
    for operator, arguments in rule.items():
        here = f"{place}.{operator}" if place else str(operator)
        if operator in ORDERING and isinstance(arguments, list):
            for index, argument in enumerate(arguments):
                yield from _refused_argument(operator, argument, f"{here}[{index}]")
        yield from refused_values(arguments, here)


def _refused_argument(operator: str, argument: Any, here: str) -> Iterator[tuple[str, str]]:
    """A literal, or the default of a variable, which stands in for it."""
    if isinstance(argument, dict):
        name = argument.get("var")
        if not isinstance(name, list) or len(name) != 2:
            return
        argument, here = name[1], f"{here}.var[1]"
    if refusal := refuse_value(operator, argument):
        yield here, refusal.reason


# --- expressions ------------------------------------------------------------------------------------------------------


def refused_texts(value: Any) -> Iterator[tuple[str, Refusal]]:
    """(text, refusal) for each text that an expression of the value compares by order, and that means something else.

    A text that means no number and no date may be compared with texts: an expression orders those by their characters.
    """
    for compared in compared_in(value):
        refusal = refuse_value(compared.operator, compared.text) if compared.operator in ORDERS.values() else None
        if refusal and (refusal.proposals or compared.is_number):
            yield compared.text, refusal


def compared_in(value: Any) -> Iterator[ComparedText]:
    """The texts that expressions of the value compare."""
    for each in expressions(value):
        try:
            yield from compared_texts(each)
        except TemplateError:
            continue  # an error of its own


def corrected_texts(source: str) -> tuple[str, ...]:
    """The expression with what its refused text may mean instead; empty unless there is exactly one such text."""
    found = list(refused_texts(source))
    if len(found) != 1:
        return ()
    [(written, refusal)] = found
    quoted = re.findall(rf"(['\"]){re.escape(written)}\1", source)
    if len(quoted) != 1:
        return ()
    literal = f"{quoted[0]}{written}{quoted[0]}"
    return tuple(source.replace(literal, _literal(each, quoted[0])) for each in refusal.proposals)


def _literal(proposal: str, quote: str) -> str:
    """A date is a text in an expression, a number is none."""
    return proposal if plain_number(proposal) else f"{quote}{proposal}{quote}"

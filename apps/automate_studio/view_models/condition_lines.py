"""Explanation of a condition, line by line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from automate_core.expressions.json_logic import Explanation
from automate_governance.numbers import typed_number
from automate_governance.texts import escape_invisible, translated
from automate_plugins import text
from automate_studio.view_models.compared_types import describe_mismatch
from automate_ui.describe import describe_condition
from automate_ui.formatting import as_sentence

MAX_SHOWN = 80


MAX_LINES = 100


@dataclass(frozen=True, kw_only=True)
class ConditionLine:
    """One line: the comparison, whether it was true, and the observed values.

    `note` says why values of such types never compare.
    """

    text: str
    passed: bool
    observed: str = ""
    note: str = ""
    parts: list[ConditionLine] = field(default_factory=list)


def explanation_lines(explained: Explanation) -> ConditionLine:
    """Lines of an explanation."""
    return _condition_line(explained, iter(range(MAX_LINES)))


_HEADS = {
    "and": text("All of these"),
    "or": text("Any of these"),
    "!": text("Not"),
    "if": text("If"),
    "all": text("All items"),
    "none": text("No items"),
}


def _condition_line(explained: Explanation, left: Iterator[int]) -> ConditionLine:
    """An operator and its operands, within the remaining number of lines."""
    inner = [part for part in explained.parts if part.operator not in {"", "var", "now", "list"}]
    if explained.operator in {"and", "or", "if", "!", "all", "any", "some", "none"} and inner:
        head = translated(_HEADS.get(explained.operator, text("Any item")))
        parts = [_condition_line(part, left) for part in inner if next(left, None) is not None]
        return ConditionLine(text=head, passed=explained.passed, parts=parts)
    said = escape_invisible(describe_condition(_rebuild_rule(explained)))
    return ConditionLine(
        text=as_sentence(said, stop="")[:300],
        passed=explained.passed,
        observed=_observed_values(explained),
        note=describe_mismatch(explained.operator, explained.values),
    )


def _rebuild_rule(explained: Explanation) -> Any:
    """Rule of an explained part, to be described in words."""
    if not explained.operator:
        return explained.result
    if explained.operator == "var":
        return {"var": explained.values[0]}
    if explained.operator == "matches":
        return {"matches": [_rebuild_rule(explained.parts[0]), explained.values[1]]}
    return {explained.operator: [_rebuild_rule(part) for part in explained.parts]}


def _observed_values(explained: Explanation) -> str:
    """Values of its variables."""
    variables = [part for part in explained.parts if part.operator == "var"]
    if explained.operator == "var":
        return value_text(explained.result)
    return ", ".join(value_text(part.result) for part in variables)


def value_text(value: Any) -> str:
    """A value as JSON, cut where it is long; a number as its reader writes it."""
    if value is None:
        return _("empty")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return typed_number(value)
    shown = escape_invisible(json.dumps(value, ensure_ascii=False)[: MAX_SHOWN + 1])
    return shown if len(shown) <= MAX_SHOWN else f"{shown[:MAX_SHOWN]}…"

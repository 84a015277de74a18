"""A condition and what it came to, line by line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from automate_core.expressions.json_logic import Explanation
from automate_studio.ui import describe
from automate_studio.ui import formatting as words
from automate_studio.ui.json import visible

MAX_SHOWN = 80


MAX_LINES = 100


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of an explanation: what was asked, whether it held, and what was seen there."""

    words: str
    passed: bool
    saw: str = ""
    parts: list[Line] = field(default_factory=list)


def why(explained: Explanation) -> Line:
    """The lines of an explanation."""
    return _line(explained, iter(range(MAX_LINES)))


_HEADS = {"and": "All of these", "or": "Any of these", "!": "Not so", "all": "All items", "none": "No item"}


def _line(explained: Explanation, left: Iterator[int]) -> Line:
    """An operator and those inside it, as long as there are lines `left`."""
    inner = [part for part in explained.parts if part.operator not in {"", "var", "now", "list"}]
    if explained.operator in {"and", "or", "if", "!", "all", "any", "some", "none"} and inner:
        head = _HEADS.get(explained.operator, "Some item" if explained.operator != "if" else "If")
        parts = [_line(part, left) for part in inner if next(left, None) is not None]
        return Line(words=head, passed=explained.passed, parts=parts)
    said = visible.visible(describe.condition(_rule_of(explained)))
    return Line(words=words.sentence(said, stop="")[:300], passed=explained.passed, saw=_saw(explained))


def _rule_of(explained: Explanation) -> Any:
    """What the explained part asks, as a rule that can be put in words."""
    if not explained.operator:
        return explained.result
    if explained.operator == "var":
        return {"var": explained.values[0]}
    if explained.operator == "matches":
        return {"matches": [_rule_of(explained.parts[0]), explained.values[1]]}
    return {explained.operator: [_rule_of(part) for part in explained.parts]}


def _saw(explained: Explanation) -> str:
    """What the variables in it were."""
    variables = [part for part in explained.parts if part.operator == "var"]
    if explained.operator == "var":
        return _shown(explained.result)
    return ", ".join(_shown(part.result) for part in variables)


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    text = visible.visible(json.dumps(value, ensure_ascii=False)[: MAX_SHOWN + 1])
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"

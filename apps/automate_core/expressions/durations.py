"""Durations as people and screens write them: `90`, `30s`, `2h 30m`, `1 hour`, `2 Tage`, `1 h 00 min`."""

from __future__ import annotations

import math
import re
from typing import Any

from automate_plugins import text

LONGEST_SECONDS = 366 * 86_400.0
_WORDS = {
    1: "s sec second seconds sek sekunde sekunden",
    60: "m min minute minutes minuten",
    3_600: "h hr hrs hour hours std stunde stunden",
    86_400: "d day days tag tage tagen",
    604_800: "w week weeks woche wochen",
}  #: in English and German, whatever language is active: a workflow is read in any
_SECONDS = {word: seconds for seconds, words in _WORDS.items() for word in words.split()}
_UNITS = "|".join(sorted(_SECONDS, key=len, reverse=True))
_PART = re.compile(rf"(\d{{1,9}}(?:\.\d{{1,6}}|,\d{{1,2}}(?!\d))?)\s*({_UNITS})(?![a-z])\.?", re.IGNORECASE)
_WHOLE = re.compile(rf"\s*{_PART.pattern}(?:(?:\s*,)?(?:\s+(?:and|und)\b)?\s*{_PART.pattern})*\s*", re.IGNORECASE)


def parse_duration(span: Any) -> float:
    """Return the seconds of a number or a text, 0 to 366 days. Raises ValueError, whose message shows the format."""
    value = math.nan
    if (isinstance(span, int | float) and not isinstance(span, bool)) or (
        isinstance(span, str) and re.fullmatch(r"\s*\d{1,9}(?:\.\d{1,6})?\s*", span)
    ):
        value = float(span)
    elif isinstance(span, str) and _WHOLE.fullmatch(span):
        value = sum(float(number.replace(",", ".")) * _SECONDS[unit.lower()] for number, unit in _PART.findall(span))
    if not 0 <= value <= LONGEST_SECONDS:
        raise ValueError(
            text(
                "%(value)s is not a duration. Use seconds, or a text such as 15m or 2h 30m, of at most a year.",
                value=repr(span),
            )
        )
    return value

"""Durations as people write them: `90`, `30s`, `15m`, `2h 30m`, `3d`, `1w`."""

from __future__ import annotations

import math
import re
from typing import Any

from automate_plugins import text

LONGEST_SECONDS = 366 * 86_400.0
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_PART = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)\s*([smhdw])")
_WHOLE = re.compile(rf"(?:\s*{_PART.pattern})+\s*")


def parse_duration(span: Any) -> float:
    """Return the seconds of a number or a text, 0 to 366 days. Raises ValueError, whose message shows the format."""
    value = math.nan
    if (isinstance(span, int | float) and not isinstance(span, bool)) or (
        isinstance(span, str) and re.fullmatch(r"\s*\d{1,9}(?:\.\d{1,6})?\s*", span)
    ):
        value = float(span)
    elif isinstance(span, str) and _WHOLE.fullmatch(span):
        value = sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(span))
    if not 0 <= value <= LONGEST_SECONDS:
        raise ValueError(
            text(
                "%(value)s is not a duration. Use seconds, or a text such as 15m or 2h 30m, of at most a year.",
                value=repr(span),
            )
        )
    return value

"""Comparison of values in rules: JavaScript's coercions, as in JSON Logic, with exact integers. See docs/rules.md.

Pure functions. The only error they raise is RecursionError, for values that are nested too deeply.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_LONGEST_NUMBER = 400
_LONGEST_DATE = 40


def truthy(value: Any) -> bool:
    """Return whether a value is true in JSON Logic: empty lists and texts, 0, NaN and null are false; "0" and {} are
    true."""
    return True if isinstance(value, dict) else bool(value) and not (isinstance(value, float) and math.isnan(value))


def empty(value: Any) -> bool:
    """Return whether a value is null, or an empty text, list or mapping."""
    return value is None or (isinstance(value, str | list | dict) and not value)


def number(value: Any) -> int | float:
    """JavaScript's ToNumber, with exact integers of any size; NaN for values that are not numbers."""
    if isinstance(value, bool | int | float):
        return value
    if value is None:
        return 0
    if isinstance(value, list):
        return number(primitive(value))
    if not isinstance(value, str):
        return math.nan
    text = value.strip()
    if not text:
        return 0
    if len(text) > _LONGEST_NUMBER or not _NUMBER.fullmatch(text):
        return math.nan
    return int(text) if text.lstrip("+-").isdigit() else float(text)


def primitive(value: Any) -> Any:
    """JavaScript's ToPrimitive: a list becomes its items joined by commas."""
    if isinstance(value, list):
        return ",".join("" if item is None else text_of(item) for item in value)
    return "[object Object]" if isinstance(value, dict) else value


def text_of(value: Any) -> str:
    """Return a value as JavaScript's String() does."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "null" if value is None else str(primitive(value))


def strictly_equal(left: Any, right: Any) -> bool:
    """Return whether two values are equal and of one type; all numbers are of one type."""
    if isinstance(left, bool) != isinstance(right, bool):
        return False
    if isinstance(left, int | float) and isinstance(right, int | float):
        return left == right
    return type(left) is type(right) and bool(left == right)


def equal(left: Any, right: Any) -> bool:
    """JavaScript's ==, except that lists and mappings are equal when their contents are, and null equals only null."""
    if type(left) is type(right) or left is None or right is None:
        return bool(left == right)
    if isinstance(left, dict) or isinstance(right, dict):
        return False
    left, right = primitive(left), primitive(right)
    if isinstance(left, str) and isinstance(right, str):
        return left == right
    return number(left) == number(right)


def ordered(compare: Callable[[Any, Any], bool]) -> Callable[..., bool]:
    """Compare each value with the next: two texts by their characters, all others as numbers. NaN is never in order."""

    def between(left: Any, right: Any) -> bool:
        left, right = primitive(left), primitive(right)
        if isinstance(left, str) and isinstance(right, str):
            return compare(left, right)
        return compare(number(left), number(right))

    return in_pairs(between)


def in_pairs(test: Callable[[Any, Any], bool]) -> Callable[..., bool]:
    """Return a function of many values that is true when `test` is true for each value and the next."""
    return lambda *values: all(test(left, right) for left, right in pairwise(values))


def contained(needle: Any, haystack: Any) -> bool:
    """Return whether `needle` is a part of a text, or strictly equal to an item of a list."""
    if isinstance(haystack, str):
        return needle is not None and text_of(needle) in haystack
    return isinstance(haystack, list) and any(strictly_equal(needle, item) for item in haystack)


def dated(compare: Callable[[dt.datetime, dt.datetime], bool]) -> Callable[..., bool]:
    """Compare each time with the next; false when one of the values is not a time."""

    def between(left: Any, right: Any) -> bool:
        first, second = moment(left), moment(right)
        return first is not None and second is not None and compare(first, second)

    return in_pairs(between)


def moment(value: Any) -> dt.datetime | None:
    """Parse an ISO 8601 date or time, or seconds since 1970, to UTC; None for anything else.

    Times without a zone are in UTC; a date is its midnight.
    """
    try:
        if isinstance(value, str) and len(value) <= _LONGEST_DATE:
            parsed = dt.datetime.fromisoformat(value.strip())
            return (parsed.replace(tzinfo=dt.UTC) if parsed.tzinfo is None else parsed).astimezone(dt.UTC)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return dt.datetime.fromtimestamp(value, dt.UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None


def weight(value: Any, most: int) -> int:
    """Estimate the cost of comparing `value`, in items; any number above `most` when it is more. Does not recurse."""
    if type(value) is str:
        return len(value) // 1_000
    items, waiting = 0, [value]
    while waiting and items // 4 <= most:
        current = waiting.pop()
        if type(current) not in (list, dict):
            continue
        items += len(current)
        if items // 4 <= most:
            waiting.extend(current.values() if type(current) is dict else current)
    return items // 4

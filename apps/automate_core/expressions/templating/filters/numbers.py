"""Filters for numbers. Formats are Babel's, for the locales listed here."""

from __future__ import annotations

import math
import re
from typing import Any

import jinja2.filters  # noqa: TID251

from automate_core.expressions.json_path import TemplateError
from automate_core.expressions.templating.filters.registry import offer
from automate_core.expressions.templating.limits import MAX_BITS, MAX_DIGITS
from automate_core.expressions.templating.values import comparable, decimal_of, fields_of, is_number, kind, whole

ABOUT = "Numbers"
MAX_PLACES = 10
MAX_WRITTEN = 150  #: digits of a whole number in a text
_NAMES = """
    ar bg cs da de de_AT de_CH el en en_AU en_CA en_GB en_IN en_US es es_MX et fi fr fr_CA fr_CH he hi hr hu id is it
    ja ko lt lv ms nb nl nn pl pt pt_BR ro ru sk sl sr sv th tr uk vi zh
"""
LOCALES = _NAMES.split()
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0", "")
_NOTHING: Any = object()


def locale_of(name: Any) -> str:
    """Return Babel's name of the locale. Raises TemplateError for a locale that is not listed."""
    found = str(name).replace("-", "_")
    if found not in LOCALES:
        raise TemplateError(f"there is no locale {str(name)[:40]!r}; there is {', '.join(LOCALES)}")
    return found


@offer(ABOUT, "{{ '42' | int + 1 }}", name="int")
def int_(value: Any, default: Any = _NOTHING) -> Any:
    """A number or text as a whole number, cut after the point; `default` where it is none."""
    try:
        if isinstance(value, str) and re.fullmatch(rf"\s*[+-]?\d{{1,{MAX_WRITTEN}}}\s*", value, re.ASCII):
            return int(value)
        if isinstance(value, bool) or type(value) is int:
            return int(value)
        return int(decimal_of(value, "int"))
    except TemplateError:
        if default is _NOTHING:
            raise
        return default


@offer(ABOUT, "{{ '19.90' | float * 2 }}", name="float")
def float_(value: Any, default: Any = _NOTHING) -> Any:
    """A number or text as a number with a point; `default` where it is none."""
    try:
        return value if isinstance(value, float) else float(decimal_of(value, "float"))
    except TemplateError:
        if default is _NOTHING:
            raise
        return default


@offer(ABOUT, "{{ ('19.90' | to_number) * 2 }}")
def to_number(value: Any) -> Any:
    """The number that the value is or that its text holds: 12 stays a whole number, 12.5 one with a point."""
    if is_number(value):
        return value
    exact = decimal_of(value, "to_number")
    return int(exact) if exact == exact.to_integral_value() and "." not in str(value) else float(exact)


@offer(ABOUT, "{{ 'yes' | bool }}", name="bool")
def bool_(value: Any) -> bool:
    """True for `true`, `yes`, `on`, `1`, and false for `false`, `no`, `off`, `0` and an empty text, in any case of
    letters; else whether it is not null, 0 or empty."""
    if not isinstance(value, str):
        return bool(value)
    word = value[:100].strip().lower()
    if word not in _TRUE + _FALSE:
        raise TemplateError(f"bool takes one of {', '.join(filter(None, _TRUE + _FALSE))}, not {word[:40]!r}")
    return word in _TRUE


@offer(ABOUT, "{{ -5 | abs }}", name="abs")
def abs_(value: Any) -> Any:
    """The number without its sign."""
    if not is_number(value):
        raise TemplateError(f"abs takes a number, not {kind(value)}")
    return abs(value)


@offer(ABOUT, "{{ 3.14159 | round(2) }}", name="round")
def round_(value: Any, precision: int = 0, method: str = "common") -> float:
    """The number with that many digits after the point; `method` may be `ceil` or `floor`."""
    if not is_number(value):
        raise TemplateError(f"round takes a number, not {kind(value)}")
    whole(precision, "the digits of round", -MAX_DIGITS, MAX_DIGITS)
    if method not in ("common", "ceil", "floor"):
        raise TemplateError("the method of round is common, ceil or floor")
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        raise TemplateError("round takes smaller numbers")
    result: float = jinja2.filters.do_round(value, precision, method)  # type: ignore[arg-type]
    return finite(result, "round")


@offer(ABOUT, "{{ [{'price': 2}, {'price': 3}] | sum('price') }}", cheap=False, name="sum")
def sum_(value: Any, attribute: str | None = None, start: float = 0) -> float:
    """The numbers of a list, or that field of each item, added to `start`."""
    numbers = [*fields_of(value, attribute, "sum"), start]
    if not all(map(is_number, numbers)):
        raise TemplateError("sum takes numbers")
    return finite(sum(numbers), "sum")


@offer(ABOUT, "{{ [3, 1, 2] | min }}", cheap=False, name="min")
def min_(value: Any, attribute: str | None = None) -> Any:
    """The least number or text of a list, or of that field of its items."""
    return _extreme(min, value, attribute)


@offer(ABOUT, "{{ [3, 1, 2] | max }}", cheap=False, name="max")
def max_(value: Any, attribute: str | None = None) -> Any:
    """The greatest number or text of a list, or of that field of its items."""
    return _extreme(max, value, attribute)


def _extreme(pick: Any, value: Any, attribute: str | None) -> Any:
    values = [item for item in fields_of(value, attribute, pick.__name__) if item is not None]
    if not values:
        raise TemplateError(f"{pick.__name__} takes a list that is not empty")
    return pick(values, key=comparable(values, pick.__name__))


@offer(ABOUT, "{{ 1234567.891 | number(2, locale='de') }}")
def number(value: Any, digits: int | None = None, locale: str = "en") -> str:
    """The number as people write it there, with that many digits after the point."""
    from babel.numbers import format_decimal  # only where it is used: its data take memory

    exact, where = decimal_of(value, "number"), locale_of(locale)
    if digits is None:
        return format_decimal(exact, locale=where)
    places = whole(digits, "the digits of number", 0, MAX_PLACES)
    return format_decimal(exact, format="#,##0" + ("." + "0" * places if places else ""), locale=where)


@offer(ABOUT, "{{ '409.94' | currency('EUR', locale='de') }}")
def currency(value: Any, code: str, locale: str = "en") -> str:
    """An amount of money, `code` being that of ISO 4217."""
    from babel.numbers import format_currency

    if not re.fullmatch("[A-Z]{3}", str(code)):
        raise TemplateError("currency takes a code of three capitals, such as EUR")
    return format_currency(decimal_of(value, "currency"), str(code), locale=locale_of(locale))


def finite(value: float, what: str) -> float:
    """Return the number. Raises TemplateError when JSON cannot hold it."""
    if not math.isfinite(value):
        raise TemplateError(f"the result of {what} is too large")
    return value

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
from automate_plugins import text
from automate_plugins.texts import marked

ABOUT = text("Numbers")
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
        raise TemplateError(
            text(
                "There is no locale %(missing)s. Available: %(names)s.",
                missing=repr(str(name)[:40]),
                names=", ".join(LOCALES),
            )
        )
    return found


@offer(ABOUT, "{{ '42' | int + 1 }}", name="int")
def int_(value: Any, default: Any = _NOTHING) -> Any:
    """A number or text as a whole number, without decimals; `default` if it is not a number."""
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
    """A number or text as a decimal number; `default` if it is not a number."""
    try:
        return value if isinstance(value, float) else float(decimal_of(value, "float"))
    except TemplateError:
        if default is _NOTHING:
            raise
        return default


@offer(ABOUT, "{{ ('19.90' | to_number) * 2 }}")
def to_number(value: Any) -> Any:
    """The value or its text as a number: 12 stays a whole number, 12.5 a decimal number."""
    if is_number(value):
        return value
    exact = decimal_of(value, "to_number")
    return int(exact) if exact == exact.to_integral_value() and "." not in str(value) else float(exact)


@offer(ABOUT, "{{ 'yes' | bool }}", name="bool")
def bool_(value: Any) -> bool:
    """True for `true`, `yes`, `on`, `1`; false for `false`, `no`, `off`, `0` and an empty text, in upper or lower case;
    other values are true unless they are null, 0 or empty."""
    if not isinstance(value, str):
        return bool(value)
    word = value[:100].strip().lower()
    if word not in _TRUE + _FALSE:
        raise TemplateError(
            text(
                "%(what)s needs one of %(names)s, not %(value)s.",
                what="bool",
                names=", ".join(filter(None, _TRUE + _FALSE)),
                value=repr(word[:40]),
            )
        )
    return word in _TRUE


@offer(ABOUT, "{{ -5 | abs }}", name="abs")
def abs_(value: Any) -> Any:
    """The absolute value of the number."""
    if not is_number(value):
        raise TemplateError(text("%(what)s needs a number, not %(kind)s.", what="abs", kind=kind(value)))
    return abs(value)


@offer(ABOUT, "{{ 3.14159 | round(2) }}", name="round")
def round_(value: Any, precision: int = 0, method: str = "common") -> float:
    """The number rounded to `precision` decimals; `method` can be `ceil` or `floor`."""
    if not is_number(value):
        raise TemplateError(text("%(what)s needs a number, not %(kind)s.", what="round", kind=kind(value)))
    whole(precision, marked(text("The precision of round")), -MAX_DIGITS, MAX_DIGITS)
    if method not in ("common", "ceil", "floor"):
        raise TemplateError(text("The method of round must be one of: %(names)s.", names="common, ceil, floor"))
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        raise TemplateError(text("The number is too large for %(what)s.", what="round"))
    result: float = jinja2.filters.do_round(value, precision, method)  # type: ignore[arg-type]
    return finite(result, "round")


@offer(ABOUT, "{{ [{'price': 2}, {'price': 3}] | sum('price') }}", cheap=False, name="sum")
def sum_(value: Any, attribute: str | None = None, start: float = 0) -> float:
    """The sum of the numbers of a list, or of a field of its items, plus `start`."""
    numbers = [*fields_of(value, attribute, "sum"), start]
    if not all(map(is_number, numbers)):
        raise TemplateError(text("%(what)s needs a list of numbers.", what="sum"))
    return finite(sum(numbers), "sum")


@offer(ABOUT, "{{ [3, 1, 2] | min }}", cheap=False, name="min")
def min_(value: Any, attribute: str | None = None) -> Any:
    """The smallest number or text of a list, or of a field of its items."""
    return _extreme(min, value, attribute)


@offer(ABOUT, "{{ [3, 1, 2] | max }}", cheap=False, name="max")
def max_(value: Any, attribute: str | None = None) -> Any:
    """The largest number or text of a list, or of a field of its items."""
    return _extreme(max, value, attribute)


def _extreme(pick: Any, value: Any, attribute: str | None) -> Any:
    values = [item for item in fields_of(value, attribute, pick.__name__) if item is not None]
    if not values:
        raise TemplateError(text("%(what)s needs a list that is not empty.", what=pick.__name__))
    return pick(values, key=comparable(values, pick.__name__))


@offer(ABOUT, "{{ 1234567.891 | number(2, locale='de') }}")
def number(value: Any, digits: int | None = None, locale: str = "en") -> str:
    """The number formatted for the locale, with `digits` decimals."""
    from babel.numbers import format_decimal  # only where it is used: its data take memory

    exact, where = decimal_of(value, "number"), locale_of(locale)
    if digits is None:
        return format_decimal(exact, locale=where)
    places = whole(digits, marked(text("The digits of number")), 0, MAX_PLACES)
    return format_decimal(exact, format="#,##0" + ("." + "0" * places if places else ""), locale=where)


@offer(ABOUT, "{{ '409.94' | currency('EUR', locale='de') }}")
def currency(value: Any, code: str, locale: str = "en") -> str:
    """An amount of money, formatted for the locale; `code` is the ISO 4217 currency code."""
    from babel.numbers import format_currency

    if not re.fullmatch("[A-Z]{3}", str(code)):
        raise TemplateError(text("currency needs a code of three capital letters, such as EUR."))
    return format_currency(decimal_of(value, "currency"), str(code), locale=locale_of(locale))


def finite(value: float, what: str) -> float:
    """Return the number. Raises TemplateError when JSON cannot hold it."""
    if not math.isfinite(value):
        raise TemplateError(text("The result of %(what)s is too large.", what=what))
    return value

"""What people type as a number or a date: its value, or the values that they may mean.

This is the only place that decides it: for conditions, for number fields of the builder, and for the fields of forms.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import re
import unicodedata
from dataclasses import dataclass

from automate_plugins.texts import text

POINT, COMMA = ".", ","
_EXACT = 2**53  #: up to here every whole number is a float of its own
_LONGEST = 400  #: characters; any float is shorter
_PLAIN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_DIGITS = re.compile(r"[+-]?\d+", re.ASCII)
#: 1.250 or 1,250: a thousand to some readers, a small number to others. 0.125 and 1234.500 have one reading.
_TWOFOLD = re.compile(r"(?P<sign>[+-]?)(?P<whole>[1-9]\d{0,2})(?P<sign_between>[.,])(?P<rest>\d{3})", re.ASCII)
_SPACES = re.compile(r"(?<=\d)[\s'\u2019](?=\d{3}(?!\d))")  # 1 234 and 1'234, also with narrow spaces
_WHOLE = re.compile(r"(?<=\d)[.,][-\u2013\u2014]{1,2}$")  # 5.000,-
_UNIT = re.compile(r"[A-Z]{3}|%")


def write_moment(moment: dt.datetime) -> str:
    """A moment as every interface writes it: in UTC with milliseconds, such as 2026-11-25T10:15:00.000Z."""
    return moment.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True)
class TypedNumber:
    """A typed number: its value, or else what it may mean, the likeliest first; neither for other texts."""

    value: int | float | None = None
    readings: tuple[int | float, ...] = ()


def read_number(written: str, decimal: str = POINT) -> TypedNumber:
    """Read a number of a reader whose decimal sign is `decimal`. The notation of JSON is always read."""
    if plain := plain_number(written, decimal):
        return TypedNumber(_value(plain))
    return TypedNumber(readings=_proposals(written.strip(), decimal)) if len(written) <= _LONGEST else TypedNumber()


def plain_number(written: str, decimal: str = POINT) -> str:
    """Return the text of a number with one reading as JSON writes it, with all its digits; empty for other texts."""
    written = written.strip().replace("\u2212", "-")
    if len(written) > _LONGEST or _TWOFOLD.fullmatch(written):
        return ""
    return written if _PLAIN.fullmatch(written) else _ungrouped(written, decimal)


def is_twofold(written: str) -> bool:
    """Return whether languages read the text as two different numbers: 1.250."""
    return _TWOFOLD.fullmatch(written.strip()) is not None


def number_readings(written: str, decimal: str = POINT) -> tuple[int | float, ...]:
    """Return the numbers that a text may mean; none for other texts."""
    typed = read_number(written, decimal)
    return typed.readings if typed.value is None else (typed.value,)


def number_question(written: str, decimal: str = POINT) -> str:
    """Return the question which number a text means, with its readings in JSON; empty when it means none."""
    match [write_number(number) for number in number_readings(written, decimal)]:
        case [first, second]:
            return text(
                "%(value)s has two readings. Did you mean %(first)s or %(second)s?",
                value=written,
                first=first,
                second=second,
            )
        case [only] if only == written:
            return text("“%(value)s” is text. Did you mean the number %(proposal)s?", value=written, proposal=only)
        case [only]:
            return text("%(value)s is not a number. Did you mean %(proposal)s?", value=written, proposal=only)
    return ""


def json_number(value: float) -> str:
    """Return a number in JSON, so that it is read again as the same number: 1.250 as 1.2500."""
    written = json.dumps(value)
    return f"{written}0" if is_twofold(written) else written


def notated_number(written: str, decimal: str) -> int | float | None:
    """Return the number of a text in a file whose decimal sign is known, such as 1.250; None for other texts.

    A text that is rather a code stays one: 0049, +49, or more digits than a number keeps. Signs of currencies are left
    out, letters are not.
    """
    bare = _SPACES.sub("", _without_currency(written.replace("\u2212", "-")))
    group, sign = re.escape(COMMA if decimal == POINT else POINT), re.escape(decimal)
    if not re.fullmatch(rf"-?(?!0\d)(\d{{1,15}}|\d{{1,3}}({group}\d{{3}}){{1,4}})({sign}\d{{1,15}})?", bare, re.ASCII):
        return None
    return _value(bare.replace(COMMA if decimal == POINT else POINT, "").replace(decimal, POINT))


def _without_currency(written: str) -> str:
    number = written.strip()
    if number[:1] and unicodedata.category(number[0]) == "Sc":
        number = number[1:]
    if number[-1:] and unicodedata.category(number[-1]) == "Sc":
        number = number[:-1]
    return number.strip()


def write_number(value: float, decimal: str = POINT) -> str:
    """Return a number as it is typed in that notation, so that `read_number` gives the value again."""
    whole = not isinstance(value, float) or value.is_integer()
    return str(int(value)) if whole else json_number(value).replace(POINT, decimal)


def _twofold(written: str, decimal: str) -> tuple[int | float, ...]:
    """Return both readings, that of the reader's own language first."""
    sign = COMMA if COMMA in written else POINT
    whole, small = _value(written.replace(sign, "")), _value(written.replace(sign, POINT))
    if sign == COMMA and decimal == POINT and written.endswith("000"):
        return _known(whole)  # a reader who writes points does not write the zeros of 5,000 for 5
    return _known(small, whole) if sign == decimal else _known(whole, small)


def _proposals(written: str, decimal: str) -> tuple[int | float, ...]:
    """Return what a text may mean that is written in another notation, or with a currency or a percent sign."""
    bare = _WHOLE.sub("", _SPACES.sub("", _without_unit(written)))
    if _TWOFOLD.fullmatch(bare):
        return _twofold(bare, decimal)
    if _PLAIN.fullmatch(bare):
        return _known(_value(bare))
    plain = _ungrouped(bare, POINT) or _ungrouped(bare, COMMA)
    return _known(_value(plain)) if plain else ()


def _without_unit(written: str) -> str:
    """Return the text without a currency (EUR, €) or a percent sign at its beginning or end."""
    number = written
    for _ in range(2):
        number = _without_currency(number)
        if found := _UNIT.match(number):
            number = number[found.end() :]
        if (found := re.search(rf"({_UNIT.pattern})$", number)) is not None:
            number = number[: found.start()]
    return number.strip()


def _ungrouped(written: str, decimal: str) -> str:
    """Return 1.234,50 as 1234.50, in the notation with that decimal sign; empty for other texts."""
    group = re.escape(COMMA if decimal == POINT else POINT)
    sign = re.escape(decimal)
    grouped = rf"[+-]?(\d+{sign}\d+|\d{{1,3}}({group}\d{{3}})+{sign}\d+|\d{{1,3}}({group}\d{{3}}){{2,}})"
    if not re.fullmatch(grouped, written, re.ASCII):
        return ""
    return written.replace(COMMA if decimal == POINT else POINT, "").replace(decimal, POINT)


def _value(plain: str) -> int | float | None:
    if _DIGITS.fullmatch(plain):
        return int(plain)
    value = float(plain)
    return plain_whole(value) if math.isfinite(value) else None


def plain_whole(value: float) -> int | float:
    """Return the number, 6000.0 as 6000: texts that are made of it show it as people write it."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) <= _EXACT else value


def _known(*values: int | float | None) -> tuple[int | float, ...]:
    """Return the values once each, 5.0 as 5."""
    found = (
        int(value) if isinstance(value, float) and value.is_integer() else value
        for value in values
        if value is not None
    )
    return tuple(dict.fromkeys(found))


# --- dates ------------------------------------------------------------------------------------------------------------


def date_question(written: str) -> str:
    """Return the question which date a text means; empty when it means none."""
    match date_readings(written):
        case (first, second):
            return text(
                "%(value)s has two readings. Did you mean %(first)s or %(second)s?",
                value=written,
                first=first,
                second=second,
            )
        case (only,):
            return text("%(value)s is not a date. Did you mean %(proposal)s?", value=written, proposal=only)
    return ""


_DAY_FIRST = re.compile(r"(\d{1,2})\.\s?(\d{1,2})\.\s?(\d{4})", re.ASCII)
_SLASHED = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})", re.ASCII)
_YEAR_FIRST = re.compile(r"(\d{4})[/.](\d{1,2})[/.](\d{1,2})", re.ASCII)


def is_date(written: str) -> bool:
    """Return whether a text is a date, a time or both in ISO 8601, which are in order as texts, too."""
    written = written.strip()
    if "-" not in written and ":" not in written:
        return False  # 20261224 is a number
    for read in (dt.datetime.fromisoformat, dt.time.fromisoformat):
        try:
            read(written)
        except ValueError:
            continue
        return True
    return False


def date_readings(written: str) -> tuple[str, ...]:
    """Return the dates that a text may mean, in ISO 8601: both for 03/04/2026, which languages read differently."""
    written = written.strip()
    if found := _DAY_FIRST.fullmatch(written):
        return _dates((found[3], found[2], found[1]))
    if found := _SLASHED.fullmatch(written):
        return _dates((found[3], found[1], found[2]), (found[3], found[2], found[1]))
    found = _YEAR_FIRST.fullmatch(written)
    return _dates((found[1], found[2], found[3])) if found else ()


def notated_date(written: str, *, day_first: bool) -> str:
    """Return the date of a text in ISO 8601 where the order of 03/04/2026 is known; empty for other texts.

    A date with points has the day first in any case.
    """
    written = written.strip()
    if (found := _SLASHED.fullmatch(written)) and day_first:
        return "".join(_dates((found[3], found[2], found[1])))
    if found:
        return "".join(_dates((found[3], found[1], found[2])))
    found = _DAY_FIRST.fullmatch(written)
    return "".join(_dates((found[3], found[2], found[1]))) if found else ""


def _dates(*parts: tuple[str, str, str]) -> tuple[str, ...]:
    found = []
    for year, month, day in parts:
        try:
            found.append(dt.date(int(year), int(month), int(day)).isoformat())
        except ValueError:
            continue
    return tuple(dict.fromkeys(found))

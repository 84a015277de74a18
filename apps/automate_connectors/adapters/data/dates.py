"""Dates and times: add, difference, format, parse. Everything that goes out is ISO 8601 with an offset."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale, UnknownLocaleError
from babel.dates import format_datetime

from automate_connectors.adapters.data.pure_action import invalid_input, pure_action, text_of
from automate_plugins.fields import FieldKind, FieldSpec

MAX_TEXT = 200
_YEAR = re.compile(r"%[-]?[YyGcx]")
_EXACT = {"seconds": 1, "minutes": 60, "hours": 3600}
_DAYS = {"days": 1, "weeks": 7}
_MONTHS = {"months": 1, "years": 12}
_UNITS = tuple((unit, unit.capitalize()) for unit in (*_EXACT, *_DAYS, *_MONTHS))
_NAMED = ("short", "medium", "long", "full")


# --- reading ----------------------------------------------------------------------------------------------------------


def _moment(params: dict[str, Any], name: str) -> dt.datetime:
    """Parse an ISO 8601 date or time. Without an offset it is in the zone of the input `timezone`."""
    text = text_of(params, name, MAX_TEXT).strip()
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise invalid_input(
            f"{name}: {text!r} is no ISO 8601 date, such as 2026-03-01 or 2026-03-01T09:30:00+01:00"
        ) from error
    return _in_zone(found, params)


def _in_zone(found: dt.datetime, params: dict[str, Any]) -> dt.datetime:
    zone = _zone(params["timezone"])
    try:
        return found.replace(tzinfo=zone) if found.tzinfo is None else found.astimezone(zone)
    except OverflowError as error:
        raise invalid_input(f"{found.isoformat()} is out of range in that time zone") from error


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise invalid_input(f"timezone: {name[:60]!r} is no time zone, such as Europe/Berlin") from error


def _parse(params: dict[str, Any]) -> dict[str, Any]:
    layout = params.get("format")
    if not layout:
        return _parts(_moment(params, "text"))
    text, layout = text_of(params, "text", MAX_TEXT), text_of(params, "format", MAX_TEXT)
    if not _YEAR.search(layout):
        raise invalid_input("format needs a year, such as %Y in %d.%m.%Y")
    try:
        found = dt.datetime.strptime(text.strip(), layout)
    except (ValueError, re.error) as error:
        raise invalid_input(f"{text!r} does not fit the format {layout!r}: {error}") from error
    return _parts(_in_zone(found, params))


def _parts(moment: dt.datetime) -> dict[str, Any]:
    return {
        "date": moment.isoformat(),
        "day": moment.date().isoformat(),
        "timestamp": moment.timestamp(),
        "weekday": moment.isoweekday(),
    }


# --- reckoning --------------------------------------------------------------------------------------------------------


def _add(params: dict[str, Any]) -> dict[str, Any]:
    moment, amount, unit = _moment(params, "date"), params["amount"], params["unit"]
    try:
        if unit in _EXACT:
            later = moment.astimezone(dt.UTC) + dt.timedelta(seconds=amount * _EXACT[unit])
            return _parts(later.astimezone(moment.tzinfo))
        if unit in _DAYS:
            moved = moment.replace(tzinfo=None) + dt.timedelta(days=amount * _DAYS[unit])
        else:
            moved = _months_later(moment.replace(tzinfo=None), amount * _MONTHS[unit])
        return _parts(moved.replace(tzinfo=moment.tzinfo))
    except (OverflowError, ValueError) as error:
        raise invalid_input(f"{moment.isoformat()} and {amount} {unit} lead out of the calendar") from error


def _months_later(moment: dt.datetime, months: int) -> dt.datetime:
    """Return the same day of the month, or the month's last one."""
    years, month = divmod(moment.month - 1 + months, 12)
    first = moment.replace(year=moment.year + years, month=month + 1, day=1)
    last = (first.replace(day=28) + dt.timedelta(days=4)).replace(day=1) - dt.timedelta(days=1)
    return first.replace(day=min(moment.day, last.day))


def _difference(params: dict[str, Any]) -> dict[str, Any]:
    start, end, unit = _moment(params, "from"), _moment(params, "to"), params["unit"]
    seconds = (end - start).total_seconds() if start.tzinfo is None else end.timestamp() - start.timestamp()
    if unit in _EXACT:
        return {"value": seconds / _EXACT[unit], "seconds": seconds}
    apart = end.replace(tzinfo=None) - start.replace(tzinfo=None)  # as the clock on the wall has it
    if unit in _DAYS:
        return {"value": apart / dt.timedelta(days=_DAYS[unit]), "seconds": seconds}
    months = _whole_months(start.replace(tzinfo=None), end.replace(tzinfo=None))
    return {"value": int(months / _MONTHS[unit]), "seconds": seconds}


def _whole_months(start: dt.datetime, end: dt.datetime) -> int:
    if end < start:
        return -_whole_months(end, start)
    months = (end.year - start.year) * 12 + end.month - start.month
    return months - (months > 0 and _months_later(start, months) > end)


# --- writing ----------------------------------------------------------------------------------------------------------


def _format(params: dict[str, Any]) -> dict[str, Any]:
    moment, layout = _moment(params, "date"), text_of(params, "format", MAX_TEXT)
    try:
        locale = Locale.parse(params["locale"].replace("-", "_"))
    except (UnknownLocaleError, ValueError, TypeError) as error:
        raise invalid_input(f"locale: {params['locale'][:40]!r} is no language, such as en, de or pt_BR") from error
    try:
        return {"text": format_datetime(moment, layout, locale=locale)}
    except (ValueError, KeyError, AttributeError) as error:
        raise invalid_input(
            f"format: {layout!r} is not one of {', '.join(_NAMED)} or a pattern such as yyyy-MM-dd"
        ) from error


_ZONE = FieldSpec(
    name="timezone", label="Time zone", default="UTC", help="Of dates without an offset, and of the result"
)
_UNIT = FieldSpec(name="unit", label="Unit", kind=FieldKind.CHOICE, choices=_UNITS, default="days")


def _date(name: str, label: str) -> FieldSpec:
    return FieldSpec(name=name, label=label, required=True, help="ISO 8601, such as 2026-03-01T09:30:00+01:00")


def _date_action(run: Callable[[dict[str, Any]], Any], name: str, label: str, about: str, *fields: FieldSpec) -> Any:
    return pure_action(run, name, label, about, *fields, _ZONE)


PURE_ACTIONS = (
    _date_action(
        _add,
        "add_to_date",
        "Add to a date",
        "Days and longer keep the time of day; a month that is too short ends on its last day",
        _date("date", "Date"),
        FieldSpec(name="amount", label="Amount", kind=FieldKind.INTEGER, required=True, help="Below zero goes back"),
        _UNIT,
    ),
    _date_action(
        _difference,
        "date_difference",
        "Difference of dates",
        "How far it is from one to the other; months and years are whole ones",
        _date("from", "From"),
        _date("to", "To"),
        _UNIT,
    ),
    _date_action(
        _format,
        "format_date",
        "Format a date",
        "A date for people, in their language",
        _date("date", "Date"),
        FieldSpec(
            name="format",
            label="Format",
            default="medium",
            help="short, medium, long, full, or a Unicode pattern such as yyyy-MM-dd HH:mm",
        ),
        FieldSpec(name="locale", label="Language", default="en", help="Such as en, de or pt_BR"),
    ),
    _date_action(
        _parse,
        "parse_date",
        "Read a date",
        "A date out of a text",
        FieldSpec(name="text", label="Text", required=True),
        FieldSpec(name="format", label="Format", help="Such as %d.%m.%Y %H:%M; ISO 8601 unless given"),
    ),
)

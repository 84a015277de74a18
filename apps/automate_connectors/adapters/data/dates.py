"""Dates and times: add, difference, format, parse. Everything that goes out is ISO 8601 with an offset."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale, UnknownLocaleError
from babel.dates import format_datetime

from automate_connectors.adapters.data.pure_action import invalid_input, text_of
from automate_plugins import text

MAX_TEXT = 200
_YEAR = re.compile(r"%[-]?[YyGcx]")
_EXACT = {"seconds": 1, "minutes": 60, "hours": 3600}
_DAYS = {"days": 1, "weeks": 7}
_MONTHS = {"months": 1, "years": 12}
_NAMED = ("short", "medium", "long", "full")


# --- reading ----------------------------------------------------------------------------------------------------------


def _moment(params: dict[str, Any], name: str) -> dt.datetime:
    """Parse an ISO 8601 date or time. Without an offset it is in the zone of the input `timezone`."""
    written = text_of(params, name, MAX_TEXT).strip()
    try:
        found = dt.datetime.fromisoformat(written)
    except ValueError as error:
        raise invalid_input(
            text(
                "%(name)s: %(value)s is not an ISO 8601 date. Use for example 2026-03-01 or 2026-03-01T09:30:00+01:00.",
                name=name,
                value=repr(written),
            )
        ) from error
    return _in_zone(found, params)


def _in_zone(found: dt.datetime, params: dict[str, Any]) -> dt.datetime:
    zone = _zone(params["timezone"])
    try:
        return found.replace(tzinfo=zone) if found.tzinfo is None else found.astimezone(zone)
    except OverflowError as error:
        raise invalid_input(text("%(date)s is out of range in this time zone.", date=found.isoformat())) from error


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise invalid_input(
            text("%(value)s is not a time zone. Use a name such as Europe/Berlin.", value=repr(name[:60]))
        ) from error


def _parse(params: dict[str, Any]) -> dict[str, Any]:
    layout = params.get("format")
    if not layout:
        return _parts(_moment(params, "text"))
    written, layout = text_of(params, "text", MAX_TEXT), text_of(params, "format", MAX_TEXT)
    if not _YEAR.search(layout):
        raise invalid_input(text("The format needs a year, for example %Y in %d.%m.%Y."))
    try:
        found = dt.datetime.strptime(written.strip(), layout)
    except (ValueError, re.error) as error:
        raise invalid_input(
            text(
                "%(value)s does not match the format %(format)s: %(reason)s",
                value=repr(written),
                format=repr(layout),
                reason=str(error),
            )
        ) from error
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
        raise invalid_input(
            text(
                "The result is outside the calendar: %(date)s, %(amount)s %(unit)s.",
                date=moment.isoformat(),
                amount=amount,
                unit=unit,
            )
        ) from error


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
        raise invalid_input(
            text("%(value)s is not a language. Use a code such as en, de or pt_BR.", value=repr(params["locale"][:40]))
        ) from error
    try:
        return {"text": format_datetime(moment, layout, locale=locale)}
    except (ValueError, KeyError, AttributeError) as error:
        raise invalid_input(
            text(
                "%(value)s is not a date format. Use %(known)s or a pattern such as yyyy-MM-dd.",
                value=repr(layout),
                known=", ".join(_NAMED),
            )
        ) from error


PURE_ACTIONS = {
    "add_to_date": _add,
    "date_difference": _difference,
    "format_date": _format,
    "parse_date": _parse,
}

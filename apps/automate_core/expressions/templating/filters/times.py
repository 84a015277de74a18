"""Filters for dates and times, which are texts such as `2026-12-24T18:00:00Z`, or seconds since 1970."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from automate_core.expressions.json_path import TemplateError
from automate_core.expressions.templating.filters.numbers import locale_of
from automate_core.expressions.templating.filters.registry import offer
from automate_core.expressions.templating.values import is_number, kind
from automate_plugins import text

ABOUT = text("Dates and times")
MAX_FORMAT = 100
_CODES = "YmdyHIMSpaAbBjzZuV%"
_zones: dict[str, ZoneInfo] = {}


def zone_of(name: Any) -> ZoneInfo:
    """Return the time zone of a name. Raises TemplateError for an unknown name."""
    found = _zones.get(str(name))
    if found is None:
        try:
            found = _zones[str(name)] = ZoneInfo(str(name))
        except (KeyError, ValueError, OSError, ImportError):
            raise TemplateError(
                text("%(value)s is not a time zone such as Europe/Berlin.", value=repr(str(name)[:40]))
            ) from None
    return found


def load_zones() -> None:
    """Load all time zones while files can still be opened."""
    for name in available_timezones():
        zone_of(name)


def moment_of(value: Any, timezone: Any) -> dt.datetime:
    """Return the time in that zone; a time without an offset is in that zone. Raises TemplateError."""
    zone = zone_of(timezone)
    try:
        if is_number(value):
            return dt.datetime.fromtimestamp(value, zone)
        if not isinstance(value, str):
            raise TemplateError(
                text("A time must be a text such as 2026-12-24T18:00:00Z, not %(kind)s.", kind=kind(value))
            )
        moment = dt.datetime.fromisoformat(value.strip()[:100])
        return moment.replace(tzinfo=zone) if moment.tzinfo is None else moment.astimezone(zone)
    except (ValueError, OverflowError, OSError):
        shown = repr(value[:40]) if isinstance(value, str) else str(value)[:40]
        raise TemplateError(text("%(value)s is not a time such as 2026-12-24T18:00:00Z.", value=shown)) from None


def _written(value: Any, format: Any, timezone: Any) -> str:
    pattern = str(format)
    strange = [code for code in re.findall("%(.?)", pattern, re.DOTALL) if not code or code not in _CODES]
    if len(pattern) > MAX_FORMAT:
        raise TemplateError(text("A format can have at most %(maximum)s characters.", maximum=MAX_FORMAT))
    if strange:
        codes = " ".join(f"%{code}" for code in _CODES)
        raise TemplateError(text("A format can contain only these codes: %(codes)s", codes=codes))
    return moment_of(value, timezone).strftime(pattern)


@offer(ABOUT, "{{ '2026-12-24T23:30:00Z' | date('%d.%m.%Y', timezone='Europe/Berlin') }}")
def date(value: Any, format: str = "%Y-%m-%d", timezone: str = "UTC") -> str:
    """The date in the time zone, formatted by Python's strftime codes."""
    return _written(value, format, timezone)


@offer(ABOUT, "{{ '2026-12-24T23:30:00Z' | time(timezone='Europe/Berlin') }}")
def time(value: Any, format: str = "%H:%M", timezone: str = "UTC") -> str:
    """The same as `date`, with another default format."""
    return _written(value, format, timezone)


@offer(ABOUT, "{{ '2026-12-24T23:30:00Z' | local_date('long', timezone='Europe/Berlin', locale='de') }}")
def local_date(value: Any, style: str = "medium", timezone: str = "UTC", locale: str = "en") -> str:
    """The date formatted for the locale: `short`, `medium`, `long` or `full`."""
    from babel.dates import format_date  # only where it is used: its data take memory

    return str(format_date(moment_of(value, timezone), _style(style), locale_of(locale)))


@offer(ABOUT, "{{ '2026-12-24T23:30:00Z' | local_datetime('short', timezone='Europe/Berlin', locale='de') }}")
def local_datetime(value: Any, style: str = "medium", timezone: str = "UTC", locale: str = "en") -> str:
    """Date and time formatted for the locale: `short`, `medium` or `long`."""
    from babel.dates import format_datetime

    moment, how = moment_of(value, timezone), _style(style, but="full")
    return str(format_datetime(moment, how, tzinfo=moment.tzinfo, locale=locale_of(locale)))


@offer(ABOUT, "{{ '2026-12-24T18:00:00Z' | timestamp }}")
def timestamp(value: Any, timezone: str = "UTC") -> int:
    """Whole seconds since 1 January 1970."""
    return int(moment_of(value, timezone).timestamp())


def _style(style: Any, but: str = "") -> Any:
    styles = [name for name in ("short", "medium", "long", "full") if name != but]
    if style not in styles:
        raise TemplateError(text("The style must be one of: %(names)s.", names=", ".join(styles)))
    return style

"""Quiet times: hours of the day in which nothing is sent, by a time zone of their own."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo


def after_quiet_hours(moment: dt.datetime, start: dt.time | None, end: dt.time | None, zone: str) -> dt.datetime:
    """`moment`, or the end of the quiet time that it falls into. One from 22:00 to 07:00 goes over midnight."""
    if start is None or end is None or start == end:
        return moment
    local = moment.astimezone(ZoneInfo(zone))
    clock, day = local.time().replace(tzinfo=None), local.date()
    over_midnight = start > end
    if not (clock >= start or clock < end if over_midnight else start <= clock < end):
        return moment
    if over_midnight and clock >= start:
        day += dt.timedelta(days=1)
    return max(moment, dt.datetime.combine(day, end, ZoneInfo(zone)).astimezone(dt.UTC))

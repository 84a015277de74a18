"""Schedules as people choose them, with their next times and the effects of clock changes.

Values in, values out: no database.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError
from django.utils.dateformat import format as format_parts
from django.utils.translation import gettext as _

from automate_core.definition.document import ScheduleTrigger
from automate_core.expressions import durations
from automate_core.triggers import schedules
from automate_ui.formatting import format_date
from automate_ui.schedule_plan import (
    DAYS,
    MONTH_DAYS,
    REPEATS,
    UNIT_SECONDS,
    SchedulePlan,
    plan_from_config,
)

_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)(?::00)?")


class PlanError(ValueError):
    """An invalid choice; `field` is its field, the message a sentence."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field


def posted_plan(post: Any, present: SchedulePlan) -> SchedulePlan:
    """Posted plan. Raises PlanError."""
    repeats = post.get("repeats", present.repeats)
    if repeats not in dict(REPEATS):
        raise PlanError("repeats", _("Not saved: choose one of the options."))
    plan = replace(present, repeats=repeats)
    if repeats == "every":
        number = post.get("number", "").strip()
        if not (number.isascii() and number.isdigit() and int(number[:9]) > 0 and len(number) < 9):
            raise PlanError("number", _("Not saved: enter a whole number, 1 or more."))
        unit = post.get("unit", present.unit)
        if unit not in UNIT_SECONDS:
            raise PlanError("number", _("Not saved: choose minutes, hours, days or seconds."))
        if int(number) * UNIT_SECONDS[unit] > durations.LONGEST_SECONDS:
            raise PlanError("number", _("Not saved: the interval can be at most one year."))
        return replace(plan, number=int(number), unit=unit)
    if repeats == "cron":
        cron = " ".join(post.get("cron", "").split())
        if not cron:
            raise PlanError("cron", _("Not saved: enter five fields, for example 30 8 * * 1-5 for 8:30 on weekdays."))
        return replace(plan, cron=cron)
    return _with_time(plan, post) if repeats else plan


def _with_time(plan: SchedulePlan, post: Any) -> SchedulePlan:
    match = _TIME.fullmatch(post.get("time", plan.time).strip())
    if match is None:
        raise PlanError("time", _("Not saved: enter a time, for example 08:30."))
    plan = replace(plan, time=f"{int(match[1]):02}:{match[2]}")
    if plan.repeats == "weekly":
        days = tuple(number for number, _ in DAYS if number in post.getlist("days"))
        if not days:
            raise PlanError("days", _("Not saved: choose at least one day."))
        return replace(plan, days=days)
    if plan.repeats == "monthly":
        day = post.get("day", plan.day)
        if day not in dict(MONTH_DAYS):
            raise PlanError("day", _("Not saved: choose a day of the month."))
        return replace(plan, day=day)
    return plan


# --- the next times ---------------------------------------------------------------------------------------------------

MANY = 5
_LOOK_AHEAD = 370  # days


@dataclass(frozen=True, kw_only=True)
class NextTimes:
    """Next times in the zone; `remarks` describe its clock changes. `hint` replaces both.

    `counted` says that the times depend on the moment of publishing.
    """

    zone: str
    times: list[dt.datetime]
    remarks: list[str]
    counted: bool = False
    hint: str = ""


def next_times(config: Mapping[str, Any], workflow_timezone: str, now: dt.datetime) -> NextTimes:
    """Next times of a trigger if it were published now."""
    zone_name = str(config.get("timezone") or workflow_timezone)
    plan, nothing = plan_from_config(config), NextTimes(zone=zone_name, times=[], remarks=[])
    try:
        zone = ZoneInfo(zone_name)
        trigger = ScheduleTrigger(cron=str(config.get("cron") or ""), every=config.get("every"), timezone=zone_name)
        if not plan.repeats or len(trigger.cron.split()) not in {0, 5}:
            return replace(nothing, hint=_("Choose a schedule to see the next times."))
        times = schedules.next_fire_times(trigger, zone_name, MANY, after=now)
    except (CronSimError, KeyError, ValueError, OSError, OverflowError):
        return NextTimes(
            zone=zone_name, times=[], remarks=[], hint=_("The next times appear once the schedule is valid.")
        )
    if not times:
        return NextTimes(
            zone=zone_name, times=[], remarks=[], hint=_("This schedule never starts: no such date exists.")
        )
    remarks = list(_clock_change_remarks(plan, trigger, zone, now))
    return NextTimes(zone=zone_name, times=times, remarks=remarks, counted=plan.repeats == "every")


def _clock_change_remarks(
    plan: SchedulePlan, trigger: ScheduleTrigger, zone: ZoneInfo, now: dt.datetime
) -> Iterator[str]:
    """Effects of the next clock changes, at most one forward and one back."""
    harmless = []
    for at, by in list(_clock_changes(zone, now))[:2]:
        is_forward, local = by > dt.timedelta(0), at.astimezone(zone)
        day = f"{format_parts(local, 'D')} {format_date(local)}"
        if plan.repeats == "every":
            shifts = bool(abs(by.total_seconds()) % durations.parse_duration(trigger.every))
            effect = (
                _("All later times shift forward by the same amount.")
                if is_forward
                else _("All later times shift back by the same amount.")
            )
        else:
            shifts, effect = _effect_of_change(trigger.cron, at, by, zone)
        if shifts:
            change = (
                _("On %(day)s, clocks go forward by %(span)s.")
                if is_forward
                else _("On %(day)s, clocks go back by %(span)s.")
            )
            yield f"{change % {'day': day, 'span': _span_text(by)}} {effect}"
        else:
            harmless.append(day)
    if harmless:
        yield _("Clocks change on these days, and the times stay the same: %(days)s.") % {"days": ", ".join(harmless)}


def _effect_of_change(cron: str, at: dt.datetime, by: dt.timedelta, zone: ZoneInfo) -> tuple[bool, str]:
    """(whether the change matters, effect on skipped or repeated times)."""
    wall = at.astimezone(zone).replace(tzinfo=None)  # what the clock shows when the change is done
    start, end = (wall - by, wall) if by > dt.timedelta(0) else (wall, wall - by)
    follows = any(part.startswith("*") for part in cron.split()[:2])
    meets = [] if follows else _times_between(cron, start, end)
    listed = ", ".join(f"{each:%H:%M}" for each in meets[:3])
    if by > dt.timedelta(0):
        effect = _("%(times)s does not exist that day; the run starts at %(start)s instead.")
        return bool(meets), effect % {"times": listed, "start": f"{end:%H:%M}"}
    return bool(meets), _("%(times)s occurs twice that day; the run starts the first time only.") % {"times": listed}


def _times_between(cron: str, start: dt.datetime, end: dt.datetime) -> list[dt.datetime]:
    found: list[dt.datetime] = []
    for each in CronSim(cron, start - dt.timedelta(seconds=1)):
        if each >= end or len(found) == 4:
            break
        found.append(each)
    return found


def _clock_changes(zone: ZoneInfo, now: dt.datetime) -> Iterator[tuple[dt.datetime, dt.timedelta]]:
    """(moment, shift) of each clock change of the zone in the next year."""
    day = dt.timedelta(days=1)
    before = now.astimezone(dt.UTC)
    for __ in range(_LOOK_AHEAD):
        after = before + day
        jump = _utc_offset(zone, after) - _utc_offset(zone, before)
        if jump:
            yield _change_minute(zone, before, after), jump
        before = after


def _change_minute(zone: ZoneInfo, before: dt.datetime, after: dt.datetime) -> dt.datetime:
    """Minute in which the offset changes, by bisection."""
    early, late = before.replace(second=0, microsecond=0), after
    while late - early > dt.timedelta(minutes=1):
        middle = (early + (late - early) / 2).replace(second=0, microsecond=0)
        if middle in {early, late}:
            break
        early, late = (middle, late) if _utc_offset(zone, middle) == _utc_offset(zone, before) else (early, middle)
    return late.replace(second=0, microsecond=0)


def _utc_offset(zone: ZoneInfo, at: dt.datetime) -> dt.timedelta:
    return at.astimezone(zone).utcoffset() or dt.timedelta(0)


def _span_text(by: dt.timedelta) -> str:
    minutes = int(abs(by.total_seconds()) // 60)
    return f"{minutes // 60} h" if minutes % 60 == 0 else f"{minutes} min"

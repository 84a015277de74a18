"""Schedules as people choose them. Values in, values out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from automate_core.expressions import durations
from automate_plugins import text

DAYS = (
    ("1", text("Monday")),
    ("2", text("Tuesday")),
    ("3", text("Wednesday")),
    ("4", text("Thursday")),
    ("5", text("Friday")),
    ("6", text("Saturday")),
    ("0", text("Sunday")),
)
UNITS = (("m", text("minutes")), ("h", text("hours")), ("d", text("days")), ("s", text("seconds")))
REPEATS = (
    ("", text("Choose a schedule")),
    ("every", text("At a regular interval")),
    ("daily", text("Daily")),
    ("weekdays", text("On weekdays, Monday to Friday")),
    ("weekly", text("Weekly")),
    ("monthly", text("Monthly")),
    ("cron", text("Cron expression")),
)
LAST_DAY = "L"
MONTH_DAYS = (*((str(day), str(day)) for day in range(1, 32)), (LAST_DAY, text("last day")))
UNIT_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_NAMES = {name[:3].upper(): number for number, name in DAYS}


@dataclass(frozen=True, kw_only=True)
class SchedulePlan:
    """Chosen schedule. `repeats` decides which fields count; `days` are cron's numbers, `time` is HH:MM."""

    repeats: str = ""
    number: int = 15
    unit: str = "m"
    time: str = "09:00"
    days: tuple[str, ...] = ("1",)
    day: str = "1"
    cron: str = ""


def plan_from_config(config: Mapping[str, Any]) -> SchedulePlan:
    """Plan of a trigger's config; an expression outside the choices stays a cron expression."""
    cron = config.get("cron")
    if isinstance(cron, str) and cron.strip():
        return replace(_plan_from_cron(cron.split()), cron=cron)
    try:
        whole = durations.parse_duration(config.get("every"))
    except ValueError:
        return SchedulePlan()
    for unit in ("d", "h", "m", "s"):
        if whole and whole % UNIT_SECONDS[unit] == 0:
            return SchedulePlan(repeats="every", number=int(whole // UNIT_SECONDS[unit]), unit=unit)
    return SchedulePlan()


def _plan_from_cron(parts: list[str]) -> SchedulePlan:
    other = SchedulePlan(repeats="cron")
    if len(parts) != 5 or not all(part.isascii() and part.isdigit() for part in parts[:2]) or parts[3] != "*":
        return other
    minute, hour, day, __, weekday = int(parts[0]), int(parts[1]), parts[2], parts[3], parts[4].upper()
    if minute > 59 or hour > 23:
        return other
    at = SchedulePlan(time=f"{hour:02}:{minute:02}")
    if day == "*" and weekday == "*":
        return replace(at, repeats="daily")
    if day == "*" and weekday in {"1-5", "MON-FRI"}:
        return replace(at, repeats="weekdays")
    if day == "*":
        days = {_NAMES.get(each, "0" if each == "7" else each) for each in weekday.split(",")}
        listed = tuple(number for number, _ in DAYS if number in days)
        return replace(at, repeats="weekly", days=listed) if len(listed) == len(days) else other
    if weekday == "*" and day in dict(MONTH_DAYS):
        return replace(at, repeats="monthly", day=day)
    return other


def config_from_plan(plan: SchedulePlan) -> dict[str, str]:
    """`cron` or `every` for the trigger's config; empty while nothing is chosen."""
    if plan.repeats in {"", "cron"}:
        return {"cron": plan.cron} if plan.repeats else {}
    if plan.repeats == "every":
        return {"every": f"{plan.number}{plan.unit}"}
    hour, __, minute = plan.time.partition(":")
    day, weekday = {
        "daily": ("*", "*"),
        "weekdays": ("*", "1-5"),
        "weekly": ("*", ",".join(plan.days)),
        "monthly": (plan.day, "*"),
    }[plan.repeats]
    return {"cron": f"{int(minute)} {int(hour)} {day} * {weekday}"}

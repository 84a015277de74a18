"""Schedules: events at the times that published workflows declare.

A slot, one time of one schedule, becomes an event whose delivery key is the slot: however many workers fire it, it is
one.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterator
from itertools import islice, takewhile
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from cronsim import CronSim, CronSimError
from django.db import models, transaction

from automate_core.database import AutomateNow, now
from automate_core.definition.document import Definition, ScheduleTrigger
from automate_core.expressions.durations import parse_duration
from automate_core.faultpoints import reach
from automate_core.models import Schedule, Workflow
from automate_core.outbox.ingest import EventIngestor, NewEvent
from automate_plugins.typed_values import write_moment

log = logging.getLogger(__name__)

DUE = "EXISTS (SELECT FROM automate_core_schedule WHERE next_at <= automate_now())"

ON_TIME = dt.timedelta(minutes=1)  # a slot that is seen later than this was missed
MOST_SLOTS = 100  # of one schedule in one look: the rest follows in the next
MOST_SCHEDULES = 100  # in one transaction
_INSTANT = dt.timedelta(microseconds=1)
_AMBIGUOUS = dt.timedelta(hours=3)  # longer than any clock is ever put back

type Times = dict[str, Any]


def schedule_times(trigger: ScheduleTrigger, workflow_timezone: str, published_at: dt.datetime) -> Times:
    """The times of a trigger, as `Schedule.times` holds them.

    `every` counts from the moment of publishing: the first time is one span later, and all others lie on that grid.
    """
    if trigger.cron:
        times: Times = {"cron": trigger.cron, "timezone": trigger.timezone or workflow_timezone}
    else:
        times = {"every": parse_duration(trigger.every), "anchor": published_at.replace(microsecond=0).isoformat()}
    return {**times, "missed": trigger.missed}


def next_fire_times(
    trigger: ScheduleTrigger, workflow_timezone: str, n: int = 5, after: dt.datetime | None = None
) -> list[dt.datetime]:
    """The next `n` times after `after`, else after now, in the trigger's time zone: what a publish now would give."""
    after = after or now()
    zone = ZoneInfo(trigger.timezone or workflow_timezone)
    slots = slots_after(schedule_times(trigger, workflow_timezone, after), after)
    return [slot.astimezone(zone) for slot in islice(slots, n)]


def activate_schedules(workflow: Workflow, definition: Definition) -> None:
    """Replace a workflow's schedules by those of a published version; one whose times are unchanged keeps its next
    time.
    """
    wanted = {t.key: t for t in definition.enabled_triggers if isinstance(t, ScheduleTrigger)}
    workflow.schedules.exclude(key__in=wanted).delete()
    present = {schedule.key: schedule for schedule in workflow.schedules.select_for_update()}
    published_at = now()
    for key, trigger in wanted.items():
        times = schedule_times(trigger, definition.timezone, published_at)
        schedule = present.get(key) or Schedule(workflow=workflow, key=key, times={})
        if _are_same_times(schedule.times, times):
            schedule.times = {**schedule.times, "missed": times["missed"]}
        else:
            schedule.times, schedule.next_at = times, next(slots_after(times, published_at), None)
        schedule.save()


def _are_same_times(present: Times, wanted: Times) -> bool:
    beside = {"anchor", "missed"}
    return {k: v for k, v in present.items() if k not in beside} == {k: v for k, v in wanted.items() if k not in beside}


def fire_due() -> float | None:
    """Ingest an event for each slot that is due: seconds to the next slot of any schedule, 0 when more are due.

    A schedule of a paused workflow goes on; one of an archived workflow skips its slots.
    """
    with transaction.atomic():
        due = list(
            Schedule.objects.select_related("workflow")
            .annotate(now=AutomateNow())
            .filter(next_at__lte=AutomateNow())
            .order_by("next_at")
            .select_for_update(of=("self",), skip_locked=True, no_key=True)[:MOST_SCHEDULES]
        )
        if events := [event for schedule in due for event in _advance(schedule)]:
            EventIngestor().ingest(*events)
            reach("schedules.fired")
        Schedule.objects.bulk_update(due, ["next_at"])
    return _seconds_to_next()


def _advance(schedule: Schedule) -> list[NewEvent]:
    """The events of its due slots; `next_at` becomes the slot after them."""
    at: dt.datetime = schedule.now  # type: ignore[attr-defined]  # annotated
    since: dt.datetime = schedule.next_at  # type: ignore[assignment]  # it is due
    try:
        slots, schedule.next_at = due_slots(schedule.times, since, at)
    except (CronSimError, LookupError, ValueError) as error:
        log.error("the schedule %s is skipped, its times cannot be read: %s", schedule, error)
        slots, schedule.next_at = [], None
    if schedule.workflow.status == Workflow.Status.ARCHIVED:
        return []
    return [_event(schedule.workflow.slug, schedule.key, slot) for slot in slots]


def _event(slug: str, key: str, slot: dt.datetime) -> NewEvent:
    time = slot.astimezone(dt.UTC).isoformat()  # of the delivery key, which earlier releases have written so
    payload = msgspec.json.encode({"scheduled_for": write_moment(slot), "key": key}).decode()
    return NewEvent(source=f"schedule:{slug}", type=key, payload=payload, delivery_key=f"{key} {time}")


def _seconds_to_next() -> float | None:
    next_at = Schedule.objects.aggregate(seconds=models.Min("next_at") - AutomateNow())["seconds"]
    return None if next_at is None else max(next_at.total_seconds(), 0.0)


# --- times, without a database ----------------------------------------------------------------------------------------


def due_slots(times: Times, since: dt.datetime, at: dt.datetime) -> tuple[list[dt.datetime], dt.datetime | None]:
    """(the slots to fire from the slot `since` up to `at`, the next slot).

    Slots of the last minute are on time, and all fire. Once there are older ones, `missed` decides: `skip` leaves those
    out, `once` fires nothing but the latest slot, and `all` fires every one, a bounded number in each look.
    """
    if since < at - ON_TIME and times["missed"] == "once":
        since = _latest(times, since, at)
    elif times["missed"] == "skip":
        since = max(since, at - ON_TIME)
    due = takewhile(lambda slot: slot <= at, slots_after(times, since - _INSTANT))
    slots = list(islice(due, MOST_SLOTS))
    return slots, next(slots_after(times, slots[-1] if len(slots) == MOST_SLOTS else at), None)


def slots_after(times: Times, moment: dt.datetime) -> Iterator[dt.datetime]:
    """Slots later than `moment`, in order, in UTC.

    A time that the clock skips fires when the skip is over. A time that comes twice fires the first time alone, unless
    the expression has a star for the hour or the minute.
    """
    if "cron" not in times:
        every, anchor = dt.timedelta(seconds=times["every"]), dt.datetime.fromisoformat(times["anchor"])
        number = max((moment - anchor) // every, 0)
        while True:
            number += 1
            yield anchor + number * every
    for slot in CronSim(times["cron"], moment.astimezone(ZoneInfo(times["timezone"]))):
        if (utc := slot.astimezone(dt.UTC)) > moment:
            yield utc


def _latest(times: Times, since: dt.datetime, at: dt.datetime) -> dt.datetime:
    """The last slot up to `at`; `since` is one."""
    if "cron" not in times:
        every = dt.timedelta(seconds=times["every"])
        return since + (at - since) // every * every
    start = (at + _AMBIGUOUS).astimezone(ZoneInfo(times["timezone"]))
    for slot in CronSim(times["cron"], start, reverse=True):
        if (utc := slot.astimezone(dt.UTC)) <= at:
            return max(utc, since)
    return since

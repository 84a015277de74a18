"""Schedules: the right times, each once, whatever the clock and the schedulers do."""

from __future__ import annotations

import datetime as dt
import threading
import time
from functools import partial
from itertools import islice

import pytest
from django.db import connection

from automate_authoring.definitions import yaml_files
from automate_authoring.definitions.validation import find_problems
from automate_core.database import now
from automate_core.definition.document import ScheduleTrigger
from automate_core.definition.published import published_definition
from automate_core.models import Event, Schedule, Workflow
from automate_core.triggers import schedules
from automate_core.triggers.schedules import due_slots, next_fire_times, slots_after
from automate_core.worker.maintenance import MaintenanceTask, MaintenanceThread
from automate_plugins.typed_values import write_moment
from tests.support.clock import shift_clock
from tests.support.processes import wait_for

UTC = dt.UTC


def at(text):
    return dt.datetime.fromisoformat(text).replace(tzinfo=UTC)


def cron(expression, timezone="UTC", missed="once"):
    return {"cron": expression, "timezone": timezone, "missed": missed}


def slots(times, after, n):
    return [f"{slot:%m-%d %H:%M}" for slot in islice(slots_after(times, at(after)), n)]


# --- times, without a database ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "zone", "after", "expected"),
    [
        # the clock goes forward: 02:30 is not there and fires at 03:00
        ("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00", ["03-28 01:30", "03-29 01:00", "03-30 00:30"]),
        ("30 2 * * *", "America/New_York", "2026-03-07T00:00", ["03-07 07:30", "03-08 07:00", "03-09 06:30"]),
        # the clock goes back: 02:30 and 01:30 are there twice and fire once
        ("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00", ["10-25 00:30", "10-26 01:30"]),
        ("30 1 * * *", "America/New_York", "2026-10-31T12:00", ["11-01 05:30", "11-02 06:30"]),
        # asked again in the hour that comes twice, it has fired already
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T01:10", ["10-26 01:30"]),
        # every hour is every hour, on both days
        ("0 * * * *", "Europe/Berlin", "2026-10-24T23:30", ["10-25 00:00", "10-25 01:00", "10-25 02:00"]),
        ("0 * * * *", "Europe/Berlin", "2026-03-28T23:30", ["03-29 00:00", "03-29 01:00", "03-29 02:00"]),
        ("0 9 * * MON-FRI", "America/New_York", "2026-10-30T14:00", ["11-02 14:00", "11-03 14:00"]),
    ],
)
def test_cron_on_the_days_the_clock_changes(expression, zone, after, expected):
    assert slots(cron(expression, zone), after, len(expected)) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        # a star at the beginning of either field of days: both must fit
        ("0 9 */2 * MON", ["12-07", "12-21", "01-11", "01-25"]),
        ("0 9 1-7 * */2", ["12-01", "12-03", "12-05", "12-06"]),
        # without one: either suffices
        ("0 9 1,15 * MON", ["12-01", "12-07", "12-14", "12-15"]),
        ("0 9 1-31/2 * MON", ["12-01", "12-03", "12-05", "12-07", "12-09", "12-11", "12-13", "12-14"]),
        # steps begin anew with each month
        ("0 9 */15 * *", ["12-01", "12-16", "12-31", "01-01"]),
        # the last day, the last Monday to Friday, the last and the second Friday
        ("0 9 L * *", ["12-31", "01-31", "02-28"]),
        ("0 9 LW * *", ["12-31", "01-29", "02-26"]),
        ("0 9 * * 5L", ["12-25", "01-29", "02-26"]),
        ("0 9 * * FRI#2", ["12-11", "01-08", "02-12"]),
        ("0 9 L * FRI", ["12-04", "12-11", "12-18", "12-25", "12-31", "01-01"]),
    ],
)
def test_cron_days_of_the_month_and_of_the_week(expression, expected):
    found = slots(cron(expression), "2026-11-30T12:00", len(expected))
    assert found == [f"{day} 09:00" for day in expected]


@pytest.mark.parametrize("expression", ["0 9 * * FRIL", "0 9 L-3 * *", "0 9 15W * *", "0 9 ? * MON", "0 9 30 2 *"])
def test_cron_that_is_not_taken(expression):
    text = f"name: x\nslug: x\ntriggers: [{{kind: schedule, cron: '{expression}'}}]\nsteps: []"
    assert "triggers[0].cron" in [problem.path for problem in find_problems(yaml_files.read_workflow(text))]


def test_every_counts_from_its_anchor_across_the_change_of_the_clock():
    times = {"every": 5400, "anchor": "2026-10-24T22:00:00+00:00", "missed": "once"}
    assert slots(times, "2026-10-24T20:00", 3) == ["10-24 23:30", "10-25 01:00", "10-25 02:30"]
    assert slots(times, "2026-10-25T01:00", 1) == ["10-25 02:30"]


@pytest.mark.parametrize(
    ("missed", "fired"),
    [("skip", []), ("once", ["06-01 12:00"]), ("all", [f"06-01 {hour:02}:00" for hour in range(8, 13)])],
)
def test_missed_times_are_skipped_fired_once_or_all(missed, fired):
    due, following = due_slots(cron("0 * * * *", missed=missed), at("2026-06-01T08:00"), at("2026-06-01T12:40"))
    assert [f"{slot:%m-%d %H:%M}" for slot in due] == fired
    assert following == at("2026-06-01T13:00")


@pytest.mark.parametrize("missed", ["skip", "once", "all"])
def test_times_of_the_last_minute_are_on_time_for_every_policy(missed):
    times = {"every": 10, "anchor": "2026-06-01T08:00:00+00:00", "missed": missed}
    due, following = due_slots(times, at("2026-06-01T08:00:10"), at("2026-06-01T08:00:35"))
    assert [slot.second for slot in due] == [10, 20, 30]
    assert following == at("2026-06-01T08:00:40")


def test_all_missed_times_come_in_bounded_portions():
    times, since, fired = cron("* * * * *", missed="all"), at("2026-06-01T00:00"), []
    while since <= at("2026-06-01T04:00"):
        due, since = due_slots(times, since, at("2026-06-01T04:00"))
        assert len(due) <= 100
        fired += due
    assert len(fired) == len(set(fired)) == 241


def test_once_after_a_year_is_the_last_time_and_quick():
    due, _ = due_slots(cron("* * * * *", "Europe/Berlin"), at("2025-10-25T00:00"), at("2026-10-25T01:20:30"))
    assert due == [at("2026-10-25T01:20")]
    due, _ = due_slots(cron("30 2 * * *", "Europe/Berlin"), at("2026-10-20T00:30"), at("2026-10-25T01:10"))
    assert due == [at("2026-10-25T00:30")]


@pytest.mark.django_db
def test_the_preview_is_in_the_triggers_zone():
    trigger = ScheduleTrigger(cron="0 9 * * *", timezone="Europe/Berlin")
    found = next_fire_times(trigger, "UTC", n=2, after=at("2026-10-24T12:00"))
    assert [moment.isoformat() for moment in found] == ["2026-10-25T09:00:00+01:00", "2026-10-26T09:00:00+01:00"]
    every = next_fire_times(ScheduleTrigger(every="15m"), "America/New_York", n=5)
    assert len(every) == 5 and dt.timedelta(minutes=14) < every[0] - now() <= dt.timedelta(minutes=15)


# --- in the database --------------------------------------------------------------------------------------------------

TICKING = """
name: Ticking
slug: ticking
timezone: Europe/Berlin
triggers: [{{kind: schedule, key: tick, {times}}}]
steps: [{{key: note, action: data.set, inputs: {{n: {n}}}}}]
"""


@pytest.fixture
def clock():
    yield shift_clock
    shift_clock(0)


@pytest.mark.extended
@pytest.mark.django_db(transaction=True)
def test_three_schedulers_fire_each_slot_once(workflow, clock):
    workflow(TICKING.format(times="cron: '* * * * *', missed: all", n=1))  # however slow the machine is
    first = Schedule.objects.get().next_at
    barrier = threading.Barrier(3)

    def scheduler():
        try:
            for minute in range(1, 201):
                shift_clock(minute * 60)
                barrier.wait(20)
                schedules.fire_due()
        finally:
            connection.close()

    threads = [threading.Thread(target=scheduler) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    clock(200 * 60)
    schedules.fire_due()
    fired = [event.payload["scheduled_for"] for event in Event.objects.order_by("payload__scheduled_for")]
    assert len(fired) in {200, 201} and len(set(fired)) == len(fired)
    assert fired == [write_moment(first + dt.timedelta(minutes=n)) for n in range(len(fired))]


@pytest.mark.django_db(transaction=True)
def test_a_slot_is_an_event_of_the_workflow(workflow, clock):
    workflow(TICKING.format(times="cron: '0 4 * * *'", n=1))
    schedule = Schedule.objects.get()
    clock((schedule.next_at - now()).total_seconds() + 1)
    assert schedules.fire_due() > 20 * 3600
    event = Event.objects.get()
    assert (event.source, event.type) == ("schedule:ticking", "tick")
    assert event.payload == {"scheduled_for": f"{schedule.next_at:%Y-%m-%dT%H:%M:%S}.000Z", "key": "tick"}


@pytest.mark.django_db(transaction=True)
def test_two_schedules_of_a_workflow_may_fall_on_one_minute(workflow, clock):
    workflow("""
name: Twice
slug: twice
triggers: [{kind: schedule, key: a, cron: '0 4 * * *'}, {kind: schedule, key: b, cron: '0 4 * * *'}]
steps: [{key: note, action: data.set}]
""")
    clock(86_400)
    schedules.fire_due()
    assert sorted(Event.objects.values_list("type", flat=True)) == ["a", "b"]


@pytest.mark.django_db
def test_publishing_keeps_the_next_time_while_the_times_stay_the_same(workflow, clock):
    workflow(TICKING.format(times="every: 15m", n=1))
    before = Schedule.objects.get()
    clock(300)
    workflow(TICKING.format(times="every: 900, missed: all", n=2))
    after = Schedule.objects.get()
    assert (after.next_at, after.times["missed"]) == (before.next_at, "all")
    workflow(TICKING.format(times="every: 20m", n=2))
    assert Schedule.objects.get().next_at > before.next_at
    workflow(TICKING.format(times="cron: '0 4 * * *'", n=2).replace("Berlin", "Paris"))
    assert Schedule.objects.get().times == {"cron": "0 4 * * *", "timezone": "Europe/Paris", "missed": "once"}


@pytest.mark.django_db
@pytest.mark.parametrize(("status", "events"), [("paused", 1), ("archived", 0)])
def test_a_paused_workflow_keeps_its_schedule_and_an_archived_one_rests(workflow, clock, status, events):
    workflow(TICKING.format(times="every: 1h", n=1))
    Workflow.objects.update(status=status)
    clock(3 * 3600)
    schedules.fire_due()
    assert Event.objects.count() == events
    assert Schedule.objects.get().next_at > now()


@pytest.mark.django_db
def test_a_schedule_that_cannot_be_read_rests_and_harms_no_other(workflow, clock, caplog):
    workflow(TICKING.format(times="every: 1h", n=1))
    broken = Schedule.objects.get()
    Schedule.objects.create(
        workflow=broken.workflow, key="broken", times=cron("0 0 * * *", "Mars/Olympus"), next_at=broken.next_at
    )
    clock(3601)
    schedules.fire_due()
    assert Event.objects.get().type == "tick"
    assert Schedule.objects.get(key="broken").next_at is None and "Mars/Olympus" in caplog.text


@pytest.mark.django_db
def test_a_schedule_goes_with_its_trigger(workflow, owner):
    ticking = workflow(TICKING.format(times="every: 1h", n=1))
    workflow(TICKING.format(times="every: 1h", n=1).replace("kind: schedule, key: tick, every: 1h", "endpoint: github"))
    assert not ticking.schedules.exists()
    assert published_definition(Workflow.objects.get()).triggers[0].key == "webhook"


# --- maintenance ------------------------------------------------------------------------------------------------------


@pytest.fixture
def maintain():
    """Start a MaintenanceThread with the given tasks; it is stopped in the end."""
    started = []

    def start(*given):
        made = MaintenanceThread(given)
        started.append(made)
        made.start()
        return made

    yield start
    for each in started:
        each.stop()


def fail():
    raise RuntimeError("no")


@pytest.mark.django_db(transaction=True)
def test_a_task_that_raises_harms_no_other(maintain, caplog):
    done = []
    maintain(
        MaintenanceTask("bad", "true", fail),
        MaintenanceTask("idle", "false", fail),
        MaintenanceTask("good", "true", lambda: done.append(1)),
    )
    wait_for(lambda: done)
    assert "the maintenance task bad failed" in caplog.text and "idle" not in caplog.text


@pytest.mark.django_db(transaction=True)
def test_tasks_run_again_when_they_ask_or_are_woken(maintain):
    done = []
    maintain(MaintenanceTask("again", "true", lambda: done.append(1) or (0.05 if len(done) < 4 else None)))
    wait_for(lambda: len(done) >= 4)
    slow = []
    woken = maintain(MaintenanceTask("slow", "true", lambda: slow.append(1)))
    wait_for(lambda: len(slow) == 1)
    woken.wake()
    wait_for(lambda: len(slow) == 2)


@pytest.mark.django_db(transaction=True)
def test_a_chore_that_rests_is_left_alone_meanwhile():
    done = []
    long, short = (
        MaintenanceTask(name, "true", partial(done.append, name), rest) for name, rest in (("l", 600), ("s", 0.01))
    )
    both, alone = MaintenanceThread((long, short)), MaintenanceThread((long,))
    for each in (both, both, alone, alone):
        each.run_due()
        time.sleep(0.02)
    assert done == ["l", "s", "s", "l"]


@pytest.mark.django_db(transaction=True)
def test_tasks_survive_the_loss_of_their_connection(maintain):
    pids = []

    def note():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            pids.append(cursor.fetchone()[0])

    looking = maintain(MaintenanceTask("note", "true", note))
    wait_for(lambda: pids)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [pids[0]])
    looking.wake()
    wait_for(lambda: looking.wake() or pids[-1] != pids[0])

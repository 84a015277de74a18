"""What follows an event and the end of a run is the same, whoever wrote it: ids, lanes, priorities, and times."""

from __future__ import annotations

import datetime as dt
import io
import uuid

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from automate_core.events.scope import event_scope
from automate_core.ids import uuid7, uuid7_time
from automate_core.models import EndedRun, Event, ExecutionRun, OutboxJob, SearchTerm, StepRun, Wait
from automate_core.outbox.store import OutboxStore
from automate_core.runs import control
from automate_operations import dead_jobs
from tests.support.walks import Slow

pytestmark = pytest.mark.django_db(transaction=True)

ENDS = ("succeeded", "failed", "cancelled", "died")


@pytest.fixture
def flow(publish):
    """A workflow that ends as its event says, with an alarm of priority 5 at each end."""
    publish("""
  - kind: branch
    key: way
    arms:
      - key: fails
        when: {'==': [{var: event.payload.to}, failed]}
        steps: [{kind: stop, key: stop, outcome: failed, message: no}]
      - key: waits
        when: {in: [{var: event.payload.to}, [cancelled, died]]}
        steps: [{kind: wait, key: nap, duration: 1h}]
""")
    publish(
        "  - {key: a, action: data.set}",
        slug="alarm",
        head="priority: 5",
        triggers="[{kind: run, workflow: flow, on: ended}]",
    )


def end(how, deliver, drain, owner):
    """A run that ended that way, with what told of it, which waits to be matched."""
    deliver({"to": how})
    drain_once()
    run = ExecutionRun.objects.get(workflow__slug="flow")
    if how == "cancelled":
        control.cancel(run, by=owner)
    elif how == "died":
        die()
    run.refresh_from_db()
    assert run.status == {"died": "failed"}.get(how, how)
    return run, Event.objects.get(source="run:flow")


def drain_once():
    """The jobs that are ready now, with their effects, and none of those that come of them."""
    worker = Slow()
    worker.begin()
    worker.perform()


def die():
    """Whoever waits is woken, and the worker that takes it never comes back."""
    Wait.objects.filter(status="open").update(due_at=timezone.now() - dt.timedelta(hours=1))
    OutboxStore().wake_due()
    OutboxStore(worker="w").claim_batch(1)
    give_up()


def give_up():
    """The lease of a job that was tried too often runs out."""
    OutboxJob.objects.filter(status="leased").update(attempts=99, lease_until=timezone.now() - dt.timedelta(seconds=1))
    OutboxStore().rescue()


def lane_of(event):
    with connection.cursor() as cursor:
        cursor.execute("SELECT abs(hashtext(%s || ' ' || %s) %% 1024)", [event.source, event.type])
        return cursor.fetchone()[0]


def _without_text(error):
    """An error as events carry it."""
    return error and {name: value for name, value in error.items() if name != "text"}


@pytest.mark.matrix
@pytest.mark.parametrize("how", ENDS)
def test_the_end_of_a_run_is_told_in_one_way(flow, deliver, drain, owner, how):
    run, event = end(how, deliver, drain, owner)
    assert (event.type, event.delivery_key, event.trace_id) == (run.status, str(run.pk), run.trace_id)
    assert event.payload == {
        "run": str(run.pk),
        "workflow": "flow",
        "status": run.status,
        "error": _without_text(run.error),
    }
    assert event.headers == {"automate-depth": "1"}
    assert event.pk.version == 7 and abs(uuid7_time(event.pk) - event.received_at) < dt.timedelta(minutes=1)
    job = OutboxJob.objects.get(event=event)
    assert (job.kind, job.status, job.priority, job.lane) == ("dispatch", "ready", -5, lane_of(event))
    assert EndedRun.objects.filter(run=run).count() == 1
    assert not Wait.objects.filter(run=run, status="open").exists()
    assert not StepRun.objects.filter(run=run, status__in=["running", "waiting"]).exists()
    drain()
    assert ExecutionRun.objects.get(workflow__slug="alarm").status == "succeeded"


def test_a_call_has_the_priority_of_what_it_starts(publish, deliver):
    publish("  - {key: a, action: data.set}", slug="other", triggers="[]", head="priority: 7")
    publish("  - {kind: workflow, key: child, workflow: other}")
    deliver()
    drain_once()
    event = Event.objects.get(source="call:other")
    job = OutboxJob.objects.get(event=event)
    assert (job.priority, job.lane, event.pk.version) == (-7, lane_of(event), 7)


def test_a_delivery_has_the_priority_of_what_takes_its_type(publish, deliver):
    publish("  - {key: a, action: data.set}", head="priority: 3", triggers="[{endpoint: github, event: push}]")
    publish("  - {key: a, action: data.set}", slug="all")
    for kind in ("push", "issues"):
        deliver(event=kind)
    assert dict(OutboxJob.objects.values_list("event__type", "priority")) == {"push": -3, "issues": 0}


@pytest.mark.extended
@pytest.mark.parametrize("died", [True, False])
def test_all_ids_are_in_the_order_of_time(flow, publish, deliver, drain, owner, died):
    """What is newest, what is let go and what comes later is known by the id, of events and of everything beside."""
    publish("  - {kind: workflow, key: child, workflow: flow}", slug="caller", triggers="[{kind: manual}]")
    end("died" if died else "cancelled", deliver, drain, owner)
    drain()
    deliver({"to": "succeeded"})
    drain()
    assert Event.objects.latest("id").type == "succeeded" and Event.objects.earliest("id").source == "webhook:github"
    for model in (Event, OutboxJob, ExecutionRun, StepRun, Wait):
        assert {pk.version for pk in model.objects.values_list("pk", flat=True)} <= {7}, model


@pytest.mark.extended
def test_the_end_of_a_run_that_died_is_let_go_in_time(flow, deliver, drain, owner):
    _, event = end("died", deliver, drain, owner)
    drain()
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('automate.clock_shift', '400 days', false)")
    try:
        call_command("automate_prune", stdout=io.StringIO())
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('automate.clock_shift', '', false)")
    assert not Event.objects.filter(pk=event.pk).exists()


@pytest.mark.extended
def test_a_dead_job_of_a_call_is_replayed_once(publish, deliver, admin):
    """The one that was dead had an id of its own kind: the newer job was not seen to be newer."""
    publish("  - {key: a, action: data.set}", slug="other", triggers="[]", head="priority: 7")
    for n in range(8):
        publish("  - {kind: workflow, key: child, workflow: other, wait: false}", slug=f"caller{n}")
    deliver()
    drain_once()
    drain_once()
    calls = OutboxJob.objects.filter(event__source="call:other", status="ready")
    assert calls.count() == 8
    OutboxStore(worker="w").claim_batch(8)
    give_up()
    for job in dead_jobs.requeueable_jobs():
        again = dead_jobs.requeue_job(job, admin)
        assert (again.status, again.priority, again.lane) == ("ready", -7, lane_of(job.event))
    assert not dead_jobs.requeueable_jobs().exists()
    for job in OutboxJob.objects.filter(status="dead"):
        with pytest.raises(control.ControlError, match="was already requeued"):
            dead_jobs.requeue_job(job, admin)


# --- one format of times ----------------------------------------------------------------------------------------------


def test_the_time_of_an_event_is_the_same_for_all(publish, run, owner, sign_in):
    """For the run, for the key of a limit, for a search term, for a re-run, and for the preview in the builder."""
    publish(
        "  - {key: a, action: data.set, inputs: {at: '{{ event.time }}'}}",
        head="concurrency: {limit: 5, key: '{{ event.time }}'}\nsearch_terms: {at: event.time}",
    )
    done = run()
    time = event_scope(done.event)["time"]
    assert time.endswith("Z") and dt.datetime.fromisoformat(time) == done.event.received_at
    again = control.rerun(done, by=owner, start="start")
    assert done.steps.get().output["at"] == time
    assert {done.slot_key, again.slot_key} == {time}
    assert list(SearchTerm.objects.values_list("value", flat=True)) == [time] * 2


# --- ids in SQL --------------------------------------------------------------------------------------------------------


def test_ids_of_sql_and_of_python_are_of_one_kind():
    """In the order of time among each other, with the time that they were asked for."""
    made = []
    with connection.cursor() as cursor:
        for _ in range(50):
            cursor.execute("SELECT automate_uuid7()")
            made += [cursor.fetchone()[0], uuid7()]
        cursor.execute("SELECT automate_uuid7('2001-02-03T04:05:06.789123Z')")
        [dated] = cursor.fetchone()
    assert made == sorted(made) and len(set(made)) == 100
    assert {(each.version, each.variant) for each in [*made, dated]} == {(7, uuid.RFC_4122)}
    assert uuid7_time(dated) == dt.datetime(2001, 2, 3, 4, 5, 6, 789000, dt.UTC)

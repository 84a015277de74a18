"""What is let go, when, and what never is: by the command and by the worker, beside runs that go on."""

from __future__ import annotations

import io
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.urls import reverse
from guardian.shortcuts import assign_perm

from automate_authoring.test_runs import start
from automate_authoring.test_runs.start import Request
from automate_core.models import Event, ExecutionRun, OutboxJob, Pruning, StepRun, TraceExport, Wait, WorkflowVersion
from automate_core.runs import control
from automate_governance.models import AuditEntry
from automate_operations.retention import pinning, policy
from automate_operations.retention.pruning import Pruner
from tests.support.processes import process, wait_for
from tests.support.walks import settle

pytestmark = pytest.mark.django_db(transaction=True)

LOGS = "[{key: note, action: data.log, inputs: {message: hello}}]"
CALLER = """
name: Caller
slug: caller
triggers: [{endpoint: github, filter: {'==': [{var: event.payload.kind}, call]}}]
steps:
  - kind: parallel
    key: both
    arms:
      - {key: quick, steps: [{kind: workflow, key: child, workflow: child}]}
      - {key: slow, steps: [{kind: wait, key: pause, callback: true, timeout: 300d}]}
"""
# What belongs to a run or an event that is not there, and what was deleted though it had not ended.
ORPHANS = """
SELECT (SELECT count(*) FROM automate_core_{0} WHERE NOT EXISTS (
    SELECT FROM automate_core_executionrun run WHERE run.id = run_id))"""
WATCH = """
CREATE TABLE deleted_alive (id uuid);
CREATE FUNCTION watch_deletes() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF OLD.status IN ('queued', 'running', 'waiting') OR OLD.kept_at IS NOT NULL OR EXISTS (
        SELECT FROM automate_core_executionrun run WHERE OLD.id IN (run.parent_id, run.retried_from_id)
            AND run.status IN ('queued', 'running', 'waiting'))
    THEN INSERT INTO deleted_alive VALUES (OLD.id); END IF;
    RETURN OLD;
END $$;
CREATE TRIGGER watch_deletes BEFORE DELETE ON automate_core_executionrun
    FOR EACH ROW EXECUTE FUNCTION watch_deletes();
"""
UNWATCH = (
    "DROP TRIGGER watch_deletes ON automate_core_executionrun; DROP FUNCTION watch_deletes; DROP TABLE deleted_alive"
)


@pytest.fixture(autouse=True)
def files(settings, tmp_path):
    """No files but a test's own: what others left is not counted."""
    options = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": tmp_path / "files"}}
    settings.STORAGES = {**settings.STORAGES, "automate": options}


@pytest.fixture
def later(sessions_end):
    """Let so many days pass, for this process and those that it starts."""
    name = connection.settings_dict["NAME"]

    def shift(days):
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER DATABASE \"{name}\" SET automate.clock_shift = '{days} days'")
            cursor.execute("SELECT set_config('automate.clock_shift', %s, false)", [f"{days} days"])

    yield shift
    with connection.cursor() as cursor:
        cursor.execute(f'ALTER DATABASE "{name}" RESET automate.clock_shift')
        cursor.execute("SELECT set_config('automate.clock_shift', '', false)")


@pytest.fixture
def watched():
    """Give what was deleted though it had not ended, was kept, or was needed by what goes on."""
    with connection.cursor() as cursor:
        cursor.execute(WATCH)

    def found():
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM deleted_alive")
            return cursor.fetchone()[0]

    yield found
    with connection.cursor() as cursor:
        cursor.execute(UNWATCH)


def prune(*flags):
    said = io.StringIO()
    call_command("automate_prune", *flags, stdout=said, stderr=io.StringIO())
    return said.getvalue().strip()


def _prune_in_a_thread(*flags):
    try:
        return prune(*flags)
    finally:
        connections.close_all()


def orphans():
    tables = ("steprun", "runlog", "wait", "foreseeneffect", "searchterm")
    with connection.cursor() as cursor:
        return {table: count for table in tables if (count := cursor.execute(ORPHANS.format(table)).fetchone()[0])}


@pytest.mark.extended
def test_what_is_over_goes_and_what_it_is_needed_for_stays(workflow, deliver, drain, owner, later, watched, settings):
    settings.AUTOMATE_DELIVERY_KEY_DAYS = 60
    flow = workflow(
        f"name: Flow\nslug: flow\ntriggers: [{{endpoint: github, event: issues}}]\nretention: {{failed: 0}}\n"
        f"search_terms: {{kind: event.payload.kind}}\nsteps: {LOGS}"
    )
    workflow("name: Child\nslug: child\nsteps: [{key: one, action: data.set, inputs: {n: 1}}]")
    workflow(CALLER)
    traced = deliver(delivery="first").json()["trace_id"]
    for kind in ("kept", "retried", "failing"):
        deliver({"kind": kind}, delivery=kind)
    deliver({"kind": "call"}, event="push", delivery="call")
    deliver(event="push", delivery="nothing")
    settle(drain)
    first, kept, retried, failing = flow.runs.order_by("id")
    ExecutionRun.objects.filter(pk=failing.pk).update(status="failed", error={"code": "e", "message": "m"})
    dead = OutboxJob.objects.filter(run=failing).get()
    OutboxJob.objects.filter(pk=dead.pk).update(status="dead")
    pinning.pin_run(kept, by=owner)
    again = control.rerun(retried, by=owner, start="start")
    start.start_test(flow, Request(mode="dry", scope="whole"), by=owner)
    settle(drain)
    ExecutionRun.objects.filter(pk=again.pk).update(status="waiting", finished_at=None)
    caller = ExecutionRun.objects.get(workflow__slug="caller")
    child = ExecutionRun.objects.get(parent=caller)
    assert (caller.status, child.status) == ("waiting", "succeeded")
    for each in (kept, failing):
        each.refresh_from_db()
    assert pinning.expires_at(first) and not pinning.expires_at(kept) and not pinning.expires_at(failing)

    assert prune() == "Deleted nothing."
    later(31)
    audited = AuditEntry.objects.count()
    assert prune("--dry-run") == "Would delete 2 runs, 2 attempts, 2 event payloads and 7 jobs."
    before = ExecutionRun.objects.count()
    assert prune() == "Deleted 2 runs, 2 attempts, 2 log lines, 2 event payloads and 7 jobs.", "one run is a test"
    assert ExecutionRun.objects.count() == before - 2 and AuditEntry.objects.count() == audited + 1
    assert not WorkflowVersion.snapshots.filter(test__isnull=False).exists()
    there = set(ExecutionRun.objects.values_list("pk", flat=True))
    assert there == {kept.pk, retried.pk, failing.pk, again.pk, caller.pk, child.pk}
    assert not orphans() and not watched()
    assert OutboxJob.objects.filter(pk=dead.pk).exists(), "a person has yet to decide"

    # the first delivery is remembered, though nothing of it is left; it starts nothing again
    event = Event.objects.get(delivery_key="first")
    assert (event.payload, event.headers, event.subject, bool(event.emptied_at)) == (None, {}, "", True)
    assert deliver(delivery="first").json()["trace_id"] == traced
    settle(drain)
    assert set(ExecutionRun.objects.values_list("pk", flat=True)) == there

    # what went on ends, and goes with what it needed
    with connection.cursor() as cursor:
        cursor.execute("SELECT status FROM automate_core_wait WHERE kind = 'child'")
        assert cursor.fetchone() == ("resolved",)
    control.cancel(caller, by=owner)
    ExecutionRun.objects.filter(pk=again.pk).update(status="succeeded", finished_at=retried.finished_at)
    pinning.unpin_run(kept, by=owner)
    later(62)
    assert "emptied" not in prune()
    assert set(ExecutionRun.objects.values_list("pk", flat=True)) == {failing.pk}, "the workflow keeps it for ever"
    assert list(Event.objects.values_list("delivery_key", flat=True)) == ["failing"]
    assert not orphans() and not watched() and not Wait.objects.exists()
    assert StepRun.objects.filter(run=failing).count() == 1
    with pytest.raises(control.ControlError, match="was deleted"):
        control.rerun(first, by=owner)


def test_a_run_whose_trace_is_not_exported_is_deleted_all_the_same(workflow, deliver, drain, later):
    workflow("{name: A, slug: a, triggers: [{endpoint: github}], steps: [{key: a, action: data.set, inputs: {n: 1}}]}")
    deliver()
    drain()
    TraceExport.objects.create(run=ExecutionRun.objects.get())
    later(40)
    prune()
    assert (ExecutionRun.objects.count(), TraceExport.objects.count()) == (0, 0)


@pytest.mark.extended
def test_keeping_a_run_is_for_those_who_may_run_it(workflow, deliver, drain, owner, colleague, stranger, sign_in):
    flow = workflow(f"name: Flow\nslug: flow\ntriggers: [{{endpoint: github}}]\nsteps: {LOGS}")
    deliver()
    drain()
    run = flow.runs.get()
    assign_perm("view_workflow", colleague, flow)
    address, page = (
        reverse(name, args=[run.pk]) for name in ("studio:run_pin", "admin:automate_core_executionrun_change")
    )
    assert sign_in(stranger).post(address, {"keep": "1"}).status_code == 404
    assert sign_in(colleague).post(address, {"keep": "1"}).status_code == 403
    browser = sign_in(owner)
    assert "Deletion" in browser.get(page).content.decode()
    for keep in ("1", "1", ""):
        assert browser.post(address, {"keep": keep}).status_code == 303
        assert ("Unpin run" in browser.get(page).content.decode()) is bool(keep)
    done = AuditEntry.objects.filter(verb__startswith="run.").exclude(verb="run.payload_viewed").order_by("at")
    assert list(done.values_list("verb", flat=True)) == ["run.kept", "run.released"]


def test_the_policy_is_the_sites_and_a_workflows_own_once_published(workflow, admin, settings):
    settings.AUTOMATE_RETENTION_DAYS = {"failed": 10}
    head = "name: Flow\nslug: flow\ntriggers: [{endpoint: github}]\n"
    flow = workflow(f"{head}retention: {{succeeded: 3, tests: 0}}\nsteps: {LOGS}")
    own = policy.load_policy()
    assert [own.days(flow.pk, state) for state in policy.RUN_STATES] == [3, 10, 30, 0]
    workflow(f"{head}retention: {{succeeded: 5}}\nsteps: {LOGS}", publish=False)
    assert policy.load_policy().days(flow.pk, "succeeded") == 3, "the draft says nothing yet"
    policy.change_policy({"succeeded": 7, "failed": None, "cancelled": 0, "tests": None, "unmatched": None}, by=admin)
    assert policy.load_policy().site == {"succeeded": 7, "failed": 10, "cancelled": 0, "tests": 14, "unmatched": 30}
    assert AuditEntry.objects.get(verb="retention.changed").changes == {"succeeded": [30, 7], "cancelled": [30, 0]}
    assert (own.shortest("succeeded"), policy.load_policy().shortest("cancelled")) == (3, None)


# Two thousand runs that have ended, and as many that wait: copies of one that was really made.
MANY = """
INSERT INTO automate_core_executionrun
SELECT copy.* FROM generate_series(1, 4000) AS n, automate_core_executionrun run
CROSS JOIN LATERAL jsonb_populate_record(run, jsonb_build_object('id', gen_random_uuid(), 'event_id', gen_random_uuid(),
    'status', CASE WHEN n % 2 = 0 THEN 'waiting' ELSE 'succeeded' END)) AS copy;
UPDATE automate_core_executionrun SET id = overlay(id::text PLACING '01900000-0000' FROM 1 FOR 13)::uuid
WHERE event_id NOT IN (SELECT id FROM automate_core_event);
INSERT INTO automate_core_steprun
SELECT copy.* FROM automate_core_executionrun run, automate_core_steprun step
CROSS JOIN LATERAL jsonb_populate_record(step, jsonb_build_object('id', gen_random_uuid(), 'run_id', run.id)) AS copy
WHERE run.id <> step.run_id;
"""


@pytest.mark.extended
def test_four_at_once_beside_a_worker_and_one_that_is_interrupted(
    workflow, deliver, drain, later, watched, manage, environment, working
):
    flow = workflow(f"name: Flow\nslug: flow\ntriggers: [{{endpoint: github}}]\nsteps: {LOGS}")
    deliver()
    drain()
    with connection.cursor() as cursor:
        cursor.execute(MANY)
    later(40)
    slowly = process([*manage, "automate_prune", "--share", "1"], environment)
    with slowly as first:
        wait_for(lambda: Pruning.objects.filter(counts__runs__gt=0).exists())
        first.send_signal(signal.SIGINT)
        assert first.wait(60) == 130
        assert "Interrupted after" in first.stderr.read()
    standing = Pruning.objects.get()
    assert standing.ended_at is None and 0 < standing.counts["runs"] < 2_001, "it ends between two batches"

    scopes = [(), (), ("--workflow", "flow"), ("--workflow", "flow")]
    working()
    with ThreadPoolExecutor(4) as pool:
        said = [pool.submit(_prune_in_a_thread, *flags) for flags in scopes]
        for number in range(20):
            deliver({"n": number})
        assert all(each.result(120).startswith("Deleted") for each in said)
    wait_for(lambda: flow.runs.filter(status="succeeded").count() == 20)
    assert flow.runs.filter(status="waiting").count() == 2_000
    assert StepRun.objects.count() == 2_020 and not orphans() and not watched()
    assert sum(each.counts["runs"] for each in Pruning.objects.all() if "runs" in each.counts) == 2_001
    assert Pruning.objects.filter(ended_at=None).count() == 0


@pytest.mark.extended
def test_a_worker_prunes_now_and_then_and_little_at_a_time(workflow, deliver, drain, later, settings, monkeypatch):
    monkeypatch.setattr(Pruner, "AT_ONCE_SECONDS", 0.0)
    flow = workflow(f"name: Flow\nslug: flow\ntriggers: [{{endpoint: github}}]\nsteps: {LOGS}")
    deliver()
    drain()
    later(40)
    assert Pruner().run_once() is None and flow.runs.count() == 1
    settings.AUTOMATE_PRUNE_HOURS = 6
    with connection.cursor() as cursor:
        cursor.execute(MANY)
    pruner, turns = Pruner(), []
    while (rest := pruner.run_once()) is not None and len(turns) < 100:
        turns.append(rest)
        assert pruner.run_once() > 0, "it rests"
        time.sleep(rest)
    assert turns and set(flow.runs.values_list("status", flat=True)) == {"waiting"}
    done = Pruning.objects.get()
    assert done.by == "worker" and done.ended_at and done.counts["runs"] == 2_001
    deliver()
    drain()
    assert Pruner().run_once() is None and Pruning.objects.count() == 1, "not again within the hours"


def test_what_cannot_be_pruned_is_said(workflow):
    for flags, words in ((("--workflow", "nothing"), "no workflow"), (("--share", "0"), "1 to 100")):
        with pytest.raises(CommandError, match=words) as refused:
            prune(*flags)
        assert refused.value.returncode == 2

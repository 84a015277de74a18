"""Cancelling, running again, pausing and replaying: what changes, what never does, and who may."""

from __future__ import annotations

import contextlib
import threading
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection, connections
from django.utils import timezone
from guardian.shortcuts import assign_perm

from automate_authoring import pausing
from automate_core.models import ExecutionRun, OutboxJob, StepRun, Wait, Workflow
from automate_core.runs import control
from automate_governance.models import AuditEntry
from automate_governance.permissions import NotPermittedError
from automate_operations import dead_jobs
from tests.support.events import came_to

pytestmark = pytest.mark.django_db(transaction=True)

STEPS = """
name: Steps
slug: steps
triggers: [{endpoint: github}]
steps:
  - {key: first, action: data.set, inputs: {n: 1}}
  - kind: branch
    key: route
    arms: [{key: yes_please, when: {'==': [1, 1]}, steps: [{key: inner, action: data.set, inputs: {n: 2}}]}]
  - {key: last, action: data.set, inputs: {n: 3}}
"""


@pytest.fixture
def made(workflow):
    return workflow(STEPS)


@pytest.fixture
def run(made):
    return _run(made)


def _run(made, status="waiting", **values):
    return ExecutionRun.objects.create(
        workflow=made, version=made.published, status=status, trace_id="1" * 32, cause="retry", **values
    )


def _step(run, path, status, output=None, **values):
    return StepRun.objects.create(
        run=run,
        path=path,
        status=status,
        output=output,
        idempotency_key=f"k-{path}",
        started_at=timezone.now(),
        **values,
    )


def _job(run, status="ready", **values):
    return OutboxJob.objects.create(kind="advance", run=run, status=status, **values)


def _leased(run, seconds):
    return _job(run, "leased", token=1, worker="w", lease_until=timezone.now() + timedelta(seconds=seconds))


# --- cancel -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["queued", "running", "waiting"])
def test_cancelling_withdraws_everything_that_was_to_come(run, owner, status):
    ExecutionRun.objects.update(status=status)
    job = _job(run)
    timer = Wait.objects.create(run=run, path="first", kind="retry", due_at=timezone.now())
    parked = _step(run, "first", "waiting")
    control.cancel(run, by=owner, reason="wrong customer")
    for row in (run, job, timer, parked):
        row.refresh_from_db()
    assert (run.status, run.error, run.seq) == (
        "cancelled",
        {"code": "cancelled", "message": "Cancelled by owner: wrong customer", "text": run.error["text"]},
        1,
    )
    assert run.finished_at is not None
    assert (job.status, timer.status, parked.status) == ("completed", "cancelled", "cancelled")
    assert timer.seq == parked.seq == run.seq
    entry = AuditEntry.objects.get(verb="run.cancelled")
    assert (entry.actor, entry.changes, entry.trace_id) == ("owner", {"reason": "wrong customer"}, run.trace_id)


def test_an_attempt_that_a_worker_holds_is_left_to_it(run, owner):
    job = _leased(run, 60)
    action, container = _step(run, "first", "running"), _step(run, "route", "running")
    control.cancel(run, by=owner)
    for row in (job, action, container):
        row.refresh_from_db()
    assert (job.status, action.status, container.status) == ("leased", "running", "cancelled")


def test_an_attempt_that_nobody_holds_any_more_is_cancelled(run, owner):
    _leased(run, -1)
    action = _step(run, "first", "running")
    control.cancel(run, by=owner)
    action.refresh_from_db()
    assert action.status == "cancelled"


@pytest.mark.parametrize("status", ["succeeded", "failed", "cancelled"])
def test_what_has_ended_stays_as_it_is(run, owner, status):
    ExecutionRun.objects.update(status=status)
    with pytest.raises(control.EndedError, match=rf"has already ended \({status}\)"):
        control.cancel(run, by=owner)
    assert not AuditEntry.objects.filter(verb="run.cancelled").exists()


def test_cancelling_takes_the_permission_to_run(run, colleague):
    assign_perm("view_workflow", colleague, run.workflow)
    with pytest.raises(NotPermittedError):
        control.cancel(run, by=colleague)
    assign_perm("run_workflow", colleague, run.workflow)
    control.cancel(run, by=colleague)


def test_runs_that_it_waits_for_are_cancelled_with_it(run, made, owner):
    Wait.objects.create(run=run, path="call", kind="child")
    child = _run(made, parent=run, parent_path="call", depth=1)
    Wait.objects.create(run=child, path="deeper", kind="child")
    grandchild = _run(made, "queued", parent=child, parent_path="deeper", depth=2)
    independent = _run(made, parent=run, parent_path="fire_and_forget", depth=1)
    control.cancel(run, by=owner)
    states = [ExecutionRun.objects.get(pk=each.pk).status for each in (child, grandchild, independent)]
    assert states == ["cancelled", "cancelled", "waiting"]


def test_the_run_that_waits_for_a_cancelled_one_goes_on(run, made, owner):
    asked = Wait.objects.create(run=run, path="call", kind="child")
    child = _run(made, parent=run, parent_path="call", depth=1)
    control.cancel(child, by=owner)
    asked.refresh_from_db()
    run.refresh_from_db()
    assert (run.status, run.wakes, asked.status) == ("waiting", 1, "resolved")
    assert (asked.outcome["run"], asked.outcome["status"]) == (str(child.pk), "cancelled")
    assert OutboxJob.objects.get().run_id == run.pk


def test_parents_and_children_cancelled_at_once_do_not_block_each_other(made, owner):
    parents = [_run(made) for _ in range(10)]
    children = []
    for parent in parents:
        Wait.objects.create(run=parent, path="call", kind="child")
        children.append(_run(made, parent=parent, parent_path="call", depth=1))
    failures = []

    def act(runs):
        try:
            for each in runs:
                with contextlib.suppress(control.EndedError):
                    control.cancel(each, by=owner)
        except Exception as error:  # noqa: BLE001 - the test looks at it
            failures.append(error)
        finally:
            connections.close_all()

    threads = [
        threading.Thread(target=act, args=(runs,)) for runs in (parents, children, children[::-1], parents[::-1])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert set(ExecutionRun.objects.values_list("status", flat=True)) == {"cancelled"}


SLOW = """
name: Slow
slug: slow
triggers: [{{endpoint: github}}]
steps:
  - {{key: slow, action: http.request, inputs: {{method: POST, url: '{0}/slow'}}}}
  - {{key: never, action: http.request, inputs: {{method: POST, url: '{0}/never'}}}}
"""


def test_a_worker_records_what_it_was_doing_and_begins_nothing_more(workflow, deliver, drain, sink, owner):
    begun, go_on = threading.Event(), threading.Event()

    def slow(number, path):
        begun.set()
        go_on.wait(90)
        return 200, {"ok": True}, {}

    sink.answer = slow
    workflow(SLOW.format(sink.url))
    deliver()
    worker = threading.Thread(target=drain)
    worker.start()
    assert begun.wait(60)
    control.cancel(ExecutionRun.objects.get(), by=owner)
    worker.join(60)
    assert not worker.is_alive(), "the call is broken off"
    go_on.set()
    assert [path for path, *_ in sink.calls] == ["/slow"]
    step = StepRun.objects.get()
    assert (step.status, step.error["code"]) == ("failed", "cancelled")
    assert ExecutionRun.objects.get().status == "cancelled"
    assert set(OutboxJob.objects.values_list("status", flat=True)) == {"completed"}


def test_the_end_of_a_cancelled_run_starts_who_waits_for_ends(workflow, drain, run, owner):
    workflow(
        "{name: After, slug: after, triggers: [{kind: run, workflow: steps}],"
        " steps: [{key: a, action: data.set, inputs: {s: '{{ event.payload.status }}'}}]}"
    )
    control.cancel(run, by=owner)
    drain()
    assert StepRun.objects.get(run__workflow__slug="after").output == {"s": "cancelled"}


# --- run again --------------------------------------------------------------------------------------------------------


@pytest.fixture
def failed(made):
    event = came_to("github", type="issues", payload={"n": 1}, trace_id="1" * 32)
    run = _run(made, "failed", event=event, error={"code": "x", "message": "no", "step": "inner"})
    _step(run, "first", "succeeded", {"n": 1})
    _step(run, "route", "failed", {"route": "yes_please"})
    _step(run, "route/inner", "failed")
    _step(run, "route/inner", "failed", attempt=2)
    return run


def _copied(run):
    return list(StepRun.objects.filter(run=run).order_by("path").values_list("path", "attempt", "status", "output"))


def test_from_the_failed_step_what_came_before_is_taken_over(failed, owner):
    again = control.rerun(failed, by=owner)
    assert (again.cause, again.status, again.retried_from, again.trace_id) == (
        "retry",
        "queued",
        failed,
        failed.trace_id,
    )
    assert (again.event, again.version) == (failed.event, failed.version)
    assert _copied(again) == [
        ("first", 1, "succeeded", {"n": 1}),
        ("route", 1, "running", {"route": "yes_please"}),
    ]
    job = OutboxJob.objects.get()
    assert (job.kind, job.status, job.run_id, job.event_id) == ("advance", "ready", again.pk, failed.event_id)
    entry = AuditEntry.objects.get(verb="run.retried")
    assert entry.changes == {"run": str(again.pk), "start": "failed", "version": "v1", "edited": False}
    failed.refresh_from_db()
    assert failed.status == "failed"


def test_from_the_start_nothing_is_taken_over(failed, owner):
    assert _copied(control.rerun(failed, by=owner, start="start")) == []


def test_from_a_chosen_step(failed, owner):
    assert [path for path, *_ in _copied(control.rerun(failed, by=owner, start="route"))] == ["first"]
    assert _copied(control.rerun(failed, by=owner, start="first")) == []


def test_a_step_that_was_never_reached_or_is_gone_is_refused_with_those_that_are_there(failed, made, owner, workflow):
    with pytest.raises(control.NoSuchStepError) as refused:
        control.rerun(failed, by=owner, start="last")
    assert refused.value.paths == ["first", "route", "route/inner"]
    workflow(STEPS.replace("key: inner", "key: other"))
    with pytest.raises(control.NoSuchStepError) as refused:
        control.rerun(ExecutionRun.objects.get(), by=owner, version="newest")
    assert refused.value.paths == ["first", "route"]
    assert "A re-run can start from: first, route." in str(refused.value)


def test_on_the_newest_version_a_route_leads_to_where_the_step_is_now(failed, owner, workflow):
    workflow(
        STEPS.replace("yes_please", "sure").replace("key: first", "key: added, action: data.set}\n  - {key: first")
    )
    again = control.rerun(ExecutionRun.objects.get(), by=owner, version="newest")
    assert str(again.version) == "v2"
    assert _copied(again) == [("first", 1, "succeeded", {"n": 1}), ("route", 1, "running", {"route": "sure"})]


def test_with_another_payload_there_is_another_event_that_starts_nothing_else(failed, owner):
    again = control.rerun(failed, by=owner, start="start", payload={"n": 2})
    assert (again.event.source, again.event.payload) == (f"retry:{failed.pk}", {"n": 2})
    assert (again.event.type, again.event.trace_id) == ("issues", failed.trace_id)
    assert list(OutboxJob.objects.values_list("kind", "event")) == [("advance", again.event_id)]


def test_only_what_has_ended_is_run_again_and_only_by_who_may(run, failed, owner, colleague):
    with pytest.raises(control.NotEndedError):
        control.rerun(run, by=owner)
    assign_perm("view_workflow", colleague, failed.workflow)
    with pytest.raises(NotPermittedError):
        control.rerun(failed, by=colleague)
    ExecutionRun.objects.update(status="succeeded")
    failed.refresh_from_db()
    with pytest.raises(control.ControlError, match="did not fail"):
        control.rerun(failed, by=owner)


def test_a_run_that_never_came_to_a_step_starts_at_the_start(made, owner):
    dead = _run(made, "failed", error={"code": "job_dead", "message": "given up"})
    assert _copied(control.rerun(dead, by=owner)) == []


def test_many_at_once_say_how_many_and_why_not(failed, made, owner):
    well = _run(made, "succeeded")
    going_on = _run(made)
    runs = ExecutionRun.objects.all()
    assert control.rerun_many(runs, owner, dry_run=True).done == 2
    assert ExecutionRun.objects.count() == 3
    done = control.rerun_many(runs, owner)
    assert done.done == 1 and done.refused == {
        str(well.pk): f"The run {well} did not fail. Choose a step to start from, or the beginning."
    }
    assert control.cancel_many(runs, owner, dry_run=True).done == 2
    assert control.cancel_many(runs, owner).done == 2
    going_on.refresh_from_db()
    assert going_on.status == "cancelled"


# --- pause ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def backlog(made, owner):
    pausing.pause(made, owner)
    runs = [_run(made) for _ in range(3)]
    for each in runs:
        Wait.objects.create(run=each, path="", kind="paused")
    return runs


def test_resuming_runs_what_came_meanwhile(made, backlog, owner):
    pausing.resume(made, owner)
    made.refresh_from_db()
    assert made.status == "active"
    assert set(ExecutionRun.objects.values_list("status", "wakes")) == {("waiting", 1)}
    assert OutboxJob.objects.filter(status="ready").count() == 3
    assert set(Wait.objects.values_list("status", flat=True)) == {"resolved"}
    verbs = ["workflow.paused", "workflow.resumed"]
    assert list(AuditEntry.objects.filter(verb__in=verbs).order_by("id").values_list("verb", flat=True)) == verbs


def test_resuming_may_discard_what_came_meanwhile(made, backlog, owner):
    pausing.resume(made, owner, backlog="discard")
    assert {(run.status, run.error["code"]) for run in ExecutionRun.objects.all()} == {("cancelled", "discarded")}
    assert not OutboxJob.objects.exists()


def test_archiving_cancels_what_waits(made, backlog, owner):
    pausing.archive(made, owner)
    made.refresh_from_db()
    assert made.status == "archived"
    assert set(ExecutionRun.objects.values_list("status", flat=True)) == {"cancelled"}


def test_archived_events_start_nothing_until_it_is_restored_and_resumed(made, owner, deliver, drain):
    running = _run(made)
    pausing.archive(made, owner)
    deliver({"title": "one"})
    drain()
    assert set(ExecutionRun.objects.values_list("pk", flat=True)) == {running.pk}
    running.refresh_from_db()
    assert running.status != "cancelled", "what has started goes on"
    assert pausing.restore(made, owner).status == "paused"
    deliver({"title": "two"})
    drain()
    assert Wait.objects.get(kind="paused", status="open").run.event.payload == {"title": "two"}
    with pytest.raises(pausing.WorkflowStateError, match="Cannot restore the workflow"):
        pausing.restore(made, owner)
    assert AuditEntry.objects.filter(verb="workflow.restored").count() == 1
    draft = Workflow.objects.create(name="D", slug="d", owner=owner, run_as=owner)
    assert pausing.restore(pausing.archive(draft, owner), owner).status == "draft"


def test_states_that_do_not_fit_and_people_who_may_not(made, owner, colleague):
    with pytest.raises(pausing.WorkflowStateError, match="Its status is Active"):
        pausing.resume(made, owner)
    assign_perm("run_workflow", colleague, made)
    with pytest.raises(NotPermittedError):
        pausing.pause(made, colleague)


def test_a_run_made_while_its_workflow_was_resumed_is_found(made, backlog, owner):
    def is_due():
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {pausing.DUE}")
            return cursor.fetchone()[0]

    assert not is_due()
    made.status = "active"
    made.save()
    assert is_due()
    pausing.release()
    assert not is_due()
    assert OutboxJob.objects.count() == 3


def test_a_limited_run_that_was_paused_then_waits_for_its_turn(workflow, owner):
    made = workflow(STEPS.replace("slug: steps", "slug: steps\nconcurrency: {limit: 1}"))
    pausing.pause(made, owner)
    runs = [_run(made) for _ in range(2)]
    for each in runs:
        Wait.objects.create(run=each, path="", kind="paused")
    pausing.resume(made, owner)
    assert list(ExecutionRun.objects.order_by("id").values_list("admitted", flat=True)) == [True, False]
    waits = Wait.objects.filter(kind="slot").order_by("run_id").values_list("status", flat=True)
    assert list(waits) == ["resolved", "open"]
    assert OutboxJob.objects.get().run_id == min(run.pk for run in runs)


# --- dead jobs --------------------------------------------------------------------------------------------------------


def test_a_dead_dispatch_job_is_replayed_once(endpoint, admin, owner):
    event = came_to("github", payload={}, trace_id="1" * 32)
    job = OutboxJob.objects.create(kind="dispatch", event=event, status="dead", last_error="worker w did not renew")
    assert list(dead_jobs.requeueable_jobs()) == [job]
    with pytest.raises(NotPermittedError):
        dead_jobs.requeue_job(job, owner)
    anew = dead_jobs.requeue_job(job, admin)
    assert (anew.kind, anew.status, anew.event) == ("dispatch", "ready", event)
    assert not dead_jobs.requeueable_jobs().exists()
    with pytest.raises(control.ControlError, match="already requeued"):
        dead_jobs.requeue_job(job, admin)
    job.refresh_from_db()
    assert job.status == "dead"
    assert AuditEntry.objects.filter(verb="job.replayed").count() == 1


def test_a_dead_job_of_a_run_is_replayed_as_a_new_run(failed, owner):
    job = _job(failed, "dead", last_error="worker w did not renew its lease")
    again = dead_jobs.requeue_job(job, owner)
    assert (again.retried_from, dead_jobs.requeueable_jobs().count()) == (failed, 0)
    assert [path for path, *_ in _copied(again)] == ["first", "route"]


def test_a_dead_job_whose_step_may_have_acted_is_requeued_only_if_a_person_says_so(workflow, admin, capsys):
    """Alone it is refused; among others it is left out, and takes the place of none."""
    made = workflow(
        "{name: P, slug: p, triggers: [{endpoint: github}],"
        " steps: [{key: pay, action: http.request, inputs: {method: POST, url: 'https://example.com'}}]}"
    )
    jobs = []
    for status in ("interrupted", "succeeded"):
        run = _run(made, "failed", error={"code": "job_dead", "message": "given up"})
        _step(run, "pay", status, input={"method": "POST"})
        jobs.append(_job(run, "dead", last_error="worker w did not renew its lease"))
    with pytest.raises(control.UnknownOutcomeError):
        dead_jobs.requeue_job(jobs[0], admin)
    result = dead_jobs.requeue_oldest(admin, most=1)
    assert (result.done, result.refused, result.left_out.unknown) == (1, {}, 1)
    assert list(dead_jobs.requeueable_jobs()) == [jobs[0]]
    second = _run(made, "failed", error={"code": "job_dead", "message": "given up"})
    _step(second, "pay", "succeeded", input={"method": "POST"})
    _job(second, "dead", last_error="worker w did not renew its lease")
    call_command("automate_dead", "--all")
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("1 requeued, 1 left out: the outcome of a step is unknown.")
    assert list(dead_jobs.requeueable_jobs()) == [jobs[0]]
    assert dead_jobs.requeue_oldest(admin, unknown=True).done == 1


def test_a_run_again_with_variables_of_its_own(workflow, deliver, drain, owner):
    workflow(
        "{name: V, slug: v, triggers: [{endpoint: github}], vars: {rate: 1, other: x},"
        " steps: [{key: keep, action: data.set, inputs: {rate: '{{ vars.rate }}', other: '{{ vars.other }}'}}]}"
    )
    deliver()
    drain()
    run = ExecutionRun.objects.get()
    again = control.rerun(run, by=owner, start="start", variables={"rate": 7})
    drain()
    assert again.steps.get().output == {"rate": 7, "other": "x"}
    with pytest.raises(control.ControlError, match=r"There is no variable 'no'\. Variables: rate, other"):
        control.rerun(run, by=owner, start="start", variables={"no": 1})

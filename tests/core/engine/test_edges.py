"""Edges of the engine: late commits, refused values, withdrawn work, rights that were taken back, and races."""

from __future__ import annotations

import threading
import time

import msgspec
import psycopg
import pytest
from django.contrib.auth.models import Group
from django.db import transaction
from guardian.shortcuts import assign_perm, remove_perm

from automate_authoring import pausing, workflows
from automate_authoring.definitions import yaml_files
from automate_connectors.adapters.base import ConnectorError, Effect
from automate_connectors.registry import connectors
from automate_core import database
from automate_core.engine.effects.performer import perform
from automate_core.engine.execution import ExecutionEngine
from automate_core.engine.journal import Journal
from automate_core.events.matching import RuleEngine
from automate_core.models import ExecutionRun, OutboxJob, StepRun, Wait, Workflow, WorkflowVersion
from automate_core.outbox.store import OutboxStore
from automate_core.runs import control
from automate_core.webhooks.callback_urls import callback_url
from automate_core.worker.worker import Worker
from automate_governance.redaction.redactor import learn
from tests.support.audit import without_append_only
from tests.support.locks import somebody_waits
from tests.support.processes import wait_for
from tests.support.walks import Slow, fatal, settle, states

pytestmark = pytest.mark.django_db(transaction=True)

HEAD = "name: Flow\nslug: flow\ntriggers: [{endpoint: github}]\nsteps:\n"


def test_a_transactional_action_whose_commit_is_late_is_not_done_twice(publish, deliver, working, monkeypatch, sink):
    """A sibling's effect keeps the job leased while the attempt is timed out and, later, commits."""
    committed = threading.Event()
    sink.answer = lambda number, path: (committed.wait(120), (200, {}, {}))[1]
    data = type(connectors.get("data"))
    import dataclasses

    monkeypatch.setattr(
        data, "actions", tuple(dataclasses.replace(a, effect=Effect.TRANSACTIONAL) for a in data.actions)
    )
    tries = []

    def execute(self, action, params, context):
        tries.append(1)
        Group.objects.create(name=f"written {len(tries)}")
        return {}

    real = Journal.write

    def write(self, checkpoints):
        if threading.current_thread().name.startswith("automate-effect") and len(tries) == 1:
            time.sleep(3)  # longer than the step may take, as when somebody holds the run's lock, or on a busy machine
            try:
                return real(self, checkpoints)
            finally:
                committed.set()
        return real(self, checkpoints)

    monkeypatch.setattr(data, "execute", execute)
    monkeypatch.setattr(Journal, "write", write)
    publish(f"""
  - kind: parallel
    key: all
    arms:
      - {{key: one, steps: [{{key: write, action: data.set, timeout: 1, retry: {{attempts: 2, base: 1}}}}]}}
      - {{key: two, steps: [{{key: slow, action: http.request, inputs: {{url: '{sink.url}/slow'}}, timeout: 200}}]}}
""")
    deliver()
    working(concurrency=2)
    wait_for(lambda: ExecutionRun.objects.filter(status__in=["succeeded", "failed"]).exists())
    time.sleep(1)
    done = list(Group.objects.filter(name__startswith="written").values_list("name", flat=True))
    assert len(done) == 1, (done, list(StepRun.objects.values_list("path", "attempt", "status")))


def test_one_run_that_cannot_be_read_does_not_stop_a_worker(publish, deliver, drain, working, monkeypatch):
    assert issubclass(psycopg.errors.ProgramLimitExceeded, psycopg.OperationalError)
    assert issubclass(psycopg.errors.QueryCanceled, psycopg.OperationalError)
    publish("  - {kind: wait, key: nap, duration: 0}")
    deliver()
    drain()
    Wait.objects.update(status="open", due_at="2020-01-01T00:00Z")
    large = ExecutionRun.objects.get().pk
    ExecutionRun.objects.update(status="waiting", finished_at=None)
    real = Journal.read

    def read(self, run_ids):
        if large in set(run_ids):
            raise psycopg.errors.ProgramLimitExceeded("string buffer exceeds maximum allowed length")
        return real(self, run_ids)

    monkeypatch.setattr(Journal, "read", read)
    working(concurrency=4)
    wait_for(lambda: OutboxJob.objects.filter(status="leased").exists())
    deliver()
    wait_for(lambda: ExecutionRun.objects.exclude(pk=large).exists())


@pytest.mark.extended
def test_a_checkpoint_is_bounded(publish, run, monkeypatch):
    sizes = []
    real = database.run

    def spy(connection, statement, values):
        if isinstance(values, dict) and "steps" in values:
            sizes.append(len(values["steps"]))
        return real(connection, statement, values)

    monkeypatch.setattr(database, "run", spy)
    publish("""
  - kind: for_each
    key: each
    items: '{{ event.payload.items }}'
    steps:
      - {key: note, action: data.set, inputs: {n: '{{ event.payload.big }}'}}
      - {key: end, action: data.set, inputs: {n: 1}}
""")
    done = run({"items": list(range(200)), "big": "x" * 300_000})
    assert done.status == "succeeded"
    assert max(sizes) < 50_000_000, max(sizes)


def test_errors_in_scope_hold_no_secret(publish, run, sink, monkeypatch):
    call = type(connectors.get("http")).execute

    def refuse_one(self, action, params, context):
        if params["url"].endswith("/t"):
            return call(self, action, params, context)
        learn("s3cret-of-a-connection")  # as `resolve` does
        raise ConnectorError("no answer from https://h/s3cret-of-a-connection")

    monkeypatch.setattr(type(connectors.get("http")), "execute", refuse_one)
    publish(f"""
  - key: bad
    action: http.request
    inputs: {{url: '{sink.url}/b'}}
    on_error:
      steps: [{{key: tell, action: http.request, inputs: {{method: POST, url: '{sink.url}/t', json: '{{{{ error.message }}}}'}}}}]
""")
    run()
    assert [body for *_, body in sink.calls] == ["no answer from https://h/***"]


@pytest.mark.matrix
@pytest.mark.parametrize("value", ["-5", "[]", "none", "'nan'"])
def test_odd_durations_fail_in_words(publish, run, value):
    publish(f"""  - {{kind: wait, key: nap, duration: "{{{{ {value} }}}}"}}""")
    done = run()
    assert done.status == "failed" and done.error["code"] in {"invalid_time", "template_error"}, done.error
    assert states(done) == {"nap": "failed"}


def test_a_payload_that_is_too_large_for_a_call_fails_its_step(publish, run, sink):
    publish("  - {key: a, action: data.set}", slug="other", triggers="[]")
    publish("""
  - kind: try
    key: t
    steps: [{kind: workflow, key: child, workflow: other, payload: {a: '{{ event.payload.big }}', b: '{{ event.payload.big }}', c: '{{ event.payload.big }}', d: '{{ event.payload.big }}', e: '{{ event.payload.big }}', f: '{{ event.payload.big }}'}}]
    on_error: [{key: caught, action: data.set}]
""")
    done = run({"big": "x" * 950_000})
    assert done.status == "succeeded", (done.error, states(done))


def test_an_approval_of_a_withdrawn_arm_is_not_asked(workflow, deliver, owner):
    """Both answers arrive in one turn: the arm that fails withdraws the one that just asks."""
    import json

    from automate_core.engine.outcomes import EffectOutcome
    from automate_core.runs.waits import approvals

    workflow(
        HEAD
        + """
  - kind: try
    key: t
    steps:
      - kind: parallel
        key: all
        arms:
          - {key: two, steps: [{kind: approval, key: ask, assignees: [owner], timeout: 1d}]}
          - {key: three, steps: [{key: bad, action: http.request, inputs: {url: 'http://x.invalid/bad'}}]}
    on_error: [{kind: wait, key: nap, duration: 1d}]
"""
    )
    deliver()
    slow = Slow()
    slow.begin()
    ask, bad = sorted(slow.calls, key=lambda call: call.effect.step.path)
    slow.engine.deliver_results(
        [
            (ask, EffectOutcome(output=json.dumps({"users": [owner.pk], "groups": []}).encode())),
            (bad, EffectOutcome(error=fatal())),
        ]
    )
    slow.engine.run_once([])
    assert StepRun.objects.get(path="t/all/ask").status == "cancelled"
    assert not approvals.open_approvals_for(owner).exists()


def test_a_commit_whose_answer_gets_lost_is_a_success(publish, run, monkeypatch):
    import dataclasses

    from django.db import OperationalError
    from django.db.backends.base.base import BaseDatabaseWrapper

    data = type(connectors.get("data"))
    monkeypatch.setattr(
        data, "actions", tuple(dataclasses.replace(a, effect=Effect.TRANSACTIONAL) for a in data.actions)
    )
    monkeypatch.setattr(data, "execute", lambda *a: Group.objects.create(name="written").pk)
    real, lost = BaseDatabaseWrapper._commit, []

    def commit(self):
        real(self)
        if threading.current_thread().name.startswith("automate-effect") and not lost:
            lost.append(1)
            raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(BaseDatabaseWrapper, "_commit", commit)
    publish("  - {key: write, action: data.set}")
    done = run()
    assert lost and Group.objects.filter(name="written").count() == 1
    assert states(done) == {"write": "succeeded"}
    assert done.status == "succeeded", done.error


def test_at_most_once_does_not_repeat_after_a_gateway_gave_up(publish, run, drain, sink):
    sink.answer = lambda number, path: (504, {}, {})
    publish(f"""
  - key: pay
    action: http.request
    inputs: {{method: POST, url: '{sink.url}/pay'}}
    at_most_once: true
    retry: {{attempts: 3, base: 0}}
""")
    run()
    settle(drain)
    assert len(sink.calls) == 1


def test_control_headers_of_outsiders_count_for_nothing(publish, deliver, drain):
    publish("  - {key: a, action: data.set, inputs: {h: '{{ event.headers }}'}}")
    headers = {"automate-run": "x", "automate-path": "y", "automate-depth": "z", "automate-origin": "flow"}
    assert deliver(headers=headers).status_code == 202
    drain()
    made = ExecutionRun.objects.get()
    assert (made.status, made.parent_id, made.depth) == ("succeeded", None, 0)
    assert not any("automate" in name for name in StepRun.objects.get().output["h"])


@pytest.mark.extended
def test_a_transactional_action_that_overstays_is_not_done_twice(publish, deliver, working, monkeypatch):
    data = type(connectors.get("data"))
    import dataclasses

    try:
        actions = tuple(dataclasses.replace(a, effect=Effect.TRANSACTIONAL) for a in data.actions)
    except TypeError:
        actions = tuple(msgspec.structs.replace(a, effect=Effect.TRANSACTIONAL) for a in data.actions)
    monkeypatch.setattr(data, "actions", actions)
    tries = []

    def execute(self, action, params, context):
        tries.append(1)
        if len(tries) == 1:
            wait_for(lambda: StepRun.objects.filter(path="write", status="failed").exists())  # it was timed out
        Group.objects.create(name=f"written {len(tries)}")
        return {}

    monkeypatch.setattr(data, "execute", execute)
    publish("  - {key: write, action: data.set, timeout: 1, retry: {attempts: 10, base: 1, factor: 1}}")
    deliver()
    working(concurrency=2)
    wait_for(lambda: ExecutionRun.objects.filter(status__in=["succeeded", "failed"]).exists())
    time.sleep(1)
    assert Group.objects.filter(name__startswith="written").count() == 1, states(ExecutionRun.objects.get())


ARMS = "\n".join(
    f"      - {{{{key: a{n}, steps: [{{{{key: c{n}, action: http.request, inputs: {{{{method: POST, url: '{{url}}/{n}'}}}}}}}}]}}}}"
    for n in range(8)
)


def test_nothing_goes_out_after_a_cancel(publish, deliver, working, sink, owner):
    gate = threading.Event()
    sink.answer = lambda number, path: (gate.wait(60), (200, {}, {}))[1]
    publish("  - kind: parallel\n    key: all\n    arms:\n" + ARMS.format(url=sink.url))
    deliver()
    worker = working(concurrency=1)
    wait_for(lambda: sink.calls)
    control.cancel(ExecutionRun.objects.get(), by=owner)
    wait_for(lambda: not worker.is_busy)  # it has looked, and let go
    gate.set()
    time.sleep(2)
    assert len(sink.calls) == 1


def test_a_number_too_large_is_an_answer_not_a_crash(workflow, owner):
    from automate_core.definition import form_validation
    from automate_core.triggers import manual

    made = workflow(
        "name: F\nslug: f\ntriggers: [{kind: manual, inputs: [{name: n, kind: number}]}]\n"
        "steps: [{key: a, action: data.set}]"
    )
    with pytest.raises(form_validation.AnswersError):
        manual.start_workflow(made, {"n": "1" + "0" * 400}, by=owner)


def test_a_number_too_large_in_the_inbox(publish, deliver, drain, owner, sign_in):
    publish("""
  - {kind: approval, key: ask, assignees: [owner], timeout: 1d, form: [{name: n, kind: number}]}
""")
    deliver()
    drain()
    wait = Wait.objects.get()
    from django.urls import reverse

    client = sign_in(owner)
    client.raise_request_exception = False
    answer = client.post(
        reverse("studio:approval_page", args=[wait.pk]), {"outcome": "approved", "form-n": "1" + "0" * 400}
    )
    assert answer.status_code < 500


def test_a_number_with_twenty_digits_in_the_inbox(publish, deliver, drain, owner, sign_in):
    publish("""
  - {kind: approval, key: ask, assignees: [owner], timeout: 1d, form: [{name: n, kind: number}]}
  - {key: a, action: data.set, inputs: {n: '{{ steps.ask.output.form.n }}'}}
""")
    deliver()
    drain()
    from automate_core.runs.waits import approvals

    approvals.decide_approval(Wait.objects.get(), by=owner, outcome="approved", form={"n": "1" + "0" * 200})
    drain()
    assert ExecutionRun.objects.get().status == "succeeded"


def test_runs_do_not_start_each_other_for_ever(publish, deliver, drain):
    publish("  - {key: a, action: data.set}", slug="ping", triggers="[{endpoint: github}]")
    publish("  - {key: a, action: data.set}", slug="pong", triggers="[{kind: run, workflow: ping}]")
    publish(
        "  - {key: a, action: data.set}",
        slug="ping",
        triggers="[{endpoint: github}, {kind: run, key: back, workflow: pong}]",
    )
    deliver()
    worker = Worker(concurrency=4, drain=True, name="test")
    timer = threading.Timer(6, worker.stop)
    timer.start()
    worker.run()
    timer.cancel()
    assert ExecutionRun.objects.count() < 100


def test_the_end_of_a_run_whose_job_died_is_told(publish, deliver, drain):
    from datetime import timedelta

    from django.utils import timezone

    from automate_core.outbox.store import OutboxStore

    publish("  - {kind: wait, key: nap, duration: 1h}")
    publish("  - {key: a, action: data.set}", slug="alarm", triggers="[{kind: run, workflow: flow, on: failed}]")
    deliver()
    drain()
    Wait.objects.update(due_at=timezone.now() - timedelta(hours=1))
    OutboxStore().wake_due()
    OutboxStore(worker="w").claim_batch(1)
    OutboxJob.objects.filter(status="leased").update(attempts=99, lease_until=timezone.now() - timedelta(seconds=1))
    OutboxStore().rescue()
    assert ExecutionRun.objects.get(workflow__slug="flow").status == "failed"
    drain()
    assert ExecutionRun.objects.filter(workflow__slug="alarm").exists()


def test_no_child_is_made_for_a_cancelled_caller(publish, deliver, drain, owner):
    """The dispatch of the call is leased when the caller is cancelled; the callee has a limit."""

    publish("  - {key: a, action: data.set}", slug="other", triggers="[]", head="concurrency: {limit: 1}")
    publish("  - {kind: workflow, key: child, workflow: other}")
    deliver()
    slow = Slow()
    slow.begin()
    slow.perform()
    engine, jobs = slow.engine, slow.outbox.claim_batch(1)
    assert [job.source for job in jobs] == ["call:other"]
    control.cancel(ExecutionRun.objects.get(), by=owner)
    engine.run_once(jobs)
    drain()
    children = ExecutionRun.objects.filter(workflow__slug="other")
    assert not children.exclude(status="cancelled").exists(), children.values_list("status")


def test_one_broken_version_does_not_keep_others_paused(publish, deliver, drain, owner):
    one = publish("  - {key: a, action: data.set}", slug="one")
    two = publish("  - {key: a, action: data.set}", slug="two")
    for each in (one, two):
        pausing.pause(each, owner)
    deliver()
    drain()
    assert Wait.objects.filter(kind="paused", status="open").count() == 2
    first = ExecutionRun.objects.order_by("id").first()
    with without_append_only():
        WorkflowVersion.objects.filter(pk=first.version_id).update(definition={"schema": 1, "what": "is this"})
    Workflow.objects.update(status="active")
    for _ in range(3):
        pausing.release()
    assert Wait.objects.filter(kind="paused", status="open").count() <= 1


def test_a_callback_with_what_no_table_holds(publish, deliver, drain):
    from django.test import Client

    publish("  - {kind: wait, key: hook, callback: true, timeout: 1d}")
    deliver()
    drain()
    run = ExecutionRun.objects.get()
    url = callback_url(run.pk, "hook")
    path = url[url.index("/hooks/") :]
    for body in (
        b'{"a": "\\u0000"}',
        b'{"a": "\\ud800"}',
        b'{"a": 1e999}',
        b'{"a": NaN}',
        b'{"\\u0000": 1}',
        b"[" * 5000,
    ):
        answer = Client().post(path, body, content_type="application/json")
        assert answer.status_code in {400, 202}, (body[:30], answer.status_code, answer.content)


@pytest.mark.parametrize("at", ["2026-10-25T00:40Z", "2026-10-25T01:10Z", "2026-10-25T01:40Z"])
def test_once_on_the_long_day(at):
    import datetime as dt

    from automate_core.triggers.schedules import due_slots

    times = {"cron": "30 2 * * *", "timezone": "Europe/Berlin", "missed": "all"}
    since = dt.datetime.fromisoformat("2026-10-25T00:30Z")
    slots, following = due_slots(times, since, dt.datetime.fromisoformat(at))
    assert [s.isoformat() for s in slots] == ["2026-10-25T00:30:00+00:00"]
    assert following.isoformat() == "2026-10-26T01:30:00+00:00"


def test_a_right_that_was_taken_back_calls_nothing(publish, deliver, drain, owner, colleague, endpoint):
    callee = publish("  - {key: a, action: data.set}", slug="other", triggers="[]")
    for perm in ("view_workflow", "run_workflow"):
        assign_perm(perm, colleague, callee)
    made = workflows.save_definition(
        yaml_files.read_workflow(
            "name: C\nslug: c\ntriggers: [{kind: manual}]\nsteps: [{kind: workflow, key: call, workflow: other}]"
        ),
        owner=colleague,
    )
    workflows.publish(made, author=colleague)
    made.refresh_from_db()
    for perm in ("view_workflow", "run_workflow"):
        remove_perm(perm, colleague, callee)
    from automate_core.triggers import manual

    manual.start_workflow(made, {}, by=colleague)
    settle(drain)
    assert not ExecutionRun.objects.filter(workflow=callee).exists()


def test_no_child_is_made_while_its_caller_is_being_cancelled(publish, deliver, drain, owner):
    publish("  - {key: a, action: http.request, inputs: {url: 'http://x.invalid/'}}", slug="other", triggers="[]")
    publish("  - {kind: workflow, key: child, workflow: other}")
    deliver()
    own = database.connect(database.WORKER_OPTIONS)
    calls = []
    journal, rules, outbox = Journal(own, worker="w"), RuleEngine(own), OutboxStore(own, worker="w")
    engine = ExecutionEngine(journal, rules, calls.append)
    engine.run_once(outbox.claim_batch(1))
    engine.deliver_results([(calls[0], perform(calls.pop()))])
    engine.run_once([])
    jobs = outbox.claim_batch(1)
    assert [job.source for job in jobs] == ["call:other"]
    with transaction.atomic():
        control.cancel(ExecutionRun.objects.get(), by=owner)
        turning = threading.Thread(target=engine.run_once, args=[jobs])
        turning.start()
        wait_for(somebody_waits)  # for the caller's row
    turning.join(60)
    own.close()
    assert not ExecutionRun.objects.filter(workflow__slug="other").exclude(status="cancelled").exists()
    assert not calls


def test_a_retry_of_an_archived_workflow(publish, run, owner):
    made = publish("  - {key: a, action: data.set}")
    done = run()
    pausing.archive(made, owner)
    done = ExecutionRun.objects.get(pk=done.pk)
    with pytest.raises(control.ControlError):
        control.rerun(done, by=owner, start="start")

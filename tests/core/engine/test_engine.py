"""Steps that reach outside: recorded before and after, retried as asked, never in a transaction."""

from __future__ import annotations

import threading

import pytest
from django.utils import timezone
from guardian.shortcuts import assign_perm

from automate_connectors.adapters.base import Effect
from automate_connectors.models import Connection
from automate_connectors.registry import connectors
from automate_core.engine.retry import RetryPolicy
from automate_core.models import ExecutionRun, OutboxJob, RunLog, StepRun, Wait, WebhookEndpoint, WorkflowVersion
from automate_plugins.fields import FieldKind
from tests.support.audit import without_append_only

pytestmark = pytest.mark.django_db(transaction=True)

CALL = """
name: Call
slug: call
triggers: [{{endpoint: github}}]
steps:
  - {{key: before, action: data.set, inputs: {{n: '{{{{ event.payload.number }}}}'}}}}
  - key: call
    action: http.request
    inputs: {{method: POST, url: '{url}/items', json: {{n: '{{{{ steps.before.output.n }}}}'}}}}
    retry: {{attempts: 3, base: {base}, factor: 1}}
  - {{key: after, action: data.set, inputs: {{ok: '{{{{ steps.call.output.body.ok }}}}'}}}}
"""


def call(sink, base=0):
    return CALL.format(url=sink.url, base=base)


def test_an_effect_gets_a_stable_key_and_its_answer_goes_on(workflow, deliver, drain, sink):
    workflow(call(sink))
    deliver()
    drain()
    step = StepRun.objects.get(path="call")
    assert sink.calls == [("/items", step.idempotency_key, {"n": 7})]
    assert step.output["status"] == 200 and step.output["body"] == {"ok": True}
    assert StepRun.objects.get(path="after").output == {"ok": True}
    assert [line.message for line in RunLog.objects.all()] == [f"POST {sink.url}/items"]


def test_failures_are_retried_with_one_key_and_all_attempts_are_kept(workflow, deliver, drain, sink):
    sink.answer = lambda number, path: (503, {"error": "busy"}, {}) if number < 3 else (200, {"ok": True}, {})
    workflow(call(sink))
    deliver()
    for _ in range(3):
        drain()
    assert ExecutionRun.objects.get().status == "succeeded"
    attempts = StepRun.objects.filter(path="call").order_by("attempt")
    assert [(step.attempt, step.status) for step in attempts] == [(1, "failed"), (2, "failed"), (3, "succeeded")]
    assert attempts[0].error["code"] == "http_503" and attempts[0].error["retryable"] is True
    assert len({key for _, key, _ in sink.calls}) == 1
    assert StepRun.objects.filter(path="before").count() == 1


def test_waiting_for_a_retry_holds_no_worker(workflow, deliver, drain, sink):
    sink.answer = lambda number, path: (429, {}, {"Retry-After": "20"})
    workflow(call(sink))
    deliver()
    drain()
    run, wait = ExecutionRun.objects.get(), Wait.objects.get()
    assert (run.status, wait.kind, wait.status, wait.path) == ("waiting", "retry", "open", "call")
    assert 18 < (wait.due_at - timezone.now()).total_seconds() <= 20.5
    assert not OutboxJob.objects.exclude(status="completed").exists()


def test_what_cannot_pass_is_not_retried(workflow, deliver, drain, sink):
    sink.answer = lambda number, path: (422, {"error": "no such field"}, {})
    workflow(call(sink))
    deliver()
    drain()
    run = ExecutionRun.objects.get()
    assert (run.status, run.error["code"], run.error["step"], len(sink.calls)) == ("failed", "http_422", "call", 1)
    assert run.error["details"]["body"] == '{"error": "no such field"}'


def test_retries_end(workflow, deliver, drain, sink):
    sink.answer = lambda number, path: (500, {}, {})
    workflow(call(sink))
    deliver()
    for _ in range(4):
        drain()
    assert (ExecutionRun.objects.get().status, len(sink.calls)) == ("failed", 3)
    assert not Wait.objects.filter(status="open").exists()


def test_effects_of_different_runs_overlap(workflow, deliver, drain, sink):
    together = threading.Barrier(4, timeout=300)
    sink.answer = lambda number, path: (together.wait(), (200, {"ok": True}, {}))[1]
    workflow(call(sink))
    for _ in range(4):
        deliver()
    drain()
    assert ExecutionRun.objects.filter(status="succeeded").count() == 4


def test_a_workflow_cannot_call_what_is_not_allowed(workflow, deliver, drain, sink, settings):
    settings.AUTOMATE_EGRESS_ALLOW = []
    workflow(call(sink))
    deliver()
    drain()
    run = ExecutionRun.objects.get()
    assert (run.status, run.error["code"], sink.calls) == ("failed", "egress_blocked", [])
    assert "requires https" in run.error["message"]


def test_a_connection_is_used_only_while_run_as_may(workflow, deliver, drain, sink, owner, stranger):
    Connection.objects.create(name="Sink", slug="sink", connector="http", owner=owner, config={"base_url": sink.url})
    workflow("""
name: With connection
slug: with-connection
triggers: [{endpoint: github}]
steps: [{key: call, action: http.request, connection: sink, inputs: {method: POST, url: /x}}]
""")
    deliver()
    drain()
    assert ExecutionRun.objects.get().status == "succeeded"
    WorkflowVersion.objects.update(run_as=stranger)
    assign_perm("view_payload_webhookendpoint", stranger, WebhookEndpoint.objects.get())
    deliver()
    drain()
    assert ExecutionRun.objects.first().error["code"] == "connection_not_usable"
    assert len(sink.calls) == 1


def test_a_plug_in_that_raises_fails_its_step_alone(workflow, deliver, drain, monkeypatch):
    def broken(self, action, params, context):
        raise KeyError("oops")

    workflow("{name: S, slug: s, triggers: [{endpoint: github}], steps: [{key: a, action: data.set}]}")
    monkeypatch.setattr(type(connectors.get("data")), "execute", broken)
    deliver()
    drain()
    assert ExecutionRun.objects.get().error["code"] == "unexpected_error"
    monkeypatch.undo()
    deliver()
    drain()
    assert ExecutionRun.objects.first().status == "succeeded"


def test_a_plug_in_that_is_gone_is_named(workflow, deliver, drain):
    made = workflow("{name: S, slug: s, triggers: [{endpoint: github}], steps: [{key: a, action: data.set}]}")
    definition = made.published.definition
    definition["steps"][0]["action"] = "erp.create"
    with without_append_only():
        WorkflowVersion.objects.update(definition=definition)
    deliver()
    drain()
    error = ExecutionRun.objects.get().error
    assert (error["code"], "The connector 'erp' is not installed" in error["message"]) == ("connector_not_found", True)


def test_a_version_that_cannot_be_read_fails_its_run(workflow, deliver, drain):
    workflow("{name: S, slug: s, triggers: [{endpoint: github}], steps: [{key: a, action: data.set}]}")
    with without_append_only():
        WorkflowVersion.objects.update(definition={"schema": 99})
    deliver()
    drain()
    run = ExecutionRun.objects.get()
    assert (run.status, run.error["code"]) == ("failed", "broken_definition")


def test_one_result_that_cannot_be_stored_takes_no_other_with_it(workflow, deliver, drain, monkeypatch):
    """The grouped write fails; written one by one, only the bad one is refused."""
    from automate_core.engine.steps import actions

    encode = actions.encode_output
    spoil = lambda value: b'{"text": "\\u0000"}' if value == {"n": 13} else encode(value)  # noqa: E731
    monkeypatch.setattr(actions, "encode_output", spoil)
    workflow(
        "{name: S, slug: s, triggers: [{endpoint: github}], steps: [{key: a, action: data.set, inputs: {n: '{{ event.payload.n }}'}}]}"
    )
    for number in (1, 13, 2):
        deliver({"n": number})
    drain()
    runs = {run.event.payload["n"]: run for run in ExecutionRun.objects.all()}
    assert {number: run.status for number, run in runs.items()} == {1: "succeeded", 13: "failed", 2: "succeeded"}
    assert runs[13].error["code"] == "not_storable"


def test_secrets_handed_out_are_masked_in_everything_recorded(workflow, deliver, drain, sink, owner):
    from automate_governance.models import StoredSecret

    token = "s3cr3t-token-of-the-echo"
    secret = StoredSecret(name="echo-token", owner=owner)
    secret.put(token)
    secret.save()
    Connection.objects.create(
        name="Sink", slug="sink", connector="http", owner=owner,
        config={"base_url": sink.url, "auth": "bearer", "token": "database:echo-token"},
    )  # fmt: skip
    sink.answer = lambda number, path: (200, {"you sent": token, "n": 1}, {"X-Echo": token})
    workflow("""
name: Echo
slug: echo
triggers: [{endpoint: github}]
steps:
  - {key: call, action: http.request, connection: sink, inputs: {method: POST, url: /x}}
  - {key: keep, action: data.set, inputs: {copy: '{{ steps.call.output.body }}'}}
""")
    deliver()
    drain()
    assert ExecutionRun.objects.get().status == "succeeded"
    assert StepRun.objects.get(path="keep").output == {"copy": {"you sent": "***", "n": 1}}
    assert token not in str(list(StepRun.objects.values()) + list(RunLog.objects.values()))


@pytest.mark.parametrize(("failures", "low", "high"), [(1, 1, 2), (2, 2, 4), (3, 4, 8), (20, 450, 900)])
def test_backoff_is_exponential_with_equal_jitter(failures, low, high):
    delays = [RetryPolicy(attempts=9).delay(failures) for _ in range(300)]
    assert low <= min(delays) and max(delays) <= high
    assert max(delays) - min(delays) > (high - low) / 2


def test_retry_after_is_a_floor():
    assert RetryPolicy(attempts=3, base=1).delay(1, retry_after=20) >= 20
    assert RetryPolicy(attempts=3, base=1, cap=60).delay(1, retry_after=3_600) == 3_600
    assert RetryPolicy(attempts=3, base=1).delay(1, retry_after=1e9) == 86_400


def test_pure_is_what_the_data_connector_says():
    has_files = {
        action.name: any(spec.kind is FieldKind.FILE for spec in (*(action.fields or ()), *action.outputs))
        for action in connectors.get("data").actions
    }
    effects = {action.name: action.effect is Effect.EFFECTFUL for action in connectors.get("data").actions}
    assert effects == has_files, "files are read and written where effects are"


def test_a_filter_that_can_no_longer_be_read_starts_nothing_and_harms_no_other(workflow, deliver, drain):
    from automate_core.models import ActiveTrigger

    text = "{name: S, slug: %s, triggers: [{endpoint: github, filter: {'==': [1, 1]}}], steps: [{key: a, action: data.set}]}"
    broken, well = workflow(text % "broken"), workflow(text % "well")
    ActiveTrigger.objects.filter(workflow=broken).update(filter={"no_such_operator": [1]})
    deliver()
    drain()
    assert [run.workflow for run in ExecutionRun.objects.all()] == [well]


def test_the_database_going_away_in_an_effect_is_retried(workflow, deliver, drain, sink, owner, monkeypatch):
    from django.db import OperationalError

    from automate_connectors import credentials

    real, failed = credentials.open_connection, []

    def away_once(*arguments):
        if not failed:
            failed.append(True)
            raise OperationalError("server closed the connection")
        return real(*arguments)

    monkeypatch.setattr(credentials, "open_connection", away_once)
    Connection.objects.create(name="Sink", slug="sink", connector="http", owner=owner, config={"base_url": sink.url})
    workflow(call(sink).replace("inputs: {method", "connection: sink\n    inputs: {method"))
    deliver()
    for _ in range(2):
        drain()
    assert ExecutionRun.objects.get().status == "succeeded"
    assert StepRun.objects.get(path="call", attempt=1).error["code"] == "database_away"


@pytest.mark.extended
def test_a_fault_in_the_engine_does_not_kill_the_worker(workflow, deliver, monkeypatch, environment):
    from automate_core.engine.execution import ExecutionEngine
    from automate_core.worker.worker import Worker
    from tests.support.processes import wait_for

    workflow("{name: S, slug: s, triggers: [{endpoint: github}], steps: [{key: a, action: data.set}]}")
    monkeypatch.setenv("DATABASE_URL", environment["DATABASE_URL"])  # the quarantine process inherits it
    real, failed = ExecutionEngine.run_once, []

    def broken_once(self, jobs):
        if jobs and not failed:
            failed.append(True)
            raise RuntimeError("a fault")
        return real(self, jobs)

    monkeypatch.setattr(ExecutionEngine, "run_once", broken_once)
    worker = Worker(concurrency=1, name="hardy")
    thread = threading.Thread(target=worker.run, daemon=True)
    thread.start()
    try:
        deliver()
        wait_for(lambda: failed)
        OutboxJob.objects.update(lease_until=timezone.now())
        wait_for(lambda: ExecutionRun.objects.filter(status="succeeded").exists())
    finally:
        worker.stop()
        thread.join(60)


def test_whatever_a_plug_in_puts_into_its_error_is_recorded(workflow, deliver, drain, monkeypatch):
    from automate_connectors.adapters.base import ConnectorError

    def broken(self, action, params, context):
        context["log"]("a \0 in the log")
        raise ConnectorError("a \0 in the message", details={"object": object()})

    workflow("{name: S, slug: s, triggers: [{endpoint: github}], steps: [{key: a, action: data.set}]}")
    monkeypatch.setattr(type(connectors.get("data")), "execute", broken)
    deliver()
    drain()
    error = ExecutionRun.objects.get().error
    assert (error["message"], "not valid JSON" in error["details"]["left_out"]) == ("a \ufffd in the message", True)
    assert RunLog.objects.get().message == "a \ufffd in the log"

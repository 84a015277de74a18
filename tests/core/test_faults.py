"""What may go wrong around a run, and what the worker does then: nothing is lost, no other run is harmed."""

from __future__ import annotations

import time
from datetime import timedelta

import psycopg
import pytest
from django.db import connection
from django.utils import timezone

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.registry import connectors
from automate_core.engine.execution import ExecutionEngine
from automate_core.engine.journal import Journal
from automate_core.engine.outcomes import EffectOutcome
from automate_core.events.matching import RuleEngine
from automate_core.models import ExecutionRun, OutboxJob, RunLog, StepRun
from automate_core.outbox.store import OutboxStore
from automate_governance.redaction.redactor import Redactor
from tests.support.processes import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

SET = "{{name: {0}, slug: {0}, triggers: [{{endpoint: github}}], steps: [{{key: a, action: data.set, inputs: {{n: '{1}'}}}}]}}"
CALLS = """
name: Calls
slug: calls
triggers: [{{endpoint: github}}]
steps:
  - {{key: first, action: http.request, inputs: {{method: POST, url: '{0}/first'}}}}
  - {{key: second, action: http.request, inputs: {{method: POST, url: '{0}/second'}}}}
"""


@pytest.fixture
def secret(monkeypatch):
    """Make one value a secret of every run's."""

    def learn(value):
        redactor = Redactor()
        redactor.learn(value)
        monkeypatch.setattr("automate_core.engine.version_secrets.Redactor", lambda: redactor)

    return learn


def ended():
    return ExecutionRun.objects.filter(status__in=["succeeded", "failed"]).exists()


def test_an_answer_that_gets_lost_after_the_commit_loses_no_run(workflow, deliver, sink, working, monkeypatch):
    workflow(CALLS.format(sink.url))
    real, lost = Journal.write, []

    def write(self, checkpoints):
        verdicts = real(self, checkpoints)
        if not lost:
            lost.append(True)
            raise psycopg.OperationalError("server closed the connection unexpectedly")
        return verdicts

    monkeypatch.setattr(Journal, "write", write)
    deliver()
    working(concurrency=2)
    wait_for(ended)
    assert ExecutionRun.objects.get().status == "succeeded"
    assert [path for path, _, _ in sink.calls] == ["/first", "/second"]
    assert RunLog.objects.count() == 2


def test_the_answer_of_an_attempt_that_lost_its_lease_is_no_other_steps(workflow, deliver, sink):
    workflow(CALLS.format(sink.url))
    deliver()
    calls = []
    engine, outbox = ExecutionEngine(Journal(None, worker="w"), RuleEngine(), calls.append), OutboxStore(worker="w")
    engine.run_once(outbox.claim_batch(1))
    OutboxJob.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    outbox.rescue()
    engine.run_once([outbox.claim_quarantined()])
    for call, answer in zip(list(calls), (b'"of attempt 1"', b'"of attempt 2"'), strict=True):
        engine.deliver_results([(call, EffectOutcome(output=answer))])
        engine.run_once([])
    recorded = StepRun.objects.order_by("path", "attempt").values_list("path", "attempt", "status", "output")
    assert list(recorded) == [
        ("first", 1, "interrupted", None),
        ("first", 2, "succeeded", "of attempt 2"),
        ("second", 1, "running", None),
    ]


@pytest.mark.extended
def test_a_long_queue_does_not_hold_up_what_a_dead_worker_left(workflow, deliver, sink, working, children_find_us):
    def slowly(number, path):
        time.sleep(0.1)
        return 200, {}, {}

    sink.answer = slowly
    workflow(CALLS.format(sink.url))
    deliver()
    [left] = OutboxStore(worker="dead").claim_batch(1)
    OutboxJob.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    ready = OutboxJob.objects.filter(status="ready")

    def feed_until_it_is_done():  # a process for the suspect has to start meanwhile
        while ready.count() < 20:
            deliver()
        return OutboxJob.objects.get(pk=left.id).status == "completed"

    feed_until_it_is_done()
    working(concurrency=1)
    wait_for(feed_until_it_is_done)
    assert ready.exists()


def test_a_restarted_database_and_a_workflow_never_seen_before(workflow, deliver, working):
    workflow(SET.format("one", "x"))
    deliver()
    working(concurrency=2)
    wait_for(ended)
    workflow(SET.format("two", "y"))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    deliver()
    wait_for(lambda: ExecutionRun.objects.filter(status="succeeded").count() == 3)


@pytest.mark.matrix
@pytest.mark.parametrize("value", ["status", "outcome", "message", "succeeded", "a7c0de"])
def test_a_secret_that_is_a_word_of_ours_masks_contents_alone(workflow, deliver, drain, secret, value):
    workflow(SET.format("s", "{{ event.payload.word }}"))
    secret(value)
    deliver({"word": f"<{value}>"})
    drain()
    assert ExecutionRun.objects.get().status == "succeeded"
    assert StepRun.objects.get().input == StepRun.objects.get().output == {"n": "<***>"}


def test_errors_and_logs_are_masked(workflow, deliver, drain, secret, monkeypatch):
    def broken(self, action, params, context):
        context["log"]("with hunter2222")
        raise ConnectorError("refused hunter2222", details={"header": "hunter2222"})

    workflow(SET.format("s", "x"))
    monkeypatch.setattr(type(connectors.get("data")), "execute", broken)
    secret("hunter2222")
    deliver()
    drain()
    assert (RunLog.objects.get().message, ExecutionRun.objects.get().error["message"]) == ("with ***", "refused ***")
    assert StepRun.objects.get().error["details"] == {"header": "***"}


def test_text_that_is_no_unicode_fails_its_own_run(workflow, deliver, drain):
    workflow(SET.format("lone", '{{ event.payload["\\ud800"] }}'))
    workflow(SET.format("well", "x"))
    deliver()
    drain()
    drain()
    states = dict(ExecutionRun.objects.values_list("workflow__slug", "status"))
    assert states == {"lone": "failed", "well": "succeeded"}


def test_a_job_that_cannot_be_walked_harms_no_other(workflow, deliver, drain, monkeypatch):
    workflow(SET.format("s", "x"))
    real = RuleEngine.match_at_once

    def match(self, scopes, endpoints, decided):
        if any(scope["event"]["payload"] == "poison" for scope in scopes):
            raise ValueError("poison")
        return real(self, scopes, endpoints, decided)

    monkeypatch.setattr(RuleEngine, "match_at_once", match)
    deliver()
    deliver("poison")
    deliver()
    drain()
    assert ExecutionRun.objects.filter(status="succeeded").count() == 2
    assert OutboxJob.objects.get(status="leased").event.payload == "poison"


def test_what_an_adapter_does_to_its_params_stays_there(workflow, deliver, drain, monkeypatch):
    def meddling(self, action, params, context):
        if isinstance(params["n"], dict):
            params["n"]["number"] = "changed"
        return {}

    workflow(
        "{name: S, slug: s, triggers: [{endpoint: github}], steps: ["
        "{key: a, action: data.set, inputs: {n: '{{ event.payload }}'}},"
        "{key: b, action: data.set, inputs: {n: '{{ event.payload.number }}'}}]}"
    )
    monkeypatch.setattr(type(connectors.get("data")), "execute", meddling)
    deliver({"number": 7})
    drain()
    assert StepRun.objects.get(path="b").input == {"n": 7}


@pytest.mark.matrix
@pytest.mark.parametrize("message", [ValueError("inner"), None, 7])
def test_an_error_without_a_text_kills_no_thread(workflow, deliver, sink, working, monkeypatch, message):
    def broken(self, action, params, context):
        raise ConnectorError(message)

    monkeypatch.setattr(type(connectors.get("http")), "execute", broken)
    workflow(CALLS.format(sink.url))
    deliver()
    deliver()
    working(concurrency=1)
    wait_for(lambda: ExecutionRun.objects.filter(status="failed").count() == 2)
    assert {run.error["message"] for run in ExecutionRun.objects.all()} == {str(message)}


def test_a_filter_with_an_absurd_index_matches_nothing(workflow, deliver, drain):
    index = "9" * 5_000
    workflow(
        "{name: S, slug: s, triggers: [{endpoint: github,"
        f" filter: {{'==': [{{var: event.payload.{index}}}, 1]}}}}], steps: [{{key: a, action: data.set}}]}}"
    )
    deliver([1, 2])
    drain()
    assert OutboxJob.objects.get().status == "completed"
    assert not ExecutionRun.objects.exists()

"""The log of a step that is running: stored within a second, redacted, bounded, once, and kept when its worker dies."""

from __future__ import annotations

import os
import signal
import threading
from types import SimpleNamespace

import psycopg
import pytest
from django.urls import reverse

from automate_connectors.adapters.base import ConnectorAdapter, ConnectorError
from automate_connectors.registry import connectors
from automate_core import database
from automate_core.engine.effects import step_logs
from automate_core.engine.effects.call import EffectCall
from automate_core.engine.records import LogRecord
from automate_core.models import ExecutionRun, OutboxJob, RunLog, StepRun
from automate_governance.redaction.redactor import redactor
from automate_governance.secrets.resolver import resolve
from tests.support.processes import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

SECRET = "s3cret-value-of-the-tests"
STEPS = "- {key: say, action: chatty.say}\n"


class Chatty(ConnectorAdapter):
    """Logs lines, then waits for `go` with the call open."""

    code = "chatty"
    name = "Chatty"

    def __init__(self):
        self.go = threading.Event()
        self.lines = [("Asking for anvils", "info"), ("Signed", "debug")]
        self.error = self.secret = None

    def execute(self, action, params, context):
        secret = resolve(self.secret).reveal() if self.secret else ""
        for message, level in self.lines:
            context["log"](f"{message} {secret}".strip(), level=level)
        assert self.go.wait(120)
        context["log"]("Got an answer")
        if self.error:
            raise ConnectorError(self.error)
        return {"said": len(self.lines)}


@pytest.fixture
def chatty(monkeypatch):
    adapter = Chatty()
    monkeypatch.setitem(connectors._usable, "chatty", adapter)
    yield adapter
    adapter.go.set()


def messages():
    return list(RunLog.objects.order_by("id").values_list("message", flat=True))


def test_lines_are_there_while_the_step_runs(publish, deliver, working, chatty, sign_in, admin, monkeypatch):
    monkeypatch.setenv("AUTOMATE_SECRET_CHATTY", SECRET)
    chatty.secret = "env:CHATTY"
    publish(STEPS)
    working()
    deliver()
    wait_for(lambda: StepRun.objects.filter(path="say").exists())
    before = ExecutionRun.objects.get().seq
    wait_for(lambda: len(messages()) == 2)
    run, step = ExecutionRun.objects.get(), StepRun.objects.get(path="say")
    assert (run.status, step.status) == ("running", "running")
    assert run.seq > before or RunLog.objects.first().seq > 1, "pages and streams follow the sequence"
    # one batch or two: the newest line has the sequence of the run
    assert max(RunLog.objects.values_list("seq", flat=True)) == run.seq
    assert messages()[0].startswith("Asking for anvils") and SECRET not in str(messages())
    client = sign_in(admin)
    panel = client.get(reverse("studio:run_step", args=[run.pk, "say"])).text
    assert "Asking for anvils" in panel and "DEBUG" in panel
    patch = client.get(reverse("studio:run_patch", args=[run.pk]), {"after": run.seq - 1})
    assert (patch.status_code, patch["X-Seq"]) == (200, str(run.seq)), "an open page asks for the panel again"
    chatty.go.set()
    wait_for(lambda: ExecutionRun.objects.get().status == "succeeded")
    assert [each.split(" ")[0] for each in messages()] == ["Asking", "Signed", "Got"], "each once"


def test_lines_of_a_failed_attempt_are_stored_once(publish, deliver, working, chatty):
    publish(STEPS)
    chatty.error = "No anvils"
    working()
    deliver()
    wait_for(lambda: len(messages()) == 2)
    chatty.go.set()
    wait_for(lambda: ExecutionRun.objects.get().status == "failed")
    assert [each.split(" ")[0] for each in messages()] == ["Asking", "Signed", "Got", "No"]


def test_lines_are_bounded(publish, run, chatty):
    publish(STEPS)
    chatty.go.set()
    chatty.lines = [("x" * 20_000, "info"), *((f"line {number}", "info") for number in range(5_000))]
    assert run().status == "succeeded"
    found = messages()
    assert len(found) == step_logs.MOST_LINES + 1
    assert len(found[0]) == step_logs.LONGEST_LINE + 1 and found[0].endswith("…")
    assert found[-1].startswith("The log is full")


def test_characters_are_bounded(publish, run, chatty):
    publish(STEPS)
    chatty.go.set()
    chatty.lines = [("x" * 7_000, "info")] * 200
    run()
    assert sum(map(len, messages())) < step_logs.MOST_CHARACTERS + step_logs.LONGEST_LINE + 200
    assert len(messages()) < 50


# --- one statement ----------------------------------------------------------------------------------------------------


@pytest.fixture
def call(publish, deliver, working, chatty):
    """A call that is under way, and logs nothing by itself."""
    chatty.lines = []
    publish(STEPS)
    working()
    deliver()
    wait_for(lambda: StepRun.objects.filter(path="say", status="running").exists())
    job, run = OutboxJob.objects.get(status="leased"), ExecutionRun.objects.get()

    run = SimpleNamespace(id=str(run.pk), redactor=redactor)
    return EffectCall(
        job=SimpleNamespace(id=job.pk, token=job.token), effect=None, walk=SimpleNamespace(run=run), worker="hardy"
    )


def lines(call, count=3):
    return [(call, LogRecord("say", 1, "info", f"line {number}")) for number in range(count)]


@pytest.fixture
def own_connection():
    with database.connect({"lock_timeout": "2s"}) as made:
        yield made


def test_a_line_is_stored_once_however_often_it_is_sent(call, own_connection):
    sent = lines(call)
    assert step_logs.store_lines(own_connection, sent) == {line.id for _, line in sent}
    assert step_logs.store_lines(own_connection, sent) == {line.id for _, line in sent}
    assert messages() == ["line 0", "line 1", "line 2"]
    assert {line.seq for line in RunLog.objects.all()} == {ExecutionRun.objects.get().seq}


def test_lines_of_a_lost_lease_are_dropped(call, own_connection):
    OutboxJob.objects.filter(pk=call.job.id).update(token=call.job.token + 1)
    sent = lines(call)
    assert step_logs.store_lines(own_connection, sent) == {line.id for _, line in sent}, "nothing more is to be done"
    assert messages() == []


def test_lines_of_a_run_that_has_ended_are_dropped(call, own_connection):
    ExecutionRun.objects.update(status="cancelled")
    sent = lines(call)
    assert step_logs.store_lines(own_connection, sent) == {line.id for _, line in sent}
    assert messages() == []


def test_a_locked_run_is_not_waited_for(call, own_connection):
    with database.connect({}) as other, other.transaction():
        other.execute("SELECT 1 FROM automate_core_executionrun FOR UPDATE")
        try:
            assert step_logs.store_lines(own_connection, lines(call)) == set()
        except psycopg.errors.LockNotAvailable:
            pytest.fail("it waited for the lock")
    assert step_logs.store_lines(own_connection, sent := lines(call)) == {line.id for _, line in sent}


def test_the_writer_goes_on_when_the_database_was_away(publish, deliver, working, chatty, monkeypatch):
    monkeypatch.setattr(step_logs, "RETRY_SECONDS", 0.05)
    tried = []
    connect = database.connect

    def refuse(options):
        if options is step_logs._OPTIONS and not tried:
            tried.append(1)
            raise psycopg.OperationalError("away")
        return connect(options)

    monkeypatch.setattr(step_logs.database, "connect", refuse)
    monkeypatch.setattr(step_logs, "writer", step_logs.LogWriter())
    monkeypatch.setattr("automate_core.engine.effects.performer.log_writer", step_logs.writer)
    publish(STEPS)
    working()
    deliver()
    wait_for(lambda: len(messages()) == 2)
    assert tried


# --- a worker that dies -----------------------------------------------------------------------------------------------

HTTP = "- {{key: call, action: http.request, timeout: 300, inputs: {{method: POST, url: '{url}/anvils'}}}}\n"


@pytest.mark.extended
@pytest.mark.process
def test_lines_survive_kill_9(publish, deliver, sink, worker_process):
    gate = threading.Event()
    sink.answer = lambda number, path: (gate.wait(120), (200, {}, {}))[1]
    publish(HTTP.format(url=sink.url))
    given = {"AUTOMATE_EGRESS_ALLOW": sink.host, "AUTOMATE_LEASE_SECONDS": "4"}
    with worker_process(**given) as doomed:
        deliver()
        wait_for(messages)
        assert StepRun.objects.get(path="call").status == "running"
        os.kill(doomed.pid, signal.SIGKILL)
        doomed.wait(60)
    gate.set()
    [line] = RunLog.objects.all()
    assert (line.attempt, line.path) == (1, "call") and "anvils" in line.message
    with worker_process(**given):
        wait_for(lambda: ExecutionRun.objects.get().status == "succeeded")
    assert list(RunLog.objects.order_by("id").values_list("attempt", flat=True)) == [1, 2]
    attempts = StepRun.objects.filter(path="call").order_by("attempt")
    assert [step.status for step in attempts] == ["interrupted", "succeeded"]

"""Real worker processes: killed, stopped and restarted."""

from __future__ import annotations

import os
import signal
import time

import pytest

from automate_core.models import ExecutionRun, OutboxJob, StepRun
from tests.processes import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]

EFFECT = """
name: Effect
slug: effect
triggers: [{{endpoint: github}}]
steps:
  - {{key: before, action: data.set, inputs: {{n: 1}}}}
  - {{key: first, action: http.request, inputs: {{method: POST, url: '{url}/first'}}}}
  - {{key: second, action: http.request, inputs: {{method: POST, url: '{url}/second'}}}}
"""


@pytest.fixture
def effect(workflow, sink):
    return workflow(EFFECT.format(url=sink.url))


def _status():
    return ExecutionRun.objects.values_list("status", flat=True).first()


def test_kill_9_between_an_effect_and_its_record(effect, deliver, sink, worker_process):
    """The effect is seen at most twice, with one key; earlier steps are not repeated; the run succeeds."""
    killed = []

    def kill_during_the_second(number, path):
        if path == "/second" and not killed:
            killed.append(True)
            os.kill(doomed.pid, signal.SIGKILL)  # the effect has happened, its record has not
            doomed.wait(10)
        return 200, {"ok": True}, {}

    sink.answer = kill_during_the_second
    with worker_process(AUTOMATE_EGRESS_ALLOW=sink.host, AUTOMATE_LEASE_SECONDS="2") as doomed:
        deliver()
        wait_for(lambda: doomed.poll() is not None)
    step = StepRun.objects.get(path="second")
    assert (_status(), step.status) == ("running", "running")

    with worker_process(AUTOMATE_EGRESS_ALLOW=sink.host, AUTOMATE_LEASE_SECONDS="2"):
        wait_for(lambda: _status() == "succeeded")
    paths = [path for path, _, _ in sink.calls]
    assert paths == ["/first", "/second", "/second"]
    assert len({key for path, key, _ in sink.calls if path == "/second"}) == 1
    attempts = StepRun.objects.filter(path="second").order_by("attempt")
    assert [(step.attempt, step.status) for step in attempts] == [(1, "interrupted"), (2, "succeeded")]
    assert StepRun.objects.filter(path__in=["before", "first"]).count() == 2
    job = OutboxJob.objects.get()
    assert (job.status, job.token, job.suspect) == ("completed", 2, False)


def test_sigterm_finishes_what_runs_and_exits_well(effect, deliver, sink, worker_process):
    sink.answer = lambda number, path: (time.sleep(1), (200, {"ok": True}, {}))[1]
    with worker_process(AUTOMATE_EGRESS_ALLOW=sink.host) as worker:
        deliver()
        wait_for(lambda: sink.calls)
        worker.terminate()
        assert worker.wait(10) == 0
    assert OutboxJob.objects.get().status in {"completed", "ready"}
    assert StepRun.objects.get(path="first").status == "succeeded"
    with worker_process(AUTOMATE_EGRESS_ALLOW=sink.host):
        wait_for(lambda: _status() == "succeeded")
    assert [path for path, _, _ in sink.calls] == ["/first", "/second"]


def test_a_long_effect_is_handed_back_when_the_grace_time_ends(effect, deliver, sink, worker_process):
    sink.answer = lambda number, path: (time.sleep(4), (200, {"ok": True}, {}))[1]
    with worker_process(AUTOMATE_EGRESS_ALLOW=sink.host, AUTOMATE_WORKER_GRACE_SECONDS="0.5") as worker:
        deliver()
        wait_for(lambda: sink.calls)
        started = time.monotonic()
        worker.terminate()
        assert worker.wait(10) == 0
        assert time.monotonic() - started < 3
    job = OutboxJob.objects.get()
    assert (job.status, job.attempts, job.suspect) == ("ready", 0, False)


def test_a_worker_outlives_the_loss_of_its_connections(effect, deliver, sink, worker_process):
    from django.db import connection

    with worker_process(AUTOMATE_EGRESS_ALLOW=sink.host):
        deliver()
        wait_for(lambda: _status() == "succeeded")
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            assert cursor.fetchone()[0] >= 2
        deliver()
        wait_for(lambda: ExecutionRun.objects.filter(status="succeeded").count() == 2)


def test_drain_ends_when_nothing_is_ready(effect, deliver, sink, worker_process):
    for _ in range(5):
        deliver()
    with worker_process("--drain", AUTOMATE_EGRESS_ALLOW=sink.host) as worker:
        assert worker.wait(20) == 0
    assert ExecutionRun.objects.filter(status="succeeded").count() == 5

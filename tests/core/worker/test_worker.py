"""What a worker does when a step overstays, its leases cannot be renewed, or there is nothing to do."""

from __future__ import annotations

import contextlib
import json
import logging
import math
import threading
import time
from datetime import timedelta
from types import SimpleNamespace

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from automate_connectors.registry import connectors
from automate_core import database
from automate_core.models import ExecutionRun, OutboxJob, StepRun, WorkerState
from automate_core.outbox import status as queue_status
from automate_core.outbox.store import OutboxStore
from automate_core.worker import outage_log
from tests.support.processes import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

CALL = """
name: Call
slug: call
triggers: [{endpoint: github}]
steps: [{key: a, action: http.request, inputs: {method: POST, url: 'http://127.0.0.1:1/'}, timeout: 1}]
"""


@pytest.fixture
def effect(monkeypatch):
    """Exchange what the HTTP connector does."""

    def use(execute):
        monkeypatch.setattr(
            type(connectors.get("http")), "execute", lambda self, action, params, context: execute(context)
        )

    return use


def test_a_step_that_ignores_its_deadline_is_answered_for_and_keeps_its_slot(workflow, deliver, working, effect):
    returned = threading.Event()
    calls = []

    def ignoring(context):
        calls.append(1)
        if len(calls) == 1:
            returned.wait(120)
        return {"late": True}

    effect(ignoring)
    workflow(CALL)
    deliver()
    working(concurrency=1)
    wait_for(lambda: ExecutionRun.objects.filter(status="failed").exists())
    step = StepRun.objects.get()
    assert not returned.is_set() and step.finished_at - step.started_at >= timedelta(seconds=1)
    assert (step.error["code"], step.error["retryable"]) == ("timeout", True)
    assert step.error["message"] == "The step took longer than its timeout of 1 s."
    deliver()
    time.sleep(1)
    assert OutboxJob.objects.filter(status="ready").count() == 1, "the slot is busy until the thread returns"
    returned.set()
    wait_for(lambda: ExecutionRun.objects.filter(status="succeeded").exists())
    step.refresh_from_db()
    assert (step.status, step.output) == ("failed", None), "the late answer is dropped"


@pytest.mark.extended
def test_a_worker_lets_go_of_what_it_cannot_renew(workflow, deliver, working, effect, settings, monkeypatch, caplog):
    told = []

    def waiting(context):
        wait_for(context["cancelled"], every=0.02)
        told.append(lease_holds())
        return {}

    def lease_holds():
        with contextlib.closing(database.connect({})) as own:
            return own.execute("SELECT lease_until > automate_now() FROM automate_core_outboxjob").fetchone()[0]

    def unreachable(self, jobs):
        raise psycopg.OperationalError("the network is cut")

    settings.AUTOMATE_LEASE_SECONDS = 12.0
    monkeypatch.setattr(OutboxStore, "renew", unreachable)
    effect(waiting)
    workflow(CALL.replace("timeout: 1", "timeout: 90"))
    deliver()
    worker = working(concurrency=1)
    wait_for(lambda: told)
    assert told == [True], "before the lease ends by the database's clock"
    assert "lease lost" in caplog.text
    assert not worker._engine.held
    job = OutboxJob.objects.get()
    assert (job.status, StepRun.objects.get().status) == ("leased", "running"), "nothing more is written"


@pytest.mark.extended
def test_an_idle_worker_asks_little(working, monkeypatch):
    statements = []
    real = psycopg.Cursor.execute

    def counting(self, query, *args, **options):
        statements.append(query)
        return real(self, query, *args, **options)

    worker = working(concurrency=5)
    wait_for(lambda: WorkerState.objects.exists())
    wait_for(lambda: worker._claim_at == math.inf)  # by now it polls slowly
    monkeypatch.setattr(psycopg.Cursor, "execute", counting)
    started = time.monotonic()
    wait_for(lambda: len(statements) >= 6)
    seconds = time.monotonic() - started
    monkeypatch.undo()
    assert len(statements) <= 4 + 2 * seconds, (statements, seconds)


def test_a_worker_is_listed_while_it_lives(working):
    worker = working(concurrency=3)
    wait_for(lambda: WorkerState.objects.filter(name="hardy", slots=3, held=0).exists())
    worker.stop()
    wait_for(lambda: not WorkerState.objects.exists())


def test_status_tells_people_and_machines(workflow, deliver, capsys):
    for _ in range(4):
        deliver()
    OutboxStore(worker="w").claim_batch(1)
    first, second = OutboxJob.objects.filter(status="ready")[:2]
    OutboxJob.objects.filter(pk=first.pk).update(suspect=True)
    OutboxJob.objects.filter(pk=second.pk).update(status="dead")
    OutboxJob.objects.filter(status="ready").update(available_at=timezone.now() - timedelta(seconds=90))
    WorkerState.objects.create(name="host-7", slots=20, held=1)
    WorkerState.objects.create(name="w", slots=24, held=0)  # killed right after its claim
    OutboxJob.objects.filter(worker="w").update(lease_until=timezone.now() + timedelta(seconds=41.4))
    call_command("automate_worker", "--status")
    said = capsys.readouterr().out.splitlines()
    assert said == [
        "worker host-7: holds 1 of 20, last seen 0 s ago",
        "worker w: holds 0 of 24, last seen 0 s ago, 1 leased to it, until in 41 s",
        "leased: 1 (expired: 0)",
        "ready to dispatch: 1, oldest: 90 s",
        "quarantined: 1",
        "Their worker stopped while it held them. One process runs them one by one, which may take minutes.",
        "dead: 1",
    ]
    call_command("automate_worker", "--status", "--json")
    status = json.loads(capsys.readouterr().out)
    assert (status["leases"], status["suspects"], status["dead"]) == (1, 1, 1)
    assert status["ready"][0]["oldest_seconds"] >= 90
    assert [(each["name"], each["leased"]) for each in status["workers"]] == [("host-7", 0), ("w", 1)]


@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_status_fails_while_no_worker_is_alive(capsys, flags):
    """Whether none has ever been, or all were killed: probes alert by the exit code."""
    with pytest.raises(SystemExit) as none:
        call_command("automate_worker", "--status", *flags)
    WorkerState.objects.create(name="killed", slots=20, held=7, seen_at=database.now() - timedelta(minutes=2))
    capsys.readouterr()
    with pytest.raises(SystemExit) as killed:
        call_command("automate_worker", "--status", *flags)
    assert (none.value.code, killed.value.code) == (1, 1)
    said = capsys.readouterr().out
    if flags:
        assert not json.loads(said)["workers"][0]["is_alive"]
    else:
        assert said.splitlines()[:2] == [
            "no worker is running",
            "worker killed: stopped without a word, last seen 120 s ago",
        ]
    WorkerState.objects.create(name="new", slots=20)
    call_command("automate_worker", "--status", *flags)


def test_a_fault_that_stays_is_one_line_a_minute(caplog, monkeypatch):
    moment = 1000.0
    monkeypatch.setattr(outage_log, "time", SimpleNamespace(monotonic=lambda: moment))
    outage = outage_log.OutageLog(logging.getLogger("automate_core.tests"), "no heartbeat: %s")
    for _ in range(150):
        outage.warn(psycopg.OperationalError("gone\n\tIs the server running?"))
        moment += 1
    moment += 3600
    outage.warn(psycopg.OperationalError("gone again"))
    assert [record.getMessage() for record in caplog.records] == [
        "no heartbeat: gone",
        "no heartbeat: gone (59 more since the last line)",
        "no heartbeat: gone (59 more since the last line)",
        "no heartbeat: gone again",
    ]


@pytest.mark.extended
def test_an_outage_fills_no_log(working, monkeypatch, caplog):
    working(concurrency=3)
    wait_for(lambda: WorkerState.objects.exists())

    def away(options):
        raise psycopg.OperationalError("the database is away")

    monkeypatch.setattr(database, "connect", away)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    time.sleep(5)
    monkeypatch.undo()
    said = [record for record in caplog.records if record.levelname == "WARNING"]
    assert 1 <= len(said) <= 6, caplog.text
    wait_for(lambda: WorkerState.objects.filter(seen_at__gte=database.now() - timedelta(seconds=2)).exists())


def test_a_worker_says_whose_jobs_it_takes_over(deliver, endpoint, working, settings, caplog):
    """One line for a worker that was killed, however many jobs it held."""
    settings.AUTOMATE_MAX_ATTEMPTS = 1  # they are dead then, and start no process that runs quarantined jobs
    for _ in range(3):
        deliver()
    assert len(OutboxStore(worker="killed-7").claim_batch(3)) == 3
    OutboxJob.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    working(concurrency=3)
    wait_for(lambda: OutboxJob.objects.filter(status="dead").count() == 3)
    wait_for(lambda: "killed-7" in caplog.text)
    said = [record.getMessage() for record in caplog.records if "killed-7" in record.getMessage()]
    assert said == ["worker killed-7 did not renew its leases: 3 of its jobs taken over, 0 quarantined, 3 dead"]


def test_a_worker_that_was_killed_is_forgotten_soon(working):
    """Its successors have other names."""
    for name, minutes in (("just", 2), ("long", 11)):
        WorkerState.objects.create(name=name, slots=3, seen_at=database.now() - timedelta(minutes=minutes))
    working(concurrency=3)
    wait_for(lambda: WorkerState.objects.filter(name="hardy").exists())
    assert set(WorkerState.objects.values_list("name", flat=True)) == {"just", "hardy"}


@pytest.mark.django_db(transaction=True)
def test_a_transaction_that_stays_open_is_told_of(capsys, caplog, monkeypatch):
    """By the command and in the worker's log, once it is old; and no more when it has ended."""
    monkeypatch.setattr(queue_status, "OLD_SECONDS", 0.2)
    due = f"SELECT {queue_status.OLD_TRANSACTION} AS due".replace("'300 seconds'", "'0.2 seconds'")
    assert "'0.2 seconds'" in due
    WorkerState.objects.create(name="host-7", slots=20)
    with psycopg.connect(**database.parameters({"application_name": "reports"})) as other:
        other.autocommit = False
        other.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        other.execute("SELECT count(*) FROM automate_core_outboxjob")
        time.sleep(0.3)
        queue_status.warn_of_transaction()
        assert "A database transaction has been open for 0 s (reports, pid " in caplog.text
        call_command("automate_worker", "--status")
        assert "reports" in capsys.readouterr().out.splitlines()[-1]
        assert database.run(None, due, {})[0].due
    call_command("automate_worker", "--status")
    assert capsys.readouterr().out.splitlines()[-1] == "dead: 0"
    assert not database.run(None, due, {})[0].due


def test_json_alone_says_what_it_goes_with():
    with pytest.raises(CommandError, match="--json requires --status"):
        call_command("automate_worker", "--json")

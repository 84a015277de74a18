"""Real worker processes: killed, stopped and restarted."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from automate_core.models import ExecutionRun, OutboxJob, StepRun
from tests.conftest import ROOT
from tests.support.processes import process, wait_for

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
            doomed.wait(60)
        return 200, {"ok": True}, {}

    sink.answer = kill_during_the_second
    with worker_process(AUTOMATE_EGRESS_ALLOW=sink.host, AUTOMATE_LEASE_SECONDS="4") as doomed:
        deliver()
        wait_for(lambda: doomed.poll() is not None)
    step = StepRun.objects.get(path="second")
    assert (_status(), step.status) == ("running", "running")

    with worker_process(AUTOMATE_EGRESS_ALLOW=sink.host):
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
        assert worker.wait(60) == 0
    assert OutboxJob.objects.get().status in {"completed", "ready"}
    assert StepRun.objects.get(path="first").status == "succeeded"
    with worker_process(AUTOMATE_EGRESS_ALLOW=sink.host):
        wait_for(lambda: _status() == "succeeded")
    assert [path for path, _, _ in sink.calls] == ["/first", "/second"]


@pytest.mark.parametrize(
    "start", [["manage.py"], pytest.param(["-m", "django"], marks=pytest.mark.extended)], ids=["site", "host"]
)
def test_sigterm_to_a_worker_that_still_starts_is_no_error(start, environment):
    """Its database accepts a connection and then says nothing, so it never gets as far as its own handlers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://nobody@127.0.0.1:{silent.getsockname()[1]}/nothing"
        own = {**environment, "DATABASE_URL": url, "PYTHONPATH": os.pathsep.join((str(ROOT / "apps"), str(ROOT)))}
        with process([sys.executable, *start, "automate_worker", "--skip-checks"], own) as worker:
            wait_for(lambda: _catches_sigterm(worker.pid))
            worker.terminate()
            assert worker.wait(60) == 0


# What Python takes down last sends the signal: by then it has given the handlers back to the system.
TOLD_WHILE_IT_ENDS = """
import os, signal, sys
from django.core.management import execute_from_command_line

class Last:
    def __del__(self, kill=os.kill, pid=os.getpid(), number=signal.SIGTERM):
        kill(pid, number)

last = Last()
execute_from_command_line(["manage.py", "automate_worker", "--drain"])
"""


@pytest.mark.extended
def test_sigterm_to_a_worker_that_has_ended_is_no_error(db, environment):
    own = {**environment, "DJANGO_SETTINGS_MODULE": "automate_site.settings"}
    with process([sys.executable, "-c", TOLD_WHILE_IT_ENDS], own) as worker:
        assert worker.wait(120) == 0


def _catches_sigterm(pid):
    [caught] = [
        line.split()[1] for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigCgt")
    ]
    return int(caught, 16) >> (signal.SIGTERM - 1) & 1


@pytest.mark.extended
def test_a_long_effect_is_handed_back_when_the_grace_time_ends(effect, deliver, sink, worker_process):
    gate = threading.Event()
    sink.answer = lambda number, path: (gate.wait(120), (200, {"ok": True}, {}))[1]
    with worker_process(AUTOMATE_EGRESS_ALLOW=sink.host, AUTOMATE_WORKER_GRACE_SECONDS="0.5") as worker:
        deliver()
        wait_for(lambda: sink.calls)
        worker.terminate()
        assert worker.wait(60) == 0 and not gate.is_set()
    gate.set()
    job = OutboxJob.objects.get()
    assert (job.status, job.attempts, job.suspect) == ("ready", 0, False)


@pytest.mark.extended
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


@pytest.mark.extended
def test_drain_ends_when_nothing_is_ready(effect, deliver, sink, worker_process):
    for _ in range(5):
        deliver()
    with worker_process("--drain", AUTOMATE_EGRESS_ALLOW=sink.host) as worker:
        assert worker.wait(90) == 0
    assert ExecutionRun.objects.filter(status="succeeded").count() == 5


PATH = """
name: Path
slug: path
triggers: [{{endpoint: github}}]
steps:
  - {{key: a, action: http.request, inputs: {{method: POST, url: '{url}/{{{{ event.payload.path }}}}'}}}}
"""


def _children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.extended
def test_a_job_that_crashes_its_process_dies_alone(workflow, deliver, sink, worker_process):
    """Its first crash takes the worker and its neighbours' attempts; the others hit nothing but its own process."""
    workers = []

    def poison(number, path):
        if path == "/poison":
            worker = workers[-1]
            for pid in _children(worker.pid) if len(workers) > 1 else [worker.pid]:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.2)
        else:
            time.sleep(1 if len(workers) == 1 else 0)
        return 200, {}, {}

    sink.answer = poison
    workflow(PATH.format(url=sink.url))
    for path in ("neighbour", "neighbour", "poison"):
        deliver({"path": path})
    options = {"AUTOMATE_EGRESS_ALLOW": sink.host}
    with worker_process(**options, AUTOMATE_LEASE_SECONDS="4") as doomed:
        workers.append(doomed)
        wait_for(lambda: doomed.poll() is not None)
    neighbours = OutboxJob.objects.filter(event__payload__path="neighbour")
    assert set(neighbours.values_list("status", "attempts", "crashes")) == {("leased", 1, 0)}
    with worker_process(**options) as hardy:
        workers.append(hardy)
        wait_for(lambda: OutboxJob.objects.filter(status="dead").exists())
        wait_for(lambda: neighbours.filter(status="completed").count() == 2)
        assert hardy.poll() is None
        deliver({"path": "well"})
        wait_for(lambda: OutboxJob.objects.filter(event__payload__path="well", status="completed").exists())
    dead = OutboxJob.objects.get(status="dead")
    assert (dead.event.payload["path"], dead.crashes, dead.attempts) == ("poison", 3, 4)
    assert dead.last_error == "The worker process was ended by SIGKILL."
    assert dead.run.error["code"] == "job_dead"
    assert set(neighbours.values_list("status", "crashes")) == {("completed", 0)}
    assert [path for path, _, _ in sink.calls].count("/poison") == 4


@pytest.mark.extended
def test_sigterm_ends_the_quarantine_process_without_a_crash(workflow, deliver, sink, worker_process):
    gate = threading.Event()
    sink.answer = lambda number, path: (gate.wait(120), (200, {}, {}))[1]
    workflow(PATH.format(url=sink.url))
    deliver({"path": "slow"})
    OutboxJob.objects.update(suspect=True)
    with worker_process(AUTOMATE_EGRESS_ALLOW=sink.host, AUTOMATE_WORKER_GRACE_SECONDS="0.5") as worker:
        wait_for(lambda: sink.calls)
        [child] = _children(worker.pid)
        worker.terminate()
        assert worker.wait(60) == 0 and not gate.is_set()
        assert not Path(f"/proc/{child}").exists()
    gate.set()
    job = OutboxJob.objects.get()
    assert (job.status, job.crashes, job.attempts, job.suspect) == ("ready", 0, 0, True)


@pytest.mark.extended
def test_a_second_signal_hands_back_at_once(effect, deliver, sink, worker_process):
    gate = threading.Event()
    sink.answer = lambda number, path: (gate.wait(120), (200, {}, {}))[1]
    options = {"AUTOMATE_WORKER_GRACE_SECONDS": "300", "AUTOMATE_LOG_LEVEL": "INFO"}
    with worker_process(AUTOMATE_EGRESS_ALLOW=sink.host, **options) as worker:
        deliver()
        wait_for(lambda: sink.calls)
        lines = _lines(worker)
        worker.terminate()
        wait_for(lambda: any("claims no more jobs" in line for line in lines))
        assert worker.poll() is None, "the first waits for what runs"
        worker.terminate()
        assert worker.wait(60) == 0 and not gate.is_set()
    gate.set()
    job = OutboxJob.objects.get()
    assert (job.status, job.attempts, job.suspect) == ("ready", 0, False)


@pytest.mark.extended
def test_a_worker_that_slept_past_its_lease_writes_nothing(effect, deliver, sink, worker_process):
    frozen = []

    def freeze(number, path):
        if not frozen:
            frozen.append(True)
            os.kill(sleeper.pid, signal.SIGSTOP)
        return 200, {"call": number}, {}

    sink.answer = freeze
    options = {"AUTOMATE_EGRESS_ALLOW": sink.host}
    with worker_process(**options, AUTOMATE_LEASE_SECONDS="4") as sleeper:
        deliver()
        wait_for(lambda: frozen)
        with worker_process(**options):
            wait_for(lambda: _status() == "succeeded")
            before = list(StepRun.objects.order_by("id").values())
            lines = _lines(sleeper)
            os.kill(sleeper.pid, signal.SIGCONT)
            wait_for(lambda: any("lease lost" in line for line in lines))
        sleeper.terminate()
        sleeper.wait(60)
    assert list(StepRun.objects.order_by("id").values()) == before
    first = StepRun.objects.filter(path="first").order_by("attempt").values_list("status", "output__body__call")
    assert list(first) == [("interrupted", None), ("succeeded", 2)]


@pytest.mark.extended
def test_an_orphaned_quarantine_process_ends_without_a_database(environment, manage):
    nowhere = {**environment, "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}
    started = 'exec 2>/dev/null; "$@" "$$" >/dev/null & echo $!; sleep 3'
    command = ["sh", "-c", started, "sh", *manage, "automate_worker", "--skip-checks", "--quarantine", "lost"]
    orphan = int(subprocess.run(command, env=nowhere, capture_output=True, text=True, timeout=300).stdout)
    wait_for(lambda: not _runs(orphan))


SPIED = """
import sys, threading
import django
django.setup()
from automate_core.worker import worker
inside, imported = [], []

class Spy:
    def find_spec(self, name, path=None, target=None):
        if inside and threading.current_thread() is threading.main_thread():
            imported.append(name)

sys.meta_path.insert(0, Spy())
run_once = worker.ExecutionEngine.run_once

def watched(self, jobs):
    inside.append(1)
    try:
        return run_once(self, jobs)
    finally:
        inside.pop()

worker.ExecutionEngine.run_once = watched
worker.Worker(drain=True).run()
print(sorted(set(imported)))
"""


@pytest.mark.extended
def test_no_run_waits_for_what_is_loaded_once(effect, deliver, environment, sink):
    """Once a worker claims, its database thread imports nothing any more: every run would stand still meanwhile."""
    deliver()
    own = {**environment, "AUTOMATE_EGRESS_ALLOW": sink.host}
    done = subprocess.run([sys.executable, "-c", SPIED], env=own, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert (_status(), done.stdout.strip()) == ("succeeded", "[]"), done.stdout + done.stderr


def _lines(worker):
    """What it says from now on, as it comes."""
    lines = []
    threading.Thread(target=lambda: lines.extend(worker.stderr), daemon=True).start()
    return lines


def _runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.extended
def test_signs_of_life_come_while_the_main_loop_goes_round(worker_process, tmp_path):
    """The file of an orchestrator, and systemd's notifications; the file is gone after an orderly end."""
    alive, told = tmp_path / "alive", tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(told))
        with worker_process("--alive-file", str(alive), NOTIFY_SOCKET=str(told)) as worker:
            systemd.settimeout(180)
            assert systemd.recv(100) == b"READY=1"
            assert systemd.recv(100) == b"WATCHDOG=1"
            first = wait_for(lambda: alive.exists() and alive.stat().st_mtime_ns)
            wait_for(lambda: alive.stat().st_mtime_ns > first)
            worker.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, worker.pid, os.WSTOPPED)
            last = alive.stat().st_mtime_ns
            time.sleep(2.5)
            assert alive.stat().st_mtime_ns == last, "a worker that hangs gives no signs"
            worker.send_signal(signal.SIGCONT)
            wait_for(lambda: alive.stat().st_mtime_ns > last)
            worker.terminate()
            assert worker.wait(180) == 0
    assert not alive.exists()

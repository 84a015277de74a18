"""How many jobs a worker holds: one for each thread of its effects, and more while these are quick."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter

import pytest

from automate_connectors.registry import connectors
from automate_core.engine.effects import pool
from automate_core.engine.execution import ExecutionEngine
from automate_core.models import ExecutionRun, OutboxJob, WorkerState
from automate_core.worker import heartbeat
from tests.support.processes import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

STEP = "  - {{key: {}, action: http.request, inputs: {{method: POST, url: 'http://127.0.0.1:1/'}}, timeout: 300}}\n"
HEAD = "name: Call\nslug: call\ntriggers: [{endpoint: github}]\nsteps:\n"
ONE = HEAD + STEP.format("a")
TWO = ONE + STEP.format("b")


@pytest.fixture
def effects(monkeypatch):
    """Exchange what the HTTP connector does, and count at each call what is held and what runs."""

    class Effects:
        def __init__(self):
            self.worker = None
            self.held = []
            self.running = Counter()
            self.most_running = 0
            self.act = lambda step: None

        def execute(self, adapter, action, params, context):
            thread = threading.get_ident()
            self.running[thread] += 1
            self.most_running = max(self.most_running, self.running.total())
            if self.worker is not None:
                self.held.append(len(self.worker._engine.held))
            self.act(context["step"]["path"])
            self.running[thread] -= 1
            return {}

    effects = Effects()
    monkeypatch.setattr(type(connectors.get("http")), "execute", lambda *given: effects.execute(*given))
    return effects


def all_succeeded():
    open_jobs = OutboxJob.objects.exclude(status="completed")
    return not open_jobs.exists() and not ExecutionRun.objects.exclude(status="succeeded").exists()


def test_quick_effects_let_a_worker_hold_more_jobs_than_it_has_threads(
    workflow, deliver, working, effects, monkeypatch
):
    monkeypatch.setattr(pool, "QUICK_SECONDS", 0.5)  # on a busy machine, too
    workflow(TWO)
    effects.worker = working(concurrency=2)
    wait_for(lambda: max(effects.held, default=0) > 2 or any(deliver() is None for _ in range(10)))
    wait_for(all_succeeded)
    assert max(effects.held) <= 4 and effects.most_running <= 2


def test_jobs_held_ahead_take_no_slot(workflow, deliver, working, effects, monkeypatch):
    monkeypatch.setattr(heartbeat, "REPORT_SECONDS", 0.05)
    monkeypatch.setattr(pool, "QUICK_SECONDS", 1_000)
    goes_on = threading.Event()
    effects.act = lambda step: step == "b" and goes_on.wait(240)
    workflow(TWO)
    for _ in range(6):
        deliver()
    working(concurrency=2)
    try:
        wait_for(lambda: OutboxJob.objects.filter(status="leased").count() > 2)
        WorkerState.objects.all().delete()
        reported = wait_for(WorkerState.objects.first)
        assert (reported.held, reported.slots) == (2, 2)
    finally:
        goes_on.set()
    wait_for(all_succeeded)


def test_a_worker_whose_threads_are_busy_leaves_jobs_to_another(workflow, deliver, working, effects, monkeypatch):
    monkeypatch.setattr(pool, "QUICK_SECONDS", 1_000)  # whatever was measured before
    goes_on = threading.Event()
    effects.act = lambda step: goes_on.wait(240)
    workflow(ONE)
    for _ in range(6):
        deliver()
    working(concurrency=2, name="first")
    try:
        wait_for(lambda: effects.running.total() == 2)
        working(concurrency=2, name="second")
        wait_for(lambda: effects.running.total() == 4)
        holders = Counter(OutboxJob.objects.filter(status="leased").values_list("worker", flat=True))
        assert holders == {"first": 2, "second": 2}
    finally:
        goes_on.set()


def test_with_slow_effects_a_worker_holds_as_many_jobs_as_threads(workflow, deliver, working, effects):
    effects.act = lambda step: time.sleep(2 * pool.QUICK_SECONDS)
    workflow(TWO)
    for _ in range(8):
        deliver()
    effects.worker = working(concurrency=2)
    wait_for(all_succeeded)
    assert max(effects.held) == 2


def test_a_worker_with_one_slot_holds_one_job(workflow, deliver, working, effects, monkeypatch):
    monkeypatch.setattr(pool, "QUICK_SECONDS", 1_000)
    workflow(TWO)
    for _ in range(6):
        deliver()
    effects.worker = working(concurrency=1)
    wait_for(all_succeeded)
    assert set(effects.held) == {1}


def test_effects_that_wait_for_each_other_run_side_by_side(workflow, deliver, working, effects):
    """Threads wake one another: each that takes a call wakes the next, as long as there are calls."""
    together = threading.Barrier(12)
    effects.act = lambda step: together.wait(240)
    workflow(ONE)
    for _ in range(24):
        deliver()
    working(concurrency=12)
    wait_for(all_succeeded)
    assert effects.most_running == 12


def test_results_of_quick_effects_are_taken_together(workflow, deliver, working, effects, monkeypatch):
    monkeypatch.setattr(pool, "QUICK_SECONDS", 1_000)
    monkeypatch.setattr("automate_core.worker.worker.GATHER_SECONDS", 240)
    together, order, taken = threading.Barrier(6), itertools.count(), []
    effects.act = lambda step: (together.wait(240), time.sleep(0.02 * next(order)))
    deliver_results = ExecutionEngine.deliver_results
    monkeypatch.setattr(
        ExecutionEngine,
        "deliver_results",
        lambda engine, results: (taken.append(len(results)), deliver_results(engine, results)),
    )
    workflow(ONE)
    for _ in range(6):
        deliver()
    working(concurrency=6)
    wait_for(all_succeeded)
    assert max(taken) >= 5, "the last may come just after the look at how many are left"


def test_the_threads_of_effects_end_with_their_worker(workflow, deliver, working, effects):
    workflow(TWO)
    for _ in range(6):
        deliver()
    before = set(threading.enumerate())
    worker = working(concurrency=3)
    wait_for(all_succeeded)
    own = {thread for thread in threading.enumerate() if thread.name.startswith("automate-effect")} - before
    assert len(own) == 3
    worker.stop()
    wait_for(lambda: not any(thread.is_alive() for thread in own))

"""How a worker answers hints when other workers take the jobs."""

from __future__ import annotations

import itertools
import threading
import time

import pytest

from automate_core import database
from automate_core.models import ExecutionRun, WorkerState
from automate_core.outbox import notify
from automate_core.outbox.notify import (
    FREE_MISSES,
    LONGEST_PAUSE_SECONDS,
    MOST_MISSES,
    STANDBY_AGE_SECONDS,
    HintListener,
    HintPacer,
)
from automate_core.outbox.store import OutboxStore
from automate_core.worker.worker import LAST_POLL_SECONDS
from tests.support.processes import wait_for

STEP = """
name: Note
slug: note
triggers: [{endpoint: github}]
steps: [{key: a, action: data.set, inputs: {}}]
"""


def miss(pacer: HintPacer) -> float:
    pacer.hinted()
    pacer.claimed(0)
    return pacer.pause


def test_pauses_grow_with_hints_that_bring_nothing():
    pacer = HintPacer()
    pauses = [miss(pacer) for _ in range(MOST_MISSES + 5)]
    assert pauses[: FREE_MISSES - 1] == [0.0] * (FREE_MISSES - 1), "chance is no reason to wait"
    assert all(earlier <= later for earlier, later in itertools.pairwise(pauses))
    assert pauses[-1] == LONGEST_PAUSE_SECONDS


def test_jobs_end_the_pauses():
    pacer = HintPacer()
    for _ in range(MOST_MISSES):
        miss(pacer)
    for _ in range(3):
        pacer.hinted()
        pacer.claimed(1)
    assert pacer.pause == 0.0


def test_a_worker_whose_hints_bring_nothing_is_on_standby_until_it_gets_a_job():
    pacer = HintPacer()
    assert not pacer.is_standby
    for _ in range(MOST_MISSES):
        miss(pacer)
    assert pacer.is_standby and pacer.pause > STANDBY_AGE_SECONDS, "the job of the hint is old enough by then"
    pacer.hinted()
    pacer.claimed(1)
    assert not pacer.is_standby


@pytest.mark.django_db(transaction=True)
def test_a_worker_on_standby_takes_what_no_other_takes(workflow, deliver, working):
    workflow(STEP)
    worker = working(concurrency=2)
    wait_for(WorkerState.objects.exists)
    for _ in range(MOST_MISSES):
        miss(worker._listener.pacer)
    assert worker._listener.pacer.is_standby
    deliver()
    wait_for(lambda: ExecutionRun.objects.filter(status="succeeded").exists())
    assert not worker._listener.pacer.is_standby


@pytest.mark.django_db(transaction=True)
def test_a_worker_on_standby_takes_jobs_of_its_own_process_soon(workflow, deliver, working):
    """The web process beside it wakes no other worker, and without a pause: the job is younger than it takes."""
    workflow(STEP)
    worker = working(concurrency=2)
    wait_for(WorkerState.objects.exists)
    notify.register_local_worker(worker.wake)
    try:
        for number in range(3):
            worker._poll_seconds = LAST_POLL_SECONDS  # as after some idle seconds
            for _ in range(MOST_MISSES):
                miss(worker._listener.pacer)
            deliver()
            wait_for(lambda number=number: ExecutionRun.objects.filter(status="succeeded").count() > number)
    finally:
        notify.register_local_worker(None)
    waited = [run.started_at - run.event.received_at for run in ExecutionRun.objects.select_related("event")]
    assert max(waited).total_seconds() < LAST_POLL_SECONDS, "it waited for a poll"


@pytest.mark.django_db(transaction=True)
def test_a_listener_wakes_its_worker_whenever_it_begins_to_listen():
    """Hints that came before are lost: after the first look of a fresh worker, or while the connection was cut."""
    woken, stopping = [], threading.Event()
    HintListener(lambda: woken.append(1), lambda: None, stopping).start()
    try:
        wait_for(lambda: len(woken) == 1)
        with database.connect({}) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND query LIKE 'LISTEN %'"
            )
        wait_for(lambda: len(woken) == 2)
    finally:
        stopping.set()


def test_claims_without_a_hint_are_no_misses():
    pacer = HintPacer()
    for _ in range(MOST_MISSES):
        pacer.hinted()
        pacer.claimed(1)
        pacer.claimed(0)  # the claim that finds that nothing is left
        pacer.claimed(0)  # a poll
    assert pacer.pause == 0.0


@pytest.mark.django_db(transaction=True)
def test_hints_whose_jobs_others_took_cost_few_claims(workflow, deliver, working, monkeypatch):
    claims = []
    real = OutboxStore.claim_batch

    def counting(self, limit=10, **options):
        claims.append(limit)
        return real(self, limit, **options)

    workflow(STEP)
    working(concurrency=2)
    wait_for(WorkerState.objects.exists)
    monkeypatch.setattr(OutboxStore, "claim_batch", counting)
    with database.connect({}) as connection:
        for _ in range(60):
            connection.execute("SELECT pg_notify(%s, '')", (notify.CHANNEL,))
            time.sleep(0.01)
    assert len(claims) <= 40, "each hint was worth a claim"
    deliver()
    wait_for(lambda: ExecutionRun.objects.filter(status="succeeded").exists())

"""F32: the queue against a model of it, under any order of what may happen to it (Hypothesis, on PostgreSQL)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from automate_core import database
from automate_core.engine.journal import Journal
from automate_core.engine.records import Checkpoint, JobDisposition, RunRecord, StepRecord, WriteResult
from automate_core.ids import uuid7
from automate_core.outbox.ingest import EventIngestor, NewEvent
from automate_core.outbox.store import ClaimedJob, OutboxStore
from tests.faults import history, invariants
from tests.faults.conftest import plain_connection, run_sql

EXAMPLES = int(os.environ.get("FAULT_EXAMPLES", "30"))
STEPS = int(os.environ.get("FAULT_STEPS", "40"))
LEASE = 35.0  # the clock jumps by tens of seconds: real time, which passes too, never decides
MOST_ATTEMPTS = 4
WORKERS = ("ann", "bob", "eve")


@dataclass
class Job:
    """What a job should look like. Times are on the model's clock, in seconds."""

    available_at: float
    status: str = "ready"
    token: int = 0
    attempts: int = 0
    crashes: int = 0
    suspect: bool = False
    lease_until: float | None = None
    run: RunRecord | None = None


class Store(RuleBasedStateMachine):
    """Three workers with memories of what they claimed, one clock that jumps, and one table."""

    claimed = Bundle("claimed")

    def __init__(self) -> None:
        super().__init__()
        run_sql(EMPTY)
        run_sql(history.REMOVE + history.INSTALL)
        self.now = 0.0
        self.own = database.connect({})
        self.jobs: dict[str, Job] = {}
        self.keys: dict[str, str] = {}
        self.claimed_by: dict[ClaimedJob, str] = {}
        self.evidence = invariants.Evidence(quiet=False, most_attempts=MOST_ATTEMPTS)

    def store(self, worker: str) -> OutboxStore:
        store = OutboxStore(self.own, worker=worker)
        store.lease_seconds = LEASE
        return store

    @rule(key=st.sampled_from("abcdefgh"), keyed=st.booleans())
    def ingest(self, key: str, keyed: bool) -> None:
        """Twice the same delivery is one event."""
        event = NewEvent(source="api:model", type="n", payload="{}", delivery_key=key if keyed else None)
        [answer] = EventIngestor().ingest(event)
        assert answer.duplicate == (keyed and key in self.keys)
        if answer.duplicate:
            assert answer.event_id == self.keys[key]
            return
        if keyed:
            self.keys[key] = answer.event_id
        self.evidence.answered(answer.event_id, 202, answer.trace_id)
        self.jobs[answer.event_id] = Job(self.now)

    @rule(target=claimed, worker=st.sampled_from(WORKERS), limit=st.integers(1, 4))
    def claim(self, worker: str, limit: int) -> Any:
        """As many as asked for, or all that are ready."""
        jobs = self.store(worker).claim_batch(limit)
        ready = [
            job
            for job in self.jobs.values()
            if job.status == "ready" and not job.suspect and job.available_at <= self.now
        ]
        assert len(jobs) == min(limit, len(ready))
        for job in jobs:
            self.taken(job, worker, suspect=False)
        return multiple(*jobs)

    @rule(target=claimed, worker=st.sampled_from(WORKERS))
    def claim_quarantined(self, worker: str) -> Any:
        """One of those whose lease ran out, and no other."""
        job = self.store(worker).claim_quarantined()
        ready = [job for job in self.jobs.values() if job.status == "ready" and job.suspect]
        assert (job is not None) == any(each.available_at <= self.now for each in ready)
        if job is None:
            return multiple()
        self.taken(job, worker, suspect=True)
        return job

    def taken(self, job: ClaimedJob, worker: str, *, suspect: bool) -> None:
        """A claim, in the model."""
        known = self.jobs[str(job.event_id)]
        assert (known.status, known.suspect) == ("ready", suspect)
        known.status, known.token, known.attempts = "leased", known.token + 1, known.attempts + 1
        known.lease_until = self.now + LEASE
        assert (job.token, job.attempts) == (known.token, known.attempts)
        self.claimed_by[job] = worker

    @rule(job=claimed)
    def renew(self, job: ClaimedJob) -> None:
        """Only the holder's renewal counts, also when it comes late and nobody has noticed."""
        self.store("any").renew([job])
        if known := self.held(job):
            known.lease_until = self.now + LEASE

    @rule(job=claimed)
    def hand_back(self, job: ClaimedJob) -> None:
        """The attempt is given back."""
        self.store("any").hand_back([job])
        if known := self.held(job):
            known.status, known.lease_until, known.attempts = "ready", None, max(0, known.attempts - 1)

    @rule(job=claimed, progress=st.booleans())
    def checkpoint(self, job: ClaimedJob, progress: bool) -> None:
        """A checkpoint that keeps the job: progress clears what was counted against it."""
        known = self.held(job)
        current = self.jobs[str(job.event_id)]
        run = a_run(job, "running")
        if current.run is not None:
            run.id, run.is_new = current.run.id, False
        step = StepRecord("a", 1)
        if progress:
            step.succeed(b"1")
        assert self.write(Checkpoint(job, JobDisposition.HOLD, run, [step])) == (
            WriteResult.HELD if known else WriteResult.LOST
        )
        if known:
            known.run = run
            known.attempts = 0 if progress else known.attempts
            known.crashes = 0 if progress else known.crashes

    @rule(job=claimed, succeeds=st.booleans())
    def finish(self, job: ClaimedJob, succeeds: bool) -> None:
        """The last checkpoint; with the run's end, when there is a run."""
        known, run, started = self.held(job), None, self.jobs[str(job.event_id)].run
        if started is not None:
            run = a_run(job, "succeeded" if succeeds else "failed")
            run.id, run.is_new = started.id, False
            run.error = None if succeeds else {"code": "x", "message": "x"}
        assert self.write(Checkpoint(job, JobDisposition.COMPLETE, run)) == (
            WriteResult.HELD if known else WriteResult.LOST
        )
        if known:
            known.status, known.lease_until = "completed", None

    @rule(seconds=st.sampled_from([10, 20, 40, -20]))
    def clock_jumps(self, seconds: int) -> None:
        """The database's clock, forwards or back."""
        self.now += seconds
        self.own.execute("SELECT set_config('automate.clock_shift', %s, false)", [f"{self.now} seconds"])
        run_sql(f"SELECT set_config('automate.clock_shift', '{self.now} seconds', false)")

    @precondition(lambda self: any(job.status == "leased" for job in self.jobs.values()))
    @rule()
    def rescue(self) -> None:
        """Exactly those whose lease is over; dead, once tried often enough."""
        over = [job for job in self.jobs.values() if job.status == "leased" and (job.lease_until or 0) < self.now]
        assert self.store("any").rescue().rescued == len(over)
        for job in over:
            job.status = "dead" if job.attempts >= MOST_ATTEMPTS else "ready"
            job.lease_until, job.suspect = None, True

    @invariant()
    def table_and_model_agree(self) -> None:
        """Each job is as the model says."""
        rows = self.own.execute(
            "SELECT event_id::text, status, token, attempts, suspect, lease_until IS NULL FROM automate_core_outboxjob"
        ).fetchall()
        assert {row[0]: tuple(row[1:]) for row in rows} == {
            event: (job.status, job.token, job.attempts, job.suspect, job.lease_until is None)
            for event, job in self.jobs.items()
        }

    def held(self, job: ClaimedJob) -> Job | None:
        """The job, if that claim of it is still good."""
        known = self.jobs[str(job.event_id)]
        return known if known.status == "leased" and known.token == job.token else None

    def write(self, checkpoint: Checkpoint) -> WriteResult:
        """Through the journal of the worker that claimed the job."""
        return Journal(self.own, worker=self.claimed_by[checkpoint.job]).write([checkpoint])[checkpoint.job.id]

    def teardown(self) -> None:
        """The invariants of all fault tests hold here too."""
        try:
            with plain_connection() as plain:
                invariants.check(plain, self.evidence)
        finally:
            self.own.close()
            run_sql(history.REMOVE + "SELECT set_config('automate.clock_shift', '', false)")


EMPTY = (
    "TRUNCATE automate_core_event, automate_core_outboxjob, automate_core_executionrun, automate_core_steprun,"
    " automate_core_wait, automate_core_runlog CASCADE"
)
PUBLISHED: dict[str, int] = {}


def a_run(job: ClaimedJob, status: str) -> RunRecord:
    """A new run of that job's event."""
    event, trace_id = str(job.event_id), job.trace_id or ""
    return RunRecord(id=str(uuid7()), event_id=event, trace_id=trace_id, status=status, is_new=True, **PUBLISHED)


@pytest.mark.django_db(transaction=True)
def test_the_queue_is_what_the_model_says(workflow, settings):
    settings.AUTOMATE_MAX_ATTEMPTS = MOST_ATTEMPTS
    made = workflow("{name: S, slug: s, triggers: [{endpoint: github}], steps: [{key: a, action: data.set}]}")
    PUBLISHED.update(workflow_id=made.pk, version_id=made.published_id)
    run_state_machine_as_test(Store, settings=PROFILE)
    connection.close()


PROFILE = settings(
    max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None, derandomize="FAULT_EXAMPLES" not in os.environ,
    suppress_health_check=list(HealthCheck), database=None,
)  # fmt: skip

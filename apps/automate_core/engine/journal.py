"""The journal: what a run has done, as records in memory and as one statement that writes many checkpoints at once.

A checkpoint is gated, row by row, on its job (id, token, leased) and its run (not final). The answers are `held`,
`lost` (the job is someone else's now: nothing of it was written) and `cancelled` (the run has ended meanwhile).
A checkpoint that was committed while its answer got lost may be written again: what is there stays as it is.
"""

from __future__ import annotations

import enum
import hashlib
import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import psycopg

from automate_core import database
from automate_core.ids import uuid7
from automate_core.outbox import ClaimedJob
from automate_core.states import RUN_EDGES, STEP_EDGES, RunStatus, StepStatus, move
from automate_governance.redaction import redact, redact_json, redactor

WRITE = """
WITH asked AS MATERIALIZED (
    SELECT * FROM json_to_recordset(%(checkpoints)s::json) AS c(
        job uuid, token int, run uuid, is_new boolean, workflow bigint, version bigint, event uuid, trace_id text,
        status text, error jsonb, wakes int, started_ago float8, outcome text, progress boolean)
), known AS MATERIALIZED (
    SELECT run.id, run.status, run.seq, run.wakes FROM automate_core_executionrun run
    JOIN asked ON asked.run = run.id
    ORDER BY run.id FOR NO KEY UPDATE OF run
), gate AS MATERIALIZED (
    SELECT asked.*, known.id IS NULL AND asked.is_new AS is_made, known.status AS was,
        coalesce(known.seq, 0) + 1 AS seq, coalesce(known.wakes, 0) AS wakes_now
    FROM asked
    JOIN automate_core_outboxjob job ON job.id = asked.job AND job.token = asked.token AND job.status = 'leased'
    LEFT JOIN known ON known.id = asked.run
    FOR NO KEY UPDATE OF job
), made AS (
    INSERT INTO automate_core_executionrun
        (id, workflow_id, version_id, event_id, cause, status, trace_id, error, created_at, started_at, finished_at,
         worker, seq, wakes)
    SELECT run, workflow, version, event, 'trigger', status, trace_id, error,
        automate_now() - started_ago * interval '1 millisecond',
        CASE WHEN status <> 'queued' THEN automate_now() - started_ago * interval '1 millisecond' END,
        CASE WHEN status IN ('succeeded', 'failed') THEN automate_now() END,
        CASE WHEN status <> 'queued' THEN %(worker)s ELSE '' END, seq, 0
    FROM gate WHERE is_made
    ON CONFLICT (event_id, workflow_id) WHERE cause = 'trigger' DO NOTHING
    RETURNING id
), live AS MATERIALIZED (
    SELECT * FROM gate WHERE run IN (SELECT id FROM made) OR was IN ('queued', 'running', 'waiting')
), moved AS (
    UPDATE automate_core_executionrun run
    SET status = live.status, error = live.error, seq = live.seq, worker = %(worker)s,
        started_at = coalesce(run.started_at, automate_now() - live.started_ago * interval '1 millisecond'),
        finished_at = CASE WHEN live.status IN ('succeeded', 'failed') THEN automate_now() END
    FROM live WHERE run.id = live.run AND NOT live.is_made
), stepped AS (
    INSERT INTO automate_core_steprun AS step
        (id, run_id, path, attempt, status, input, output, error, idempotency_key, started_at, finished_at, seq)
    SELECT s.id, live.run, s.path, s.attempt, s.status, s.input, s.output, s.error, s.key,
        automate_now() - s.started_ago * interval '1 millisecond',
        automate_now() - s.finished_ago * interval '1 millisecond', live.seq
    FROM json_to_recordset(%(steps)s::json) AS s(
        run uuid, id uuid, path text, attempt int, status text, input jsonb, output jsonb, error jsonb, key text,
        started_ago float8, finished_ago float8)
    JOIN live ON live.run = s.run
    ON CONFLICT (run_id, path, attempt) DO UPDATE
    SET status = excluded.status, output = excluded.output, error = excluded.error,
        finished_at = excluded.finished_at, seq = excluded.seq
    WHERE step.status IN ('running', 'waiting')
), parked AS (
    INSERT INTO automate_core_wait (id, run_id, path, kind, status, due_at, created_at, seq)
    SELECT w.id, live.run, w.path, w.kind, 'open', automate_now() + w.due_in * interval '1 second', automate_now(),
        live.seq
    FROM json_to_recordset(%(waits)s::json) AS w(run uuid, id uuid, path text, kind text, due_in float8)
    JOIN live ON live.run = w.run
), logged AS (
    INSERT INTO automate_core_runlog (id, run_id, path, attempt, level, message, at, seq)
    SELECT l.id, live.run, l.path, l.attempt, l.level, l.message,
        automate_now() - l.ago * interval '1 millisecond', live.seq
    FROM json_to_recordset(%(logs)s::json) AS l(
        run uuid, id uuid, path text, attempt int, level text, message text, ago float8)
    JOIN live ON live.run = l.run
    ON CONFLICT (id) DO NOTHING
), queued AS (
    INSERT INTO automate_core_executionrun
        (id, workflow_id, version_id, event_id, cause, status, trace_id, created_at, worker, seq, wakes)
    SELECT q.run, q.workflow, q.version, q.event, 'trigger', 'queued', q.trace_id, automate_now(), '', 1, 0
    FROM json_to_recordset(%(queued)s::json) AS q(
        job uuid, run uuid, workflow bigint, version bigint, event uuid, trace_id text)
    JOIN gate ON gate.job = q.job
    ON CONFLICT (event_id, workflow_id) WHERE cause = 'trigger' DO NOTHING
    RETURNING id, event_id
), owed AS (
    INSERT INTO automate_core_outboxjob
        (id, kind, status, event_id, run_id, priority, available_at, attempts, crashes, suspect, worker, token,
         last_error)
    SELECT gen_random_uuid(), 'advance', 'ready', event_id, id, 0, automate_now(), 0, 0, false, '', 0, '' FROM queued
), settled AS (
    UPDATE automate_core_outboxjob job
    SET kind = CASE WHEN gate.run IS NULL THEN job.kind ELSE 'advance' END,
        run_id = gate.run,
        status = CASE
            WHEN live.job IS NOT NULL AND live.outcome = 'hold' THEN 'leased'
            WHEN live.job IS NOT NULL AND live.outcome = 'park' AND live.wakes_now > live.wakes THEN 'ready'
            ELSE 'completed' END,
        attempts = CASE WHEN gate.progress THEN 0 ELSE job.attempts END,
        lease_until = CASE WHEN live.outcome = 'hold' THEN job.lease_until END
    FROM gate LEFT JOIN live ON live.job = gate.job
    WHERE job.id = gate.job
)
SELECT asked.job, CASE
    WHEN gate.job IS NULL THEN 'lost'
    WHEN gate.run IS NULL OR live.job IS NOT NULL THEN 'held'
    ELSE 'cancelled' END AS verdict
FROM asked LEFT JOIN gate ON gate.job = asked.job LEFT JOIN live ON live.job = asked.job
"""

READ = """
SELECT run.id, run.workflow_id, run.version_id, run.event_id, run.status, run.wakes, run.trace_id,
    (SELECT json_agg(latest)::text FROM (
        SELECT DISTINCT ON (path) path, attempt, status, output, error,
            count(*) FILTER (WHERE status = 'failed') OVER (PARTITION BY path) AS failures
        FROM automate_core_steprun WHERE run_id = run.id ORDER BY path, attempt DESC) latest) AS steps,
    (SELECT json_agg(path)::text FROM automate_core_wait WHERE run_id = run.id AND status = 'open') AS waits
FROM automate_core_executionrun run WHERE run.id = ANY(%(runs)s)
"""

DEFINITION = "SELECT definition::text FROM automate_core_workflowversion WHERE id = %(version)s"


class Verdict(enum.StrEnum):
    """What became of a checkpoint."""

    HELD = "held"
    LOST = "lost"
    CANCELLED = "cancelled"


class Outcome(enum.StrEnum):
    """What a checkpoint does with its job."""

    HOLD = "hold"  #: stays leased: effects are running
    PARK = "park"  #: completed, unless a wait was resolved meanwhile; then ready at once
    COMPLETE = "complete"  #: completed


@dataclass(slots=True)
class StepRecord:
    """One attempt of one step. `failures` counts the failed attempts of its path up to now."""

    path: str
    attempt: int
    status: str = StepStatus.RUNNING
    input: bytes | None = None
    output: bytes | None = None
    error: dict[str, Any] | None = None
    failures: int = 0
    started: float = field(default_factory=time.monotonic)
    finished: float | None = None

    def succeed(self, output: bytes | None) -> None:
        """Ended well, with its output as a JSON document."""
        self._end(StepStatus.SUCCEEDED)
        self.output = output

    def fail(self, error: dict[str, Any]) -> None:
        """Ended with an error."""
        self._end(StepStatus.FAILED)
        self.error = error
        self.failures += 1

    def interrupt(self) -> None:
        """Found running by a worker that did not start it: a crash cut it off."""
        self._end(StepStatus.INTERRUPTED)

    def _end(self, status: StepStatus) -> None:
        self.status = move(STEP_EDGES, self.status, status)
        self.finished = time.monotonic()

    @property
    def done(self) -> bool:
        """Whether it ended well."""
        return self.status == StepStatus.SUCCEEDED


@dataclass(slots=True)
class RunRecord:
    """A run as its walker sees it."""

    id: str
    workflow_id: int
    version_id: int
    event_id: str | None
    trace_id: str
    status: str = RunStatus.QUEUED
    wakes: int = 0
    error: dict[str, Any] | None = None
    new: bool = False
    started: float = field(default_factory=time.monotonic)

    def start(self) -> None:
        """A walker took it."""
        self.status = move(RUN_EDGES, self.status, RunStatus.RUNNING)

    def park(self) -> None:
        """Nothing to do until a wait is resolved."""
        self.status = move(RUN_EDGES, self.status, RunStatus.WAITING)

    def succeed(self) -> None:
        """Every step that was reached ended well."""
        self.status = move(RUN_EDGES, self.status, RunStatus.SUCCEEDED)

    def fail(self, error: dict[str, Any]) -> None:
        """A step failed for good."""
        self.status = move(RUN_EDGES, self.status, RunStatus.FAILED)
        self.error = error


@dataclass(slots=True)
class WaitRecord:
    """What a path waits for, and for how many seconds from now."""

    path: str
    kind: str
    due_in: float


@dataclass(slots=True)
class LogRecord:
    """A line that a step logged, `at` on `time.monotonic()`."""

    path: str
    attempt: int
    level: str
    message: str
    at: float = field(default_factory=time.monotonic)
    id: uuid.UUID = field(default_factory=uuid7)


@dataclass(slots=True)
class QueuedRun:
    """A further run of an event that matched several workflows."""

    workflow_id: int
    version_id: int


@dataclass(slots=True)
class Checkpoint:
    """What one job has to write. Without a run it only settles a dispatch job, and queues further runs."""

    job: ClaimedJob
    outcome: Outcome
    run: RunRecord | None = None
    steps: list[StepRecord] = field(default_factory=list)
    waits: list[WaitRecord] = field(default_factory=list)
    logs: list[LogRecord] = field(default_factory=list)
    queued: list[QueuedRun] = field(default_factory=list)


@dataclass(slots=True)
class StoredRun:
    """A run as the journal knows it: the latest attempt of each path, and the paths that wait."""

    record: RunRecord
    steps: dict[str, StepRecord]
    waiting: frozenset[str]


def idempotency_key(run_id: str, path: str) -> str:
    """The same for every attempt of a step of a run, and for no other step."""
    return hashlib.sha256(f"{run_id}/{path}".encode()).hexdigest()[:32]


class Journal:
    """Reads and writes what runs have done."""

    def __init__(self, connection: psycopg.Connection[Any] | None, *, worker: str) -> None:
        self.connection = connection
        self.worker = worker

    def write(self, checkpoints: Sequence[Checkpoint]) -> dict[uuid.UUID, Verdict]:
        """Write checkpoints in one statement: a verdict for each job. Raises psycopg.Error; nothing is written then."""
        now = time.monotonic()
        ordered = sorted(checkpoints, key=lambda checkpoint: checkpoint.run.id if checkpoint.run else "")
        values = {
            "worker": self.worker,
            "checkpoints": _json(_checkpoint(checkpoint, now) for checkpoint in ordered),
            "steps": _json(_step(c.run, step, now) for c in ordered if c.run for step in c.steps),
            "waits": _json(_wait(c.run, wait) for c in ordered if c.run for wait in c.waits),
            "logs": _json(_log(c.run, log, now) for c in ordered if c.run for log in c.logs),
            "queued": _json(_queued(c.job, queued) for c in ordered for queued in c.queued),
        }
        return {row.job: Verdict(row.verdict) for row in database.run(self.connection, WRITE, values)}

    def definition(self, version_id: int) -> Any:
        """The document of a published version. Raises LookupError."""
        rows = database.run(self.connection, DEFINITION, {"version": version_id})
        if not rows:
            raise LookupError(f"there is no version {version_id}")
        return msgspec.json.decode(rows[0].definition)

    def read(self, run_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, StoredRun]:
        """What the journal holds of those runs."""
        rows = database.run(self.connection, READ, {"runs": list(run_ids)})
        return {row.id: _stored(row) for row in rows}


def _json(rows: Iterable[dict[str, Any]]) -> str:
    return msgspec.json.encode(list(rows)).decode()


def _checkpoint(checkpoint: Checkpoint, now: float) -> dict[str, Any]:
    row: dict[str, Any] = {
        "job": checkpoint.job.id,
        "token": checkpoint.job.token,
        "outcome": checkpoint.outcome,
        "progress": any(step.finished and step.status != StepStatus.INTERRUPTED for step in checkpoint.steps),
        "is_new": False,
    }
    run = checkpoint.run
    if run is not None:
        row |= {
            "run": run.id,
            "is_new": run.new,
            "workflow": run.workflow_id,
            "version": run.version_id,
            "event": run.event_id,
            "trace_id": run.trace_id,
            "status": run.status,
            "error": _error(run.error),
            "wakes": run.wakes,
            "started_ago": (now - run.started) * 1000,
        }
    return row


def _step(run: RunRecord, step: StepRecord, now: float) -> dict[str, Any]:
    return {
        "run": run.id,
        "id": uuid7(),
        "path": step.path,
        "attempt": step.attempt,
        "status": step.status,
        "input": None if step.input is None else msgspec.Raw(redact_json(step.input.decode()).encode()),
        "output": None if step.output is None else msgspec.Raw(step.output),
        "error": _error(step.error),
        "key": idempotency_key(run.id, step.path),
        "started_ago": (now - step.started) * 1000,
        "finished_ago": None if step.finished is None else (now - step.finished) * 1000,
    }


def _wait(run: RunRecord, wait: WaitRecord) -> dict[str, Any]:
    return {"run": run.id, "id": uuid7(), "path": wait.path, "kind": wait.kind, "due_in": wait.due_in}


def _log(run: RunRecord, log: LogRecord, now: float) -> dict[str, Any]:
    ago = (now - log.at) * 1000
    return {
        "run": run.id, "id": log.id, "path": log.path, "attempt": log.attempt,
        "level": _text(log.level)[:10], "message": _text(log.message), "ago": ago,
    }  # fmt: skip


def _queued(job: ClaimedJob, queued: QueuedRun) -> dict[str, Any]:
    return {
        "job": job.id, "run": uuid7(), "workflow": queued.workflow_id, "version": queued.version_id,
        "event": job.event_id, "trace_id": job.trace_id,
    }  # fmt: skip


def _error(error: dict[str, Any] | None) -> dict[str, Any] | None:
    if error is None:
        return None
    shown = {**error, "message": _text(error["message"])}
    return {**shown, "details": redact(error["details"])} if "details" in error else shown


def _text(value: Any) -> str:
    """Text that PostgreSQL stores and people may see: no secret, no NUL, no lone surrogate."""
    return redactor.text(str(value).replace("\0", "\ufffd").encode("utf-8", "replace").decode())


def _stored(row: Any) -> StoredRun:
    record = RunRecord(
        id=str(row.id),
        workflow_id=row.workflow_id,
        version_id=row.version_id,
        event_id=str(row.event_id) if row.event_id else None,
        trace_id=row.trace_id,
        status=row.status,
        wakes=row.wakes,
    )
    steps = {
        step["path"]: StepRecord(
            path=step["path"],
            attempt=step["attempt"],
            status=step["status"],
            output=None if step["output"] is None else msgspec.json.encode(step["output"]),
            error=step["error"],
            failures=step["failures"],
        )
        for step in msgspec.json.decode(row.steps or "[]")
    }
    return StoredRun(record, steps, frozenset(msgspec.json.decode(row.waits or "[]")))

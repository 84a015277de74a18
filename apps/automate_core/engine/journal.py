"""The journal: what a run has done, as records in memory and as one statement that writes many checkpoints at once.

A checkpoint is gated, row by row, on its job (id, token, leased) and its run (not final). The answers are `held`,
`lost` (the job is someone else's now: nothing of it was written) and `cancelled` (the run has ended meanwhile).
A checkpoint that was committed while its answer got lost may be written again: what is there stays as it is.
"""

from __future__ import annotations

import enum
import functools
import hashlib
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import psycopg
from django.db import connection as django_connection

from automate_core import database
from automate_core.ids import uuid7
from automate_core.models import WaitAssignee
from automate_core.outbox import ClaimedJob
from automate_core.states import RUN_EDGES, STEP_EDGES, RunStatus, StepStatus, WaitStatus, move
from automate_governance.redaction import redact, redact_json, redactor

WRITE = """
WITH asked AS MATERIALIZED (
    SELECT * FROM json_to_recordset(%(checkpoints)s::json) AS c(
        job uuid, token int, run uuid, is_new boolean, workflow bigint, version bigint, event uuid, trace_id text,
        status text, output jsonb, error jsonb, wakes int, started_ago float8, outcome text, progress boolean,
        parent uuid, parent_path text, depth int, priority int, slug text, end_id uuid)
), asked_queued AS MATERIALIZED (
    SELECT * FROM json_to_recordset(%(queued)s::json) AS q(
        job uuid, run uuid, workflow bigint, version bigint, event uuid, trace_id text, parent uuid, parent_path text,
        depth int, slot_key text, priority int, wait text, data jsonb)
), callers AS MATERIALIZED (
    SELECT id FROM automate_core_executionrun
    WHERE id IN (SELECT parent FROM asked WHERE is_new UNION ALL SELECT parent FROM asked_queued)
        AND status IN ('queued', 'running', 'waiting')
    ORDER BY id FOR NO KEY UPDATE
), known AS MATERIALIZED (
    SELECT run.id, run.status, run.seq, run.wakes FROM automate_core_executionrun run
    JOIN asked ON asked.run = run.id
    WHERE (SELECT count(*) FROM callers) >= 0  -- callers are locked first
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
        (id, workflow_id, version_id, event_id, cause, status, trace_id, output, error, created_at, started_at,
         finished_at, worker, seq, wakes, parent_id, parent_path, depth, priority)
    SELECT run, workflow, version, event, 'trigger', status, trace_id, output, error,
        automate_now() - started_ago * interval '1 millisecond',
        CASE WHEN status <> 'queued' THEN automate_now() - started_ago * interval '1 millisecond' END,
        CASE WHEN status IN ('succeeded', 'failed') THEN automate_now() END,
        CASE WHEN status <> 'queued' THEN %(worker)s ELSE '' END, seq, 0, parent, parent_path, depth,
        coalesce(priority, 0)
    FROM gate WHERE is_made AND (parent IS NULL OR parent IN (SELECT id FROM callers))
    ON CONFLICT (event_id, workflow_id) WHERE cause = 'trigger' DO NOTHING
    RETURNING id
), live AS MATERIALIZED (
    SELECT * FROM gate WHERE run IN (SELECT id FROM made) OR was IN ('queued', 'running', 'waiting')
), moved AS (
    UPDATE automate_core_executionrun run
    SET status = live.status, output = live.output, error = live.error, seq = live.seq, worker = %(worker)s,
        started_at = coalesce(run.started_at, automate_now() - live.started_ago * interval '1 millisecond'),
        finished_at = CASE WHEN live.status IN ('succeeded', 'failed') THEN automate_now() END
    FROM live WHERE run.id = live.run AND NOT live.is_made
), attempts AS MATERIALIZED (
    SELECT s.*, automate_now() - s.started_ago * interval '1 millisecond' AS started_at,
        automate_now() - s.finished_ago * interval '1 millisecond' AS finished_at
    FROM json_to_recordset(%(steps)s::json) AS s(
        run uuid, id uuid, path text, attempt int, status text, input jsonb, output jsonb, error jsonb, key text,
        started_ago float8, finished_ago float8)
), stepped AS (
    INSERT INTO automate_core_steprun AS step
        (id, run_id, path, attempt, status, input, output, error, idempotency_key, started_at, finished_at, seq)
    SELECT s.id, live.run, s.path, s.attempt, s.status, s.input, s.output, s.error, s.key, s.started_at, s.finished_at,
        live.seq
    FROM attempts s JOIN live ON live.run = s.run
    ON CONFLICT (run_id, path, attempt) DO UPDATE
    SET status = excluded.status, output = excluded.output, error = excluded.error,
        finished_at = excluded.finished_at, seq = excluded.seq
    WHERE step.status IN ('running', 'waiting')
), concluded AS (
    UPDATE automate_core_steprun step
    SET status = s.status, output = s.output, error = s.error, finished_at = s.finished_at
    FROM attempts s JOIN gate ON gate.run = s.run AND gate.was IN ('succeeded', 'failed', 'cancelled')
    WHERE step.run_id = s.run AND step.path = s.path AND step.attempt = s.attempt AND step.status = 'running'
), withdrawn AS (
    UPDATE automate_core_wait wait SET status = 'cancelled', resolved_at = automate_now(), seq = live.seq
    FROM json_to_recordset(%(withdrawn)s::json) AS w(run uuid, path text) JOIN live ON live.run = w.run
    WHERE wait.run_id = w.run AND wait.path = w.path AND wait.status = 'open'
), parked AS (
    INSERT INTO automate_core_wait (id, run_id, path, kind, status, due_at, remind_at, data, created_at, seq)
    SELECT w.id, live.run, w.path, w.kind, 'open',
        coalesce(w.due_at, automate_now() + w.due_in * interval '1 second'),
        automate_now() + w.remind_in * interval '1 second', w.data, automate_now(), live.seq
    FROM json_to_recordset(%(waits)s::json) AS w(
        run uuid, id uuid, path text, kind text, due_in float8, due_at timestamptz, remind_in float8, data jsonb)
    JOIN live ON live.run = w.run
    ON CONFLICT DO NOTHING
    RETURNING id
), assigned AS (
    INSERT INTO automate_core_waitassignee (wait_id, user_id, group_id)
    SELECT a.wait, a."user"::{user}, a."group"
    FROM json_to_recordset(%(assignees)s::json) AS a(wait uuid, "user" text, "group" int)
    JOIN parked ON parked.id = a.wait
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
        (id, workflow_id, version_id, event_id, cause, status, trace_id, created_at, worker, seq, wakes, parent_id,
         parent_path, depth, slot_key, admitted, priority)
    SELECT q.run, q.workflow, q.version, q.event, 'trigger', CASE WHEN q.wait IS NULL THEN 'queued' ELSE 'waiting' END,
        q.trace_id, automate_now(), '', 1, 0, q.parent, q.parent_path, q.depth, q.slot_key, q.slot_key IS NULL,
        q.priority
    FROM asked_queued q JOIN gate ON gate.job = q.job
    WHERE q.parent IS NULL OR q.parent IN (SELECT id FROM callers)
    ON CONFLICT (event_id, workflow_id) WHERE cause = 'trigger' DO NOTHING
    RETURNING id, workflow_id, event_id, priority, status
), kept AS (
    INSERT INTO automate_core_wait (id, run_id, path, kind, status, data, created_at, seq)
    SELECT gen_random_uuid(), queued.id, '', q.wait, 'open', q.data, automate_now(), 1
    FROM asked_queued q JOIN queued ON queued.id = q.run
    WHERE q.wait IS NOT NULL
), owed AS (
    INSERT INTO automate_core_outboxjob
        (id, kind, status, event_id, run_id, priority, lane, available_at, attempts, crashes, suspect, worker, token,
         last_error)
    SELECT gen_random_uuid(), 'advance', 'ready', event_id, id, -priority, workflow_id %% 1024, automate_now(), 0, 0,
        false, '', 0, ''
    FROM queued WHERE status = 'queued'
), said AS (
    INSERT INTO automate_core_event (id, source, type, delivery_key, payload, headers, trace_id, received_at)
    SELECT c.id, c.source, '', c.key, c.payload, c.headers, live.trace_id, automate_now()
    FROM json_to_recordset(%(calls)s::json) AS c(
        run uuid, id uuid, source text, key text, payload jsonb, headers jsonb)
    JOIN live ON live.run = c.run
    UNION ALL
    SELECT end_id, 'run:' || slug, status, run::text,
        jsonb_build_object('run', run, 'workflow', slug, 'status', status, 'error', error),
        jsonb_build_object('automate-depth', (depth + 1)::text), trace_id,
        automate_now()
    FROM live WHERE end_id IS NOT NULL
        AND EXISTS (SELECT FROM automate_core_activetrigger t WHERE t.source = 'run:' || live.slug)
    ON CONFLICT (source, delivery_key) DO NOTHING
    RETURNING id, source
), told AS (
    INSERT INTO automate_core_outboxjob
        (id, kind, status, event_id, priority, lane, available_at, attempts, crashes, suspect, worker, token,
         last_error)
    SELECT gen_random_uuid(), 'dispatch', 'ready', id, 0, abs(hashtext(source) %% 1024), automate_now(), 0, 0, false,
        '', 0, ''
    FROM said
), settled AS (
    UPDATE automate_core_outboxjob job
    SET kind = CASE WHEN gate.run IS NULL THEN job.kind ELSE 'advance' END,
        run_id = gate.run,
        status = CASE
            WHEN gate.outcome = 'hold' THEN 'leased'
            WHEN live.job IS NOT NULL AND live.outcome = 'park' AND live.wakes_now > live.wakes THEN 'ready'
            ELSE 'completed' END,
        attempts = CASE WHEN gate.progress THEN 0 ELSE job.attempts END,
        suspect = job.suspect AND NOT gate.progress,
        lease_until = CASE WHEN gate.outcome = 'hold' THEN job.lease_until END
    FROM gate LEFT JOIN live ON live.job = gate.job
    WHERE job.id = gate.job
)
SELECT asked.job, EXISTS (SELECT FROM said) AS told, CASE
    WHEN gate.job IS NULL THEN 'lost'
    WHEN gate.run IS NULL OR live.job IS NOT NULL THEN 'held'
    ELSE 'cancelled' END AS verdict
FROM asked LEFT JOIN gate ON gate.job = asked.job LEFT JOIN live ON live.job = asked.job
"""

READ = """
SELECT run.id, run.workflow_id, run.version_id, run.event_id, run.status, run.wakes, run.trace_id, run.parent_id,
    run.depth, run.slot_key, run.vars::text AS vars,
    (SELECT json_agg(latest)::text FROM (
        SELECT DISTINCT ON (path) path, attempt, status, output, error,
            CASE WHEN status IN ('running', 'waiting') THEN input END AS input,
            count(*) FILTER (WHERE status = 'failed') OVER (PARTITION BY path) AS failures
        FROM automate_core_steprun WHERE run_id = run.id ORDER BY path, attempt DESC) latest) AS steps
FROM automate_core_executionrun run WHERE run.id = ANY(%(runs)s)
"""

# The latest wait of each path; of a callback the answer, if one came before the run did.
WAITS = """
SELECT run.id, run.status, run.wakes, waits.path, waits.kind, waits.status AS state, waits.outcome::text AS outcome
FROM automate_core_executionrun run
LEFT JOIN LATERAL (
    SELECT DISTINCT ON (path) path, kind, status, outcome FROM automate_core_wait WHERE run_id = run.id
    ORDER BY path, (kind = 'callback' AND status = 'resolved') DESC, id DESC
) waits ON true
WHERE run.id = ANY(%(runs)s)
"""

DEFINITION = "SELECT definition::text FROM automate_core_workflowversion WHERE id = %(version)s"


_ENDED = frozenset({RunStatus.SUCCEEDED, RunStatus.FAILED})


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

    def wait(self) -> None:
        """Parked on somebody or something."""
        self.status = move(STEP_EDGES, self.status, StepStatus.WAITING)

    def proceed(self) -> None:
        """What it waited for has come."""
        self.status = move(STEP_EDGES, self.status, StepStatus.RUNNING)

    def cancel(self) -> None:
        """Withdrawn with its strand."""
        self._end(StepStatus.CANCELLED)

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

    @property
    def ended(self) -> bool:
        """Whether nothing more comes of this attempt."""
        return self.status not in {StepStatus.RUNNING, StepStatus.WAITING}


@dataclass(slots=True)
class RunRecord:
    """A run as its walker sees it."""

    id: str
    workflow_id: int
    version_id: int
    event_id: str | None
    trace_id: str
    slug: str = ""
    status: str = RunStatus.QUEUED
    wakes: int = 0
    vars: dict[str, Any] | None = None
    output: Any = None
    error: dict[str, Any] | None = None
    parent_id: str | None = None
    parent_path: str = ""
    depth: int = 0
    slot_key: str | None = None
    priority: int = 0
    new: bool = False
    end_id: str = field(default_factory=lambda: str(uuid7()))
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
    """What a path waits for: until so many seconds from now, or a time; `people` are those whose decision it is."""

    path: str
    kind: str
    due_in: float | None = None
    due_at: str | None = None
    remind_in: float | None = None
    data: dict[str, Any] | None = None
    people: dict[str, list[Any]] | None = None
    id: uuid.UUID = field(default_factory=uuid7)


@dataclass(frozen=True, slots=True)
class WaitAnswer:
    """How a wait stands, and what came of it."""

    kind: str
    is_open: bool
    outcome: dict[str, Any] | None


@dataclass(slots=True)
class CallRecord:
    """A workflow to start, by an event of its own."""

    path: str
    workflow: str
    payload: bytes
    waits: bool
    event_id: uuid.UUID = field(default_factory=uuid7)


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
    """A run that its own job will walk, or that first waits: for its turn (`slot`) or its workflow (`paused`)."""

    run: RunRecord
    priority: int = 0
    wait: str | None = None
    data: dict[str, Any] | None = None


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
    withdrawn: list[str] = field(default_factory=list)
    calls: list[CallRecord] = field(default_factory=list)


@dataclass(slots=True)
class StoredRun:
    """A run as the journal knows it: the latest attempt and the latest wait of each path."""

    record: RunRecord
    steps: dict[str, StepRecord]
    waits: dict[str, WaitAnswer] = field(default_factory=dict)


@dataclass(slots=True)
class Standing:
    """How a run stands that is walked at this moment."""

    status: str
    wakes: int
    waits: dict[str, WaitAnswer]


def idempotency_key(run_id: str, path: str) -> str:
    """The same for every attempt of a step of a run, and for no other step."""
    return hashlib.sha256(f"{run_id}/{path}".encode()).hexdigest()[:32]


class Journal:
    """Reads and writes what runs have done."""

    def __init__(self, connection: psycopg.Connection[Any] | None, *, worker: str) -> None:
        self.connection = connection
        self.worker = worker
        self.has_told = False  #: whether the last write handed in events: calls, and ends that somebody listens to

    def write(self, checkpoints: Sequence[Checkpoint]) -> dict[uuid.UUID, Verdict]:
        """Write checkpoints in one statement: a verdict for each job. Raises psycopg.Error; nothing is written then."""
        now = time.monotonic()
        ordered = sorted(checkpoints, key=lambda checkpoint: checkpoint.run.id if checkpoint.run else "")
        with_runs = [(checkpoint, checkpoint.run) for checkpoint in ordered if checkpoint.run]
        values = {
            "worker": self.worker,
            "checkpoints": _json(_checkpoint(checkpoint, now) for checkpoint in ordered),
            "steps": _json(_step(run, step, now) for c, run in with_runs for step in c.steps),
            "waits": _json(_wait(run, wait) for c, run in with_runs for wait in c.waits),
            "assignees": _json(row for c, _ in with_runs for wait in c.waits for row in _assignees(wait)),
            "withdrawn": _json({"run": run.id, "path": path} for c, run in with_runs for path in c.withdrawn),
            "calls": _json(_call(run, call) for c, run in with_runs for call in c.calls),
            "logs": _json(_log(run, log, now) for c, run in with_runs for log in c.logs),
            "queued": _json(_queued(c.job, queued) for c in ordered for queued in c.queued),
        }
        rows = database.run(self.connection, _write(), values)
        self.has_told = any(row.told for row in rows)
        return {row.job: Verdict(row.verdict) for row in rows}

    def definition(self, version_id: int) -> Any:
        """The document of a published version. Raises LookupError."""
        rows = database.run(self.connection, DEFINITION, {"version": version_id})
        if not rows:
            raise LookupError(f"there is no version {version_id}")
        return msgspec.json.decode(rows[0].definition)

    def read(self, run_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, StoredRun]:
        """What the journal holds of those runs. The waits are read first: one that ends meanwhile moves `wakes`."""
        wanted = list(run_ids)
        standings = self.standing(wanted)
        stored = {row.id: _stored(row) for row in database.run(self.connection, READ, {"runs": wanted})}
        for run_id, run in stored.items():
            run.waits, run.record.wakes = standings[run_id].waits, standings[run_id].wakes
        return stored

    def standing(self, run_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, Standing]:
        """How those runs and their waits stand."""
        standings: dict[uuid.UUID, Standing] = {}
        for row in database.run(self.connection, WAITS, {"runs": list(run_ids)}):
            standing = standings.setdefault(row.id, Standing(row.status, row.wakes, {}))
            if row.path is not None:
                outcome = None if row.outcome is None else msgspec.json.decode(row.outcome)
                standing.waits[row.path] = WaitAnswer(row.kind, row.state == WaitStatus.OPEN, outcome)
        return standings


@functools.cache
def _write() -> str:
    """The statement, with the type of the host's user keys in it."""
    user = WaitAssignee._meta.get_field("user").db_type(django_connection)
    return WRITE.format(user=user)


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
            "output": run.output,
            "error": _error(run.error),
            "parent": run.parent_id,
            "parent_path": run.parent_path,
            "depth": run.depth,
            "priority": run.priority,
            "slug": run.slug,
            "end_id": run.end_id if run.status in _ENDED else None,
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
    return {
        "run": run.id, "id": wait.id, "path": wait.path, "kind": wait.kind, "due_in": wait.due_in,
        "due_at": wait.due_at, "remind_in": wait.remind_in, "data": wait.data and redact(wait.data),
    }  # fmt: skip


def _assignees(wait: WaitRecord) -> Iterator[dict[str, Any]]:
    for kind in ("user", "group"):
        for key in (wait.people or {}).get(f"{kind}s", []):
            yield {"wait": wait.id, kind: key}


def _call(run: RunRecord, call: CallRecord) -> dict[str, Any]:
    caller = {"automate-run": run.id, "automate-path": call.path, "automate-depth": str(run.depth + 1)}
    return {
        "run": run.id, "id": call.event_id, "source": f"call:{call.workflow}",
        "key": idempotency_key(run.id, call.path), "payload": msgspec.Raw(call.payload),
        "headers": caller if call.waits else {"automate-depth": caller["automate-depth"]},
    }  # fmt: skip


def _log(run: RunRecord, log: LogRecord, now: float) -> dict[str, Any]:
    ago = (now - log.at) * 1000
    return {
        "run": run.id, "id": log.id, "path": log.path, "attempt": log.attempt,
        "level": _text(log.level)[:10], "message": _text(log.message), "ago": ago,
    }  # fmt: skip


def _queued(job: ClaimedJob, queued: QueuedRun) -> dict[str, Any]:
    run = queued.run
    return {
        "job": job.id, "run": run.id, "workflow": run.workflow_id, "version": run.version_id, "event": job.event_id,
        "trace_id": run.trace_id, "parent": run.parent_id, "parent_path": run.parent_path, "depth": run.depth,
        "slot_key": run.slot_key, "priority": queued.priority, "wait": queued.wait, "data": queued.data,
    }  # fmt: skip


def _error(error: dict[str, Any] | None) -> dict[str, Any] | None:
    return None if error is None else clean_error(error)


def clean_error(error: dict[str, Any]) -> dict[str, Any]:
    """An error as it may be stored and seen."""
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
        vars=None if row.vars is None else msgspec.json.decode(row.vars),
        parent_id=str(row.parent_id) if row.parent_id else None,
        depth=row.depth,
        slot_key=row.slot_key,
    )
    steps = {
        step["path"]: StepRecord(
            path=step["path"],
            attempt=step["attempt"],
            status=step["status"],
            input=None if step["input"] is None else msgspec.json.encode(step["input"]),
            output=None if step["output"] is None else msgspec.json.encode(step["output"]),
            error=step["error"],
            failures=step["failures"],
        )
        for step in msgspec.json.decode(row.steps or "[]")
    }
    return StoredRun(record, steps)

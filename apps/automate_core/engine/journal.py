"""The journal: writes what runs have done, many checkpoints at once, and reads it.

A checkpoint that was committed while its answer got lost may be written again: what is there stays as it is.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
import psycopg

from automate_core import database
from automate_core.engine import journal_sql
from automate_core.engine.records import (
    CallRecord,
    Checkpoint,
    EffectRecord,
    HandOutRecord,
    LogRecord,
    QueuedRun,
    RunRecord,
    RunSnapshot,
    StepRecord,
    StoredRun,
    WaitRecord,
    WaitState,
    WriteResult,
    attempt_key,
    idempotency_key,
)
from automate_core.ids import uuid7
from automate_core.models import ExecutionRun
from automate_core.outbox import subjects
from automate_core.outbox.store import ClaimedJob
from automate_core.states import RunStatus, StepStatus, WaitStatus
from automate_core.triggers.host_events import CALL_SOURCE, ROOT_HEADER
from automate_governance.redaction.redactor import Redactor
from automate_plugins.texts import plain, restored, stored

_ENDED = frozenset({RunStatus.SUCCEEDED, RunStatus.FAILED})


class Journal:
    """Reads and writes what runs have done."""

    def __init__(self, connection: psycopg.Connection[Any] | None, *, worker: str) -> None:
        self.connection = connection
        self.worker = worker
        self.emitted_events = False  #: by the last write: calls, and ends of runs that start workflows

    def write(self, checkpoints: Sequence[Checkpoint]) -> dict[uuid.UUID, WriteResult]:
        """Write checkpoints in one statement: the result for each job. Raises psycopg.Error; then none is written."""
        now = time.monotonic()
        ordered = sorted(checkpoints, key=lambda checkpoint: checkpoint.run.id if checkpoint.run else "")
        with_runs = [(checkpoint, checkpoint.run) for checkpoint in ordered if checkpoint.run]
        new_runs = [run for _, run in with_runs if run.is_new] + [each.run for c in ordered for each in c.queued]
        rows: dict[str, list[dict[str, Any]]] = {
            "checkpoints": [_checkpoint(checkpoint, now) for checkpoint in ordered],
            "steps": [_step(run, step, now) for c, run in with_runs for step in c.steps if not step.is_stored],
            "outcomes": [_outcome(run, step, now) for c, run in with_runs for step in c.steps if step.is_stored],
            "waits": [_wait(run, wait) for c, run in with_runs for wait in c.waits],
            "assignees": [row for c, _ in with_runs for wait in c.waits for row in _assignees(wait)],
            "cancelled_waits": [{"run": run.id, "path": path} for c, run in with_runs for path in c.cancelled_waits],
            "calls": [_call(run, call) for c, run in with_runs for call in c.calls],
            "logs": [log_row(run, log, now) for c, run in with_runs for log in c.logs],
            "queued": [_queued(c.job, queued) for c in ordered for queued in c.queued],
            "effects": [_effects(run, each) for c, run in with_runs for each in c.effects],
            "replies": [
                {"run": run.id, "path": reply.path, "attempt": reply.attempt}
                for c, run in with_runs
                for reply in c.replies
            ],
            "handed_out": [_hand_out(run, each) for c, run in with_runs for each in c.handed_out],
            "search_terms": [row for run in new_runs for row in _search_terms(run)],
        }
        there = {name for name, some in rows.items() if some}
        if any(run.is_new and run.parent_id for _, run in with_runs):
            there.add("queued")
        if any(run.status in _ENDED and run.notifies_end for _, run in with_runs):
            there.add("ends")
        values = {name: msgspec.json.encode(some, enc_hook=plain).decode() for name, some in rows.items()}
        written = database.run(self.connection, journal_sql.write(frozenset(there)), {"worker": self.worker, **values})
        self.emitted_events = any(row.emitted for row in written)
        results = dict.fromkeys((checkpoint.job.id for checkpoint in checkpoints), WriteResult.HELD)
        return results | {row.job: WriteResult(row.result) for row in written if row.job}

    def definition(self, version_id: int) -> tuple[Any, Any]:
        """The document of a version, and the test options of a snapshot, else None. Raises LookupError."""
        rows = database.run(self.connection, journal_sql.DEFINITION, {"version": version_id})
        if not rows:
            raise LookupError(f"there is no version {version_id}")
        return msgspec.json.decode(rows[0].definition), rows[0].test and msgspec.json.decode(rows[0].test)

    def published(self, most: int) -> list[int]:
        """The ids of at most `most` published versions, newest first."""
        return [row.id for row in database.run(self.connection, journal_sql.PUBLISHED, {"most": most})]

    def read(self, run_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, StoredRun]:
        """Those runs as they are stored. The waits are read first: one that ends meanwhile raises `wakes`."""
        wanted = list(run_ids)
        snapshots = self.read_snapshots(wanted)
        stored = {row.id: _stored(row) for row in database.run(self.connection, journal_sql.READ, {"runs": wanted})}
        for run_id, run in stored.items():
            run.waits, run.record.wakes = snapshots[run_id].waits, snapshots[run_id].wakes
        return stored

    def read_snapshots(self, run_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, RunSnapshot]:
        """The present state of those runs and of their waits."""
        snapshots: dict[uuid.UUID, RunSnapshot] = {}
        for row in database.run(self.connection, journal_sql.WAITS, {"runs": list(run_ids)}):
            snapshot = snapshots.setdefault(row.id, RunSnapshot(row.status, row.wakes, {}))
            if row.path is not None:
                outcome = None if row.outcome is None else msgspec.json.decode(row.outcome)
                snapshot.waits[row.path] = WaitState(row.kind, row.state == WaitStatus.OPEN, outcome)
        return snapshots


def _checkpoint(checkpoint: Checkpoint, now: float) -> dict[str, Any]:
    row: dict[str, Any] = {
        "job": checkpoint.job.id,
        "token": checkpoint.job.token,
        "disposition": checkpoint.disposition,
        "progress": any(step.finished and step.status != StepStatus.INTERRUPTED for step in checkpoint.steps),
        "is_new": False,
    }
    run = checkpoint.run
    if run is not None:
        row |= {
            "run": run.id,
            "is_new": run.is_new,
            "workflow": run.workflow_id,
            "version": run.version_id,
            "event": run.event_id,
            "trace_id": run.trace_id,
            "status": run.status,
            "output": run.output,
            "error": _error(run.error, run.redactor),
            "parent": run.parent_id,
            "parent_path": run.parent_path,
            "depth": run.depth,
            "priority": run.priority,
            "origin": run.origin,
            "slug": run.slug,
            "ends": run.status in _ENDED and run.notifies_end,
            "wakes": run.wakes,
            "started_ago": (now - run.started) * 1000,
        }
    return row


def _step(run: RunRecord, step: StepRecord, now: float) -> dict[str, Any]:
    row = _outcome(run, step, now) | {
        "id": uuid7(),
        "input": None if step.input is None else msgspec.Raw(run.redactor.document(step.input.decode()).encode()),
        "key": attempt_key(run.id, step),
        "started_ago": (now - step.started) * 1000,
    }
    if step.input_file:
        row["input_file"] = step.input_file
    return row


def _outcome(run: RunRecord, step: StepRecord, now: float) -> dict[str, Any]:
    """What changes of an attempt that is stored."""
    row = {
        "run": run.id,
        "path": step.path,
        "attempt": step.attempt,
        "status": step.status,
        "output": None if step.output is None else msgspec.Raw(step.output),
        "error": _error(step.error, run.redactor),
        "finished_ago": None if step.finished is None else (now - step.finished) * 1000,
    }
    if step.output_file:
        row["output_file"] = step.output_file
    return row


def _wait(run: RunRecord, wait: WaitRecord) -> dict[str, Any]:
    return {
        "run": run.id, "id": wait.id, "path": wait.path, "kind": wait.kind, "due_in": wait.due_in,
        "due_at": wait.due_at, "remind_in": wait.remind_in, "data": wait.data and run.redactor.value(wait.data),
    }  # fmt: skip


def _assignees(wait: WaitRecord) -> Iterator[dict[str, Any]]:
    for name, kind in (("users", "user"), ("groups", "group"), ("excluded", "user")):
        for key in (wait.people or {}).get(name, []):
            yield {"wait": wait.id, kind: key, "excluded": name == "excluded"}


def _call(run: RunRecord, call: CallRecord) -> dict[str, Any]:
    follows = {"automate-depth": str(run.depth + 1), ROOT_HEADER: run.root_id or run.id}
    payload = run.redactor.document(call.payload.decode(), patterns=False)
    return {
        "run": run.id, "id": call.event_id, "source": f"{CALL_SOURCE}{call.workflow}",
        "key": idempotency_key(run.id, call.path), "payload": msgspec.Raw(payload.encode()),
        "subject": subjects.guess_subject_of_json(payload),
        "headers": {"automate-run": run.id, "automate-path": call.path, **follows} if call.waits else follows,
    }  # fmt: skip


def _hand_out(run: RunRecord, record: HandOutRecord) -> dict[str, Any]:
    return {
        "run": run.id, "id": record.id, "path": record.path, "attempt": record.attempt, "pool": record.pool,
        "params": msgspec.Raw(record.params), "seconds": record.seconds, "most_claims": record.most_claims,
    }  # fmt: skip


def _effects(run: RunRecord, record: EffectRecord) -> dict[str, Any]:
    return {
        "run": run.id,
        "path": record.path,
        "attempt": record.attempt,
        "effects": [_effect(each, run.redactor) for each in record.effects],
    }


def _effect(effect: dict[str, Any], redactor: Redactor) -> dict[str, Any]:
    """A redacted effect; beside its summary, `text` is what that is translated from."""
    cleaned: dict[str, Any] = redactor.value(effect)
    if (kept := _kept_text(effect.get("summary", ""), cleaned.get("summary", ""), redactor)) is not None:
        cleaned["text"] = kept
    return cleaned


def log_row(run: RunRecord, log: LogRecord, now: float) -> dict[str, Any]:
    """A redacted line as statements take it, `now` on `time.monotonic()`."""
    ago = (now - log.at) * 1000
    return {
        "run": run.id, "id": log.id, "path": log.path, "attempt": log.attempt,
        "level": _text(log.level, run.redactor)[:10], "message": _text(log.message, run.redactor), "ago": ago,
    }  # fmt: skip


def _queued(job: ClaimedJob, queued: QueuedRun) -> dict[str, Any]:
    run = queued.run
    return {
        "job": job.id, "run": run.id, "workflow": run.workflow_id, "version": run.version_id, "event": job.event_id,
        "trace_id": run.trace_id, "parent": run.parent_id, "parent_path": run.parent_path, "depth": run.depth,
        "origin": run.origin, "slot_key": run.slot_key, "priority": run.priority,
        "wait": queued.wait, "data": queued.data,
    }  # fmt: skip


def _search_terms(run: RunRecord) -> Iterator[dict[str, Any]]:
    for name, value in run.search_terms.items():
        yield {"run": run.id, "name": name, "value": value}


def _error(error: dict[str, Any] | None, redactor: Redactor) -> dict[str, Any] | None:
    return None if error is None else clean_error(error, redactor)


def clean_error(error: dict[str, Any], redactor: Redactor) -> dict[str, Any]:
    """A redacted copy of an error document, to be stored: its message in English, and `text` to translate it from."""
    cleaned = {name: value for name, value in error.items() if name != "text"}
    cleaned["message"] = message = _text(error["message"], redactor)
    if (kept := _kept_text(error["message"], message, redactor, error.get("text"))) is not None:
        cleaned["text"] = kept
    if "details" in error:
        cleaned["details"] = redactor.value(error["details"])
    return cleaned


def _kept_text(
    message: Any, redacted: str, redactor: Redactor, kept: dict[str, Any] | None = None
) -> dict[str, Any] | None:
    """The source of a redacted message's translation; None where only the whole message shows a secret."""
    kept = _redact_text(kept or stored(message), redactor)
    return kept if kept is not None and restored(kept) == redacted else None


def _redact_text(kept: dict[str, Any] | None, redactor: Redactor) -> dict[str, Any] | None:
    """The source of a message's translation, with redacted values."""
    if kept is None:
        return None
    values = {
        name: _redact_text(value, redactor)
        if isinstance(value, dict)
        else _text(value, redactor)
        if isinstance(value, str)
        else value
        for name, value in kept["values"].items()
    }
    return {**kept, "values": values}


def _text(value: Any, redactor: Redactor) -> str:
    """Redacted text that PostgreSQL can store: no NUL, no lone surrogate."""
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
        inherited_keys=None if row.inherited_keys is None else msgspec.json.decode(row.inherited_keys),
        parent_id=str(row.parent_id) if row.parent_id else None,
        depth=row.depth,
        slot_key=row.slot_key,
    )
    if row.cause == ExecutionRun.Cause.TEST:
        record.notifies_end = False
    steps = {
        step["path"]: StepRecord(
            path=step["path"],
            attempt=step["attempt"],
            status=step["status"],
            input=None if step["input"] is None else msgspec.json.encode(step["input"]),
            output=None if step["output"] is None else msgspec.json.encode(step["output"]),
            input_file=step["input_file"],
            output_file=step["output_file"],
            error=step["error"],
            failures=step["failures"],
            key=step["key"],
            is_stored=True,
        )
        for step in msgspec.json.decode(row.steps or "[]")
    }
    return StoredRun(record, steps)

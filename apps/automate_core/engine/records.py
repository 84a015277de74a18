"""Records of a run in memory: the interpreter creates them, the journal reads and writes them."""

from __future__ import annotations

import enum
import hashlib
import json
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from automate_core.ids import uuid7
from automate_core.outbox.store import ClaimedJob
from automate_core.states import RUN_EDGES, STEP_EDGES, RunStatus, StepStatus, move
from automate_governance.redaction.redactor import Redactor


class WriteResult(enum.StrEnum):
    """What became of a checkpoint: written, refused because the job is another's now, or because the run ended."""

    HELD = "held"
    LOST = "lost"
    CANCELLED = "cancelled"


class JobDisposition(enum.StrEnum):
    """The state of the job after the checkpoint."""

    HOLD = "hold"  #: stays leased: effects are running
    PARK = "park"  #: completed, unless a wait was resolved meanwhile; then ready at once
    COMPLETE = "complete"  #: completed


@dataclass(slots=True)
class StepRecord:
    """One attempt of one step. `failures` counts the failed attempts of its path up to now.

    `input` and `output` are previews where there are files of them. Of one that is stored, only the outcome changes.
    `key` is its idempotency key, where that is another than its path's (`attempt_key`).
    """

    path: str
    attempt: int
    status: str = StepStatus.RUNNING
    input: bytes | None = None
    output: bytes | None = None
    error: dict[str, Any] | None = None
    failures: int = 0
    input_file: str | None = None
    output_file: str | None = None
    key: str = ""
    started: float = field(default_factory=time.monotonic)
    finished: float | None = None
    is_stored: bool = False

    def succeed(self, output: bytes | None, file: str | None = None) -> None:
        """End well, with the output as a JSON document, or with its file and a preview."""
        self._end(StepStatus.SUCCEEDED)
        self.output, self.output_file = output, file

    def fail(self, error: dict[str, Any]) -> None:
        """End with an error."""
        self._end(StepStatus.FAILED)
        self.error = error
        self.failures += 1

    def wait(self) -> None:
        """Begin to wait."""
        self.status = move(STEP_EDGES, self.status, StepStatus.WAITING)

    def skip(self, output: bytes) -> None:
        """End as skipped by a person, with the output that they gave."""
        self._end(StepStatus.SKIPPED)
        self.output = output

    def resume(self) -> None:
        """End the waiting: what the step waited for has come."""
        self.status = move(STEP_EDGES, self.status, StepStatus.RUNNING)

    def cancel(self) -> None:
        """End as cancelled with its task."""
        self._end(StepStatus.CANCELLED)

    def interrupt(self) -> None:
        """End as interrupted: another worker began it and crashed."""
        self._end(StepStatus.INTERRUPTED)

    def _end(self, status: StepStatus) -> None:
        self.status = move(STEP_EDGES, self.status, status)
        self.finished = time.monotonic()

    @property
    def done(self) -> bool:
        """Whether it ended well or was skipped: the step needs no further attempt."""
        return self.status in {StepStatus.SUCCEEDED, StepStatus.SKIPPED}

    @property
    def ended(self) -> bool:
        """Whether the attempt is over."""
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
    root_id: str = ""  # the run from which it follows by calls; empty for one that no run called
    slot_key: str | None = None
    priority: int = 0
    origin: str = ""
    search_terms: dict[str, str] = field(default_factory=dict)
    inherited_keys: dict[str, Any] | None = None  # of attempts in doubt that it repeats, by path
    is_new: bool = False
    notifies_end: bool = True  # whether its end is counted and emitted as an event
    started: float = field(default_factory=time.monotonic)
    redactor: Redactor = field(default_factory=Redactor)  # of its version, once it is walked

    def start(self) -> None:
        """Begin to walk."""
        self.status = move(RUN_EDGES, self.status, RunStatus.RUNNING)

    def park(self) -> None:
        """Wait until a wait is resolved."""
        self.status = move(RUN_EDGES, self.status, RunStatus.WAITING)

    def succeed(self) -> None:
        """End well: every step that was reached did."""
        self.status = move(RUN_EDGES, self.status, RunStatus.SUCCEEDED)

    def fail(self, error: dict[str, Any]) -> None:
        """End with the error of the step that failed."""
        self.status = move(RUN_EDGES, self.status, RunStatus.FAILED)
        self.error = error


@dataclass(slots=True)
class WaitRecord:
    """A wait to open at a path, due in seconds from now or at a time; `people` may decide an approval."""

    path: str
    kind: str
    due_in: float | None = None
    due_at: str | None = None
    remind_in: float | None = None
    data: dict[str, Any] | None = None
    people: dict[str, list[Any]] | None = None
    id: uuid.UUID = field(default_factory=uuid7)


@dataclass(frozen=True, slots=True)
class WaitState:
    """A wait as the journal knows it: open, or with its outcome."""

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


@dataclass(frozen=True, slots=True)
class HandOutRecord:
    """An attempt for a pool, whose outcome resolves the wait of that id. `params` are its inputs as a JSON document."""

    id: uuid.UUID
    path: str
    attempt: int
    pool: str
    params: bytes
    seconds: float
    most_claims: int


@dataclass(frozen=True, slots=True)
class EffectRecord:
    """The effects that an attempt of a dry run would have had."""

    path: str
    attempt: int
    effects: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class ReplyRecord:
    """The attempt of a reply step whose output answers the caller."""

    path: str
    attempt: int


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
    """A new run with a job of its own, or with a `wait` first: for a concurrency slot (`slot`) or a paused workflow."""

    run: RunRecord
    wait: str | None = None
    data: dict[str, Any] | None = None


@dataclass(slots=True)
class Checkpoint:
    """What one job has to write. Without a run it only completes a dispatch job and queues new runs."""

    job: ClaimedJob
    disposition: JobDisposition
    run: RunRecord | None = None
    steps: list[StepRecord] = field(default_factory=list)
    waits: list[WaitRecord] = field(default_factory=list)
    logs: list[LogRecord] = field(default_factory=list)
    queued: list[QueuedRun] = field(default_factory=list)
    cancelled_waits: list[str] = field(default_factory=list)
    calls: list[CallRecord] = field(default_factory=list)
    effects: list[EffectRecord] = field(default_factory=list)
    replies: list[ReplyRecord] = field(default_factory=list)
    handed_out: list[HandOutRecord] = field(default_factory=list)


@dataclass(slots=True)
class StoredRun:
    """A run as the journal knows it: the latest attempt and the latest wait of each path."""

    record: RunRecord
    steps: dict[str, StepRecord]
    waits: dict[str, WaitState] = field(default_factory=dict)


@dataclass(slots=True)
class RunSnapshot:
    """What others may have changed of a run that is walked at this moment."""

    status: str
    wakes: int
    waits: dict[str, WaitState]


def idempotency_key(run_id: str, path: str) -> str:
    """The same for every attempt of a step of a run, and for no other step."""
    return hashlib.sha256(f"{run_id}/{path}".encode()).hexdigest()[:32]


def attempt_key(run_id: str, step: StepRecord) -> str:
    """The idempotency key of an attempt: its run's, or that of an attempt in doubt that it repeats in a re-run."""
    return step.key or idempotency_key(run_id, step.path)


def input_digest(value: Any) -> str:
    """The digest of a redacted input, the same for what is rendered and for what PostgreSQL gives back of it."""
    return hashlib.sha256(json.dumps(_plain(value), sort_keys=True).encode()).hexdigest()[:32]


def _plain(value: Any) -> Any:
    """A JSON value with whole numbers as int: PostgreSQL writes 1e22 as digits."""
    match value:
        case dict():
            return {name: _plain(each) for name, each in value.items()}
        case list():
            return [_plain(each) for each in value]
        case float() if value.is_integer():
            return int(value)
    return value

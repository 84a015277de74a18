"""The log of an attempt while it is performed: its lines are stored within a second, and what is left with its end.

A thread of the process stores lines that are older than DELAY_SECONDS, of all attempts in one statement, and raises the
sequences of their runs, which pages and streams follow. Lines of an attempt that ends before are written by its
checkpoint alone, as lines are of which it is unknown whether they were stored: each has an id, and is stored once.
"""

from __future__ import annotations

import itertools
import logging
import math
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg

from automate_core import database
from automate_core.engine.journal import log_row
from automate_core.engine.records import LogRecord
from automate_core.faultpoints import reach
from automate_plugins import text

if TYPE_CHECKING:
    from automate_core.engine.effects.call import EffectCall

log = logging.getLogger(__name__)

DELAY_SECONDS = 0.2  #: after which a line is stored before its attempt ends
RETRY_SECONDS = 2.0  #: while the database is away
IDLE_SECONDS = 30.0  #: without lines, after which the thread ends
MOST_AT_ONCE = 2_000  #: lines of a statement

MOST_LINES = 1_000  #: of an attempt
MOST_CHARACTERS = 256_000  #: of the lines of an attempt
LONGEST_LINE = 8_000  #: characters

_OPTIONS = {**database.WORKER_OPTIONS, "statement_timeout": "10s"}

# A run that is locked, by a checkpoint at this moment, is left out and tried again: nothing waits for a log. What is
# no longer leased to this worker belongs to another attempt.
STORE = """
WITH lines AS MATERIALIZED (
    SELECT * FROM json_to_recordset(%(lines)s::json) AS l(
        job uuid, token int, run uuid, id uuid, path text, attempt int, level text, message text, ago float8)
), held_jobs AS MATERIALIZED (
    SELECT job.id FROM (SELECT DISTINCT job, token FROM lines) held
    JOIN automate_core_outboxjob job ON job.id = held.job AND job.token = held.token AND job.status || '' = 'leased'
), open_runs AS MATERIALIZED (
    SELECT run.id, run.seq + 1 AS seq FROM automate_core_executionrun run
    WHERE run.id IN (SELECT run FROM lines WHERE job IN (SELECT id FROM held_jobs))
        AND run.status || '' IN ('queued', 'running', 'waiting')
    ORDER BY run.id FOR NO KEY UPDATE SKIP LOCKED
), new_logs AS (
    INSERT INTO automate_core_runlog (id, run_id, path, attempt, level, message, at, seq)
    SELECT lines.id, lines.run, lines.path, lines.attempt, lines.level, lines.message,
        automate_now() - lines.ago * interval '1 millisecond', open_runs.seq
    FROM lines JOIN open_runs ON open_runs.id = lines.run
    WHERE lines.job IN (SELECT id FROM held_jobs)
    ON CONFLICT (id) DO NOTHING
    RETURNING run_id
), updated_runs AS (
    UPDATE automate_core_executionrun run SET seq = open_runs.seq FROM open_runs
    WHERE run.id = open_runs.id AND run.id IN (SELECT run_id FROM new_logs)
)
SELECT lines.id FROM lines
WHERE lines.run IN (SELECT id FROM open_runs) OR lines.job NOT IN (SELECT id FROM held_jobs)
    OR lines.run IN (SELECT run.id FROM automate_core_executionrun run
        WHERE run.id IN (SELECT run FROM lines) AND run.status || '' IN ('succeeded', 'failed', 'cancelled'))
"""


class StepLog:
    """The lines of one attempt, bounded. `write` may be called from any thread of the action, until `end`."""

    def __init__(self, call: EffectCall, writer: LogWriter) -> None:
        self.call = call
        self._writer = writer
        self._lock = threading.Lock()
        self._lines: list[LogRecord] = []  # not stored, as far as is known
        self._count = self._characters = 0
        self._is_full = self._has_ended = False

    def write(self, message: str, level: str = "info") -> None:
        """Add a line. A longer one is cut; after the last one that there is room for, one says so."""
        with self._lock:
            if self._is_full or self._has_ended:
                return
            self._is_full = self._count >= MOST_LINES or self._characters >= MOST_CHARACTERS
            if self._is_full:
                message, level = text("The log is full. Further lines of this attempt are left out."), "warning"
            step, line = self.call.effect.step, _shortened(message)
            self._lines.append(LogRecord(step.path, step.attempt, level, line))
            self._count += 1
            self._characters += len(line)
        if self.call.job.token:  # a performer of a pool has no lease on a job: its lines come with its outcome
            self._writer.watch(self)

    def end(self) -> list[LogRecord]:
        """End the log: the lines that the checkpoint has to write."""
        with self._lock:
            self._has_ended = True
            left, self._lines = self._lines, []
        self._writer.forget(self)
        return left

    def pending(self, before: float = math.inf) -> list[LogRecord]:
        """The lines from before that time, on `time.monotonic()`, that are not stored."""
        with self._lock:
            return [line for line in self._lines if line.at <= before]

    def remove(self, ids: set[uuid.UUID]) -> None:
        """Take out lines that are stored."""
        with self._lock:
            self._lines = [line for line in self._lines if line.id not in ids]


def _shortened(message: Any) -> Any:
    """The message, cut when it is too long; a text to translate stays one."""
    return message if len(str(message)) <= LONGEST_LINE else f"{str(message)[:LONGEST_LINE]}…"


class LogWriter:
    """Stores the lines of running attempts, in a thread that begins with a line and ends when none come."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._logs: set[StepLog] = set()
        self._has_lines = threading.Event()
        self._thread: threading.Thread | None = None

    def watch(self, step_log: StepLog) -> None:
        """Store the lines of a log soon, unless it ends before."""
        if self._has_lines.is_set() and step_log in self._logs:
            return
        with self._lock:
            self._logs.add(step_log)
            self._has_lines.set()
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="automate-step-logs", daemon=True)
                self._thread.start()

    def forget(self, step_log: StepLog) -> None:
        """Store nothing more of a log."""
        with self._lock:
            self._logs.discard(step_log)

    def _run(self) -> None:
        """Store lines while there are any. Its connection is its own, and closed when it ends."""
        connection: psycopg.Connection[Any] | None = None
        try:
            while self._goes_on():
                time.sleep(DELAY_SECONDS)
                self._has_lines.clear()
                try:
                    for some in self._due_batches():
                        if connection is None or connection.closed:
                            connection = database.connect(_OPTIONS)
                        _store_batch(connection, some)
                except Exception as error:  # noqa: BLE001 - the lines are written with the checkpoints all the same
                    log.info("lines of running steps are stored later: %s", str(error).strip())
                    if connection is not None:
                        connection.close()
                    time.sleep(RETRY_SECONDS)
                if self._is_behind():
                    self._has_lines.set()
        finally:
            if connection is not None:
                connection.close()

    def _goes_on(self) -> bool:
        """Wait for lines: False after some time without, when a later line starts another thread."""
        if self._has_lines.wait(IDLE_SECONDS):
            return True
        with self._lock:
            if self._has_lines.is_set():
                return True
            self._thread = None
            return False

    def _due_batches(self) -> Iterator[tuple[_Pending, ...]]:
        before = time.monotonic() - DELAY_SECONDS
        found = ((each, line) for each in self._current_logs() for line in each.pending(before))
        return itertools.batched(found, MOST_AT_ONCE)

    def _is_behind(self) -> bool:
        return any(each.pending() for each in self._current_logs())

    def _current_logs(self) -> list[StepLog]:
        with self._lock:
            return list(self._logs)


type _Pending = tuple[StepLog, LogRecord]


def _store_batch(connection: psycopg.Connection[Any], found: Sequence[_Pending]) -> None:
    reach("logs.storing")
    stored = store_lines(connection, [(each.call, line) for each, line in found])
    for each in {each for each, _line in found}:
        each.remove(stored)


def store_lines(connection: psycopg.Connection[Any], lines: Iterable[tuple[EffectCall, LogRecord]]) -> set[uuid.UUID]:
    """Store lines: the ids of those that are done with, stored or no longer wanted. Raises psycopg.Error."""
    now = time.monotonic()
    rows = [{**log_row(call.walk.run, line, now), "job": call.job.id, "token": call.job.token} for call, line in lines]
    answers = database.run(connection, STORE, {"lines": msgspec.json.encode(rows).decode()})
    return {row.id for row in answers}


writer = LogWriter()  #: of this process

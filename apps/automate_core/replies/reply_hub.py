"""Reply hub: one thread and one database connection of a process watch all events whose callers wait.

PostgreSQL notifies the hub of replies. That nothing more will come, since all runs have ended, it finds out by asking:
often at first, and twice a second after that.
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import threading
import time
from collections.abc import Iterable
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from typing import Any

import psycopg

from automate_core import database
from automate_core.outbox import notify

log = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS, LAST_PAUSE_SECONDS = 0.05, 0.5  #: between two looks at an event
TOGETHER_SECONDS = 0.01  #: looks that are due so soon are one query
MOST_WATCHES = 2_000  #: of a process; each is an open connection of a caller
IDLE_SECONDS = 60.0  #: after which a connection that is not needed is closed
RETRY_SECONDS = 1.0  #: after the database was away

#: Each of `events` with its reply, its first run, and whether something may still come of it.
READ = """
SELECT awaited.id::text AS event_id, reply.run_id::text AS replied_by, step.output::text AS output, step.output_file,
    run.id::text AS run_id, run.status, EXISTS (
        SELECT FROM automate_core_outboxjob job
        WHERE job.event_id = awaited.id AND job.status || '' IN ('ready', 'leased')
    ) OR EXISTS (
        SELECT FROM automate_core_executionrun live WHERE live.event_id = awaited.id AND live.cause = 'trigger'
            AND live.status || '' IN ('queued', 'running', 'waiting')
    ) AS is_open
FROM unnest(%(events)s::uuid[]) AS awaited(id)
LEFT JOIN automate_core_runreply reply ON reply.event_id = awaited.id
LEFT JOIN automate_core_steprun step
    ON step.run_id = reply.run_id AND step.path = reply.path AND step.attempt = reply.attempt
LEFT JOIN LATERAL (
    SELECT started.id, started.status FROM automate_core_executionrun started
    WHERE started.event_id = awaited.id AND started.cause = 'trigger'
        AND (reply.run_id IS NULL OR started.id = reply.run_id)
    ORDER BY started.id LIMIT 1
) run ON true
"""


@dataclass(frozen=True, slots=True)
class EventState:
    """What the database last said of an event: its reply as a JSON document or a file, and its run.

    `is_open` tells whether a reply may still come.
    """

    run_id: str = ""
    status: str = ""
    output: str | None = None
    output_file: str | None = None
    is_open: bool = True

    @property
    def is_settled(self) -> bool:
        """Whether there is a reply, or none can come."""
        return self.output is not None or not self.is_open


@dataclass(eq=False, slots=True)
class Watch:
    """One caller that waits. `settled` resolves with the state in which there is a reply, or none can come."""

    event_id: str
    settled: Future[EventState] = field(default_factory=Future)
    state: EventState = EventState()
    next_look: float = 0.0
    pause: float = FIRST_PAUSE_SECONDS

    def see(self, state: EventState) -> None:
        """Note the present state, and resolve if it is settled."""
        self.state = state
        if state.is_settled:
            self.resolve()

    def resolve(self) -> None:
        """Wake the caller with the last known state, unless it has left."""
        with contextlib.suppress(InvalidStateError):
            self.settled.set_result(self.state)


class ReplyHub:
    """All waits of a process. Its thread runs while there are callers, and a minute longer."""

    def __init__(self) -> None:
        self._watches: set[Watch] = set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._pipe: tuple[int, int] | None = None  # never closed, so that no late wake-up is written to another file
        self._pipe_of = 0  # the process that made it: one that was forked makes its own
        self._is_ending = False

    def watch(self, event_id: str) -> Watch:
        """Begin to watch an event. `forget` the watch in the end. Where too many wait, it is over at once."""
        watch = Watch(event_id)
        with self._lock:
            if len(self._watches) >= MOST_WATCHES:
                watch.resolve()
                return watch
            self._watches.add(watch)
            if self._thread is None or not self._thread.is_alive():
                self._start()
        self._wake()
        return watch

    def forget(self, watch: Watch) -> None:
        """The caller waits no longer."""
        with self._lock:
            self._watches.discard(watch)

    def end_waits(self) -> None:
        """Answer all who wait with what is known, because the server stops. May be called in a signal handler."""
        self._is_ending = True
        self._wake()

    def _start(self) -> None:
        if self._pipe is None or self._pipe_of != os.getpid():
            self._pipe, self._pipe_of = os.pipe(), os.getpid()
            for end in self._pipe:
                os.set_blocking(end, False)
        self._is_ending = False  # of a server that stopped while nobody waited
        self._thread = threading.Thread(target=self._run, args=(self._pipe[0],), name="automate-replies", daemon=True)
        self._thread.start()

    def _wake(self) -> None:
        if self._pipe is not None and self._pipe_of == os.getpid():
            with contextlib.suppress(BlockingIOError):  # full: it wakes anyway
                os.write(self._pipe[1], b"\0")

    # --- in the thread ------------------------------------------------------------------------------------------------

    def _run(self, wake_fd: int) -> None:
        while not self._stops_idle():
            try:
                with database.connect({}) as connection:
                    connection.execute(f"LISTEN {notify.REPLY_CHANNEL}")
                    self._serve(connection, wake_fd)
            except psycopg.Error as error:
                log.warning("replies cannot be read: %s", str(error).strip())
                self._pause(wake_fd)
            except Exception:
                log.exception("replies cannot be read")
                self._pause(wake_fd)

    def _stops_idle(self) -> bool:
        """Whether there are no callers. The thread is over then, and the next caller starts another."""
        with self._lock:
            if self._watches:
                return False
            self._thread = None
            return True

    def _serve(self, connection: psycopg.Connection[Any], wake_fd: int) -> None:
        """Look at events until there was no caller for a minute."""
        notified: set[str] = set()
        with self._lock:
            for watch in self._watches:  # a notice may have been missed
                watch.next_look = 0.0
        idle_since = time.monotonic()
        with selectors.DefaultSelector() as selector:
            selector.register(connection.fileno(), selectors.EVENT_READ)
            selector.register(wake_fd, selectors.EVENT_READ)
            while True:
                now = time.monotonic()
                watches, due = self._due(notified, now)
                if due:
                    self._hand_out(watches, self._read(connection, due))
                    if notified := _notified_events(connection):  # those that came with the answer wake no selector
                        continue
                if watches:
                    idle_since = now
                elif now - idle_since > IDLE_SECONDS:
                    return
                selector.select(self._until_next_look())
                _drain(wake_fd)
                if self._is_ending:
                    self._end()
                notified = _notified_events(connection)

    def _due(self, notified: set[str], now: float) -> tuple[list[Watch], set[str]]:
        """(all watches, the events to look at now)."""
        with self._lock:
            watches = list(self._watches)
        due = set()
        for watch in watches:
            if watch.next_look <= now + TOGETHER_SECONDS:
                due.add(watch.event_id)
                watch.next_look = now + watch.pause
                watch.pause = min(watch.pause * 2, LAST_PAUSE_SECONDS)
            elif watch.event_id in notified:
                due.add(watch.event_id)
        return watches, due

    def _until_next_look(self) -> float:
        with self._lock:
            next_look = min((watch.next_look for watch in self._watches), default=None)
        return IDLE_SECONDS if next_look is None else max(next_look - time.monotonic(), 0)

    def _read(self, connection: psycopg.Connection[Any], event_ids: Iterable[str]) -> dict[str, EventState]:
        """Raises psycopg.Error."""
        rows = database.run(connection, READ, {"events": sorted(event_ids)})
        return {
            row.event_id: EventState(
                run_id=row.replied_by or row.run_id or "",
                status=row.status or "",
                output=row.output,
                output_file=row.output_file,
                is_open=row.is_open,
            )
            for row in rows
        }

    def _hand_out(self, watches: Iterable[Watch], states: dict[str, EventState]) -> None:
        for watch in watches:
            if watch.event_id in states:
                watch.see(states[watch.event_id])
                if watch.state.is_settled:
                    self.forget(watch)

    def _pause(self, wake_fd: int) -> None:
        """Wait before the database is asked again; the server may stop meanwhile."""
        time.sleep(RETRY_SECONDS)
        _drain(wake_fd)
        if self._is_ending:
            self._end()

    def _end(self) -> None:
        self._is_ending = False
        with self._lock:
            watches, self._watches = self._watches, set()
        for watch in watches:
            watch.resolve()


def _notified_events(connection: psycopg.Connection[Any]) -> set[str]:
    return {notice.payload for notice in connection.notifies(timeout=0)}


def _drain(wake_fd: int) -> None:
    with contextlib.suppress(BlockingIOError):
        while os.read(wake_fd, 1_000):
            pass


hub = ReplyHub()

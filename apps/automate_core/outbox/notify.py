"""Wakes workers: directly when one shares the process, else by a debounced NOTIFY after the commit.

A wake-up is only a hint. Workers poll as well, so that a lost one costs a moment and nothing else.

PostgreSQL notifies all workers of each delivery, and one of them gets its job. The others would each pay for a claim
that brings nothing. So a worker whose hints bring nothing waits a moment before it claims, longer each time: under an
even load the worker that is fastest takes all jobs at once, and others take what is left a moment later. In the end
such a worker is on standby: it takes only jobs that have waited a moment, so that the fastest still shares its turns
among many.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator

import psycopg
from django.db import transaction

from automate_core import database

CHANNEL = "automate_outbox"
REPLY_CHANNEL = "automate_replies"  #: says the event whose caller has a reply
POLL_RUNS = "look"
DEBOUNCE_SECONDS = 0.005
IDLE_SECONDS = 60.0

FREE_MISSES = 2  #: hints in a row without a job before the first pause
FIRST_PAUSE_SECONDS = 0.005
LONGEST_PAUSE_SECONDS = 0.05  #: most that a job waits when the worker that was fastest is full or has ended
MOST_MISSES = 6  #: that count: the pause is at its longest
STANDBY_AGE_SECONDS = 0.025  #: that a job has waited before a worker on standby takes it; less than its pause
LISTEN_SECONDS = 2.0
RECONNECT_SECONDS = (0.2, 5.0)

log = logging.getLogger(__name__)

_local_worker: Callable[[], None] | None = None


def register_local_worker(wake: Callable[[], None] | None) -> None:
    """Register the worker of this process; None when it stops."""
    global _local_worker
    _local_worker = wake


def after_commit() -> None:
    """Wake workers once the current transaction commits, or now when there is none."""
    transaction.on_commit(hint)


def hint() -> None:
    """Wake workers now. Returns at once."""
    if _local_worker is not None:
        _local_worker()
    else:
        _notifier.hint()


def poll_runs() -> None:
    """Have workers poll the runs that they hold, once the current transaction commits: one was cancelled."""
    database.run(None, "SELECT pg_notify(%(channel)s, %(what)s)", {"channel": CHANNEL, "what": POLL_RUNS})


class _Notifier:
    """A thread that turns hints into NOTIFY: the first at once, further ones at most every five milliseconds."""

    def __init__(self) -> None:
        self._wanted = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def hint(self) -> None:
        self._wanted.set()
        if self._thread is None or not self._thread.is_alive():
            with self._lock:
                if self._thread is None or not self._thread.is_alive():
                    self._thread = threading.Thread(target=self._run, name="automate-notify", daemon=True)
                    self._thread.start()

    def _run(self) -> None:
        pause = threading.Event()
        try:
            with database.connect({}) as connection:
                while self._wanted.wait(IDLE_SECONDS):
                    self._wanted.clear()
                    connection.execute("SELECT pg_notify(%s, '')", (CHANNEL,))
                    pause.wait(DEBOUNCE_SECONDS)
        except psycopg.Error as error:
            log.info("no NOTIFY, workers poll: %s", error)


_notifier = _Notifier()


# --- the worker's side ------------------------------------------------------------------------------------------------


class HintPacer:
    """How long to wait between a hint and the claim that follows it. Callable from any thread."""

    def __init__(self) -> None:
        self._misses = 0
        self._is_hinted = False

    @property
    def pause(self) -> float:
        """Seconds; 0 unless several hints in a row brought no job."""
        further = self._misses - FREE_MISSES
        return 0.0 if further < 0 else min(FIRST_PAUSE_SECONDS * 2**further, LONGEST_PAUSE_SECONDS)

    @property
    def is_hinted(self) -> bool:
        """Whether the next claim follows a hint, and with it a pause."""
        return self._is_hinted

    @property
    def is_standby(self) -> bool:
        """Whether other workers take all jobs at once."""
        return self._misses == MOST_MISSES

    def hinted(self) -> None:
        """The next claim follows a hint."""
        self._is_hinted = True

    def claimed(self, jobs: int) -> None:
        """A claim brought so many jobs.

        Jobs halve the count of misses: one of them is chance, a few mean that there are more than others can take.
        A claim that follows no hint and brings none says nothing about other workers.
        """
        if jobs:
            self._misses //= 2
        elif self._is_hinted:
            self._misses = min(self._misses + 1, MOST_MISSES)
        self._is_hinted = False


class HintListener:
    """Listens until `stopping` is set, and connects again while the database is away.

    Calls `poll_runs` before `wake` when the runs that the worker holds have changed: a hint that never waits.
    """

    def __init__(self, wake: Callable[[], None], poll_runs: Callable[[], None], stopping: threading.Event) -> None:
        self.pacer = HintPacer()
        self._wake = wake
        self._poll_runs = poll_runs
        self._stopping = stopping

    def start(self) -> None:
        """Start the thread; it ends with the process."""
        threading.Thread(target=self._run, name="automate-listen", daemon=True).start()

    def _run(self) -> None:
        pauses = reconnect_pauses()
        while not self._stopping.is_set():
            try:
                with database.connect({}) as connection:
                    connection.execute(f"LISTEN {CHANNEL}")
                    pauses = reconnect_pauses()
                    self._wake()  # for what came before, unheard
                    while not self._stopping.is_set():
                        self._pass_on(connection.notifies(timeout=LISTEN_SECONDS, stop_after=1))
            except psycopg.Error as error:
                log.info("not listening, polling: %s", str(error).strip())
                self._stopping.wait(next(pauses))

    def _pass_on(self, notices: Iterator[psycopg.Notify]) -> None:
        payloads = {notice.payload for notice in notices}  # what arrived together is one hint
        if POLL_RUNS in payloads:
            self._poll_runs()
            self._wake()
        if payloads - {POLL_RUNS}:
            self._stopping.wait(self.pacer.pause)
            self.pacer.hinted()
            self._wake()


def reconnect_pauses() -> Iterator[float]:
    """Pauses between attempts to reconnect: doubling from the first to the last, then staying there."""
    pause, last = RECONNECT_SECONDS
    while True:
        yield pause
        pause = min(pause * 2, last)

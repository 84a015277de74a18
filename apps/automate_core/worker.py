"""Worker: claims jobs, turns the engine, and runs effects in threads beside its one database thread.

Results and wake-ups arrive in one queue. A wake-up is only ever a hint: the worker polls as well, slower the longer
nothing comes. Clocks of workers decide nothing: leases and due times are the database's.
"""

from __future__ import annotations

import logging
import os
import queue
import socket  # noqa: TID251 - for this host's name alone
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
from django.db import connections

from automate_core import database, wakeups
from automate_core.conf import setting
from automate_core.engine.effects import EffectCall, perform
from automate_core.engine.execution import ExecutionEngine, Result
from automate_core.engine.journal import Journal
from automate_core.faultpoints import reach
from automate_core.matching import RuleEngine
from automate_core.outbox import ClaimedJob, OutboxStore

log = logging.getLogger(__name__)

FIRST_POLL_SECONDS = 0.5
LAST_POLL_SECONDS = 2.0
RECONNECT_SECONDS = (0.2, 5.0)


class Worker:
    """One worker. `run` returns after `stop`, or once nothing is left when `drain` is set.

    `concurrency` is how many jobs it holds at once, and how many threads run their effects.
    """

    def __init__(self, *, concurrency: int | None = None, drain: bool = False, name: str = "") -> None:
        self.concurrency = concurrency or setting("AUTOMATE_WORKER_CONCURRENCY")
        self.name = name or f"{socket.gethostname()}-{os.getpid()}"
        self.grace_seconds: float = setting("AUTOMATE_WORKER_GRACE_SECONDS")
        self._drain = drain
        self._stopping = threading.Event()
        self._inbox: queue.SimpleQueue[Result | None] = queue.SimpleQueue()
        self._effects: queue.SimpleQueue[EffectCall | None] = queue.SimpleQueue()
        self._outbox = OutboxStore(worker=self.name)
        self._engine = ExecutionEngine(Journal(None, worker=self.name), RuleEngine(), self._effects.put)
        self._ended = threading.Event()
        self._claim_at = 0.0
        self._tidy_at = 0.0
        self._poll_seconds = FIRST_POLL_SECONDS

    @property
    def is_busy(self) -> bool:
        """Whether it holds jobs. Callable from any thread."""
        return bool(self._engine.held)

    def wake(self) -> None:
        """There may be work. Callable from any thread."""
        self._inbox.put(None)

    def stop(self) -> None:
        """Claim nothing more, wait for running effects as long as the grace time allows, and return from `run`."""
        self._stopping.set()
        self._inbox.put(None)

    def run(self) -> None:
        """Work until stopped. Survives the database going away."""
        for number in range(self.concurrency):
            self._start_thread(self._perform, f"effect-{number}")
        self._start_thread(self._heartbeat, "heartbeat")
        self._start_thread(self._listen, "listen")
        log.info("worker %s takes up to %d jobs", self.name, self.concurrency)
        try:
            self._work_until(self._finished)
            self._stopping.set()
            stopped_at = time.monotonic()
            self._work_until(lambda: not self._engine.held or time.monotonic() >= stopped_at + self.grace_seconds)
            self._hand_back()
        finally:
            self._stopping.set()
            self._ended.set()
            for _ in range(self.concurrency):
                self._effects.put(None)
            self._disconnect()
            connections.close_all()
        log.info("worker %s has stopped", self.name)

    # --- the database thread ------------------------------------------------------------------------------------------

    def _work_until(self, over: Callable[[], bool]) -> None:
        """Turn after turn; while the database is away, try again after growing pauses."""
        pauses = _pauses()
        while not over():
            try:
                self._connect()
                self._engine.feed(self._arrived())
                self._look_again(*self._engine.turn(self._claim()))
                pauses = _pauses()
            except psycopg.OperationalError as error:
                log.warning("the database is away: %s", str(error).strip())
                self._disconnect()
                self._ended.wait(next(pauses))
                if self._stopping.is_set():
                    return
            except Exception:  # whatever it is, the worker lives, and what it held is tried again
                log.exception("a turn failed; its jobs are left to their leases")
                self._engine.abandon()
                self._ended.wait(next(pauses))

    def _finished(self) -> bool:
        if self._stopping.is_set():
            return True
        return self._drain and not self._engine.held and self._claim_at > time.monotonic() and self._inbox.empty()

    def _connect(self) -> None:
        if self._outbox.connection is None or self._outbox.connection.closed:
            self._use(database.connect(database.WORKER_OPTIONS))
            self._claim_at = self._tidy_at = 0.0

    def _disconnect(self) -> None:
        if self._outbox.connection is not None:
            self._outbox.connection.close()
            self._use(None)

    def _use(self, connection: psycopg.Connection[Any] | None) -> None:
        self._outbox.connection = self._engine.journal.connection = self._engine.rules.connection = connection

    def _arrived(self) -> list[Result]:
        """Results that are there, after a rest when there is nothing else to do. A wake-up ends the rest."""
        results: list[Result] = []
        next_look = min(self._claim_at, self._tidy_at) if self._free_slots() else self._tidy_at
        rest = next_look - time.monotonic()
        try:
            arrived = self._inbox.get(timeout=rest) if rest > 0 else self._inbox.get_nowait()
            while True:
                if arrived is None:
                    self._claim_at = 0.0
                else:
                    results.append(arrived)
                arrived = self._inbox.get_nowait()
        except queue.Empty:
            return results

    def _free_slots(self) -> int:
        return 0 if self._stopping.is_set() else self.concurrency - len(self._engine.held)

    def _claim(self) -> list[ClaimedJob]:
        """Claim as many jobs as there are free slots, when a hint, the clock or a full last batch says so."""
        if time.monotonic() >= self._tidy_at:
            self._tidy()
        now, free = time.monotonic(), self._free_slots()
        if free <= 0 or now < self._claim_at:
            return []
        reach("worker.claiming")
        jobs = self._outbox.claim_batch(free)
        if jobs:
            reach("worker.claimed")
        if len(jobs) == free:
            return jobs  # there may be more: look again at once
        self._poll_seconds = FIRST_POLL_SECONDS if jobs else min(self._poll_seconds * 1.5, LAST_POLL_SECONDS)
        self._claim_at = now + self._poll_seconds
        return jobs

    def _tidy(self) -> None:
        """Wake the runs whose waits are due, and take back what other workers left: however long the queue is."""
        woken, seconds_to_next = self._outbox.wake_due()
        rescued = self._outbox.rescue()
        self._tidy_at = time.monotonic() + LAST_POLL_SECONDS
        self._look_again(bool(woken or rescued), seconds_to_next)

    def _look_again(self, ready: bool, seconds_to_next: float | None) -> None:
        """Jobs are ready now; a wait is due in so many seconds."""
        if ready:
            self._claim_at = 0.0
        if seconds_to_next is not None:
            self._tidy_at = min(self._tidy_at, time.monotonic() + seconds_to_next)

    def _hand_back(self) -> None:
        held = self._engine.held
        if held and self._outbox.connection is not None:
            log.warning("handing back %d jobs that did not end in time", len(held))
            try:
                self._outbox.hand_back(held)
            except psycopg.OperationalError as error:
                log.warning("the leases run out by themselves: %s", str(error).strip())

    # --- the threads beside it ----------------------------------------------------------------------------------------

    def _start_thread(self, target: Callable[[], None], name: str) -> None:
        threading.Thread(target=target, name=f"automate-{name}", daemon=True).start()

    def _perform(self) -> None:
        while (call := self._effects.get()) is not None:
            self._inbox.put((call, perform(call)))

    def _heartbeat(self) -> None:
        """Renew the leases of held jobs three times a lease, until the very end."""
        connection: psycopg.Connection[Any] | None = None
        while not self._ended.wait(self._outbox.lease_seconds / 3):
            held = self._engine.held
            if not held:
                continue
            try:
                if connection is None or connection.closed:
                    connection = database.connect({})
                reach("worker.renewing")
                OutboxStore(connection).renew(held)
            except psycopg.Error as error:
                log.warning("no heartbeat: %s", str(error).strip())
                if connection is not None:
                    connection.close()
        if connection is not None:
            connection.close()

    def _listen(self) -> None:
        """Turn NOTIFY into wake-ups while the database is there."""
        pauses = _pauses()
        while not self._stopping.is_set():
            try:
                with database.connect({}) as connection:
                    connection.execute(f"LISTEN {wakeups.CHANNEL}")
                    pauses = _pauses()
                    while not self._stopping.is_set():
                        for _ in connection.notifies(timeout=LAST_POLL_SECONDS, stop_after=1):
                            self.wake()
            except psycopg.Error as error:
                log.info("not listening, polling: %s", str(error).strip())
                self._stopping.wait(next(pauses))


def _pauses() -> Iterator[float]:
    """Pauses between attempts to reconnect: doubling from the first to the last, then staying there."""
    pause, last = RECONNECT_SECONDS
    while True:
        yield pause
        pause = min(pause * 2, last)

"""Worker: claims jobs, turns the engine, and runs effects in threads beside its one database thread.

Results and wake-ups arrive in one queue. A wake-up is only ever a hint: the worker polls as well, slower the longer
nothing comes. Clocks of workers decide nothing: leases and due times are the database's.
"""

from __future__ import annotations

import logging
import math
import os
import queue
import socket  # noqa: TID251 - for this host's name alone
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
from django.db import connections

from automate_core import database
from automate_core.conf import setting
from automate_core.engine.effect_pool import Performers
from automate_core.engine.execution import ExecutionEngine, Result
from automate_core.engine.journal import Journal
from automate_core.events.matching import RuleEngine
from automate_core.faultpoints import reach
from automate_core.outbox import notify
from automate_core.outbox.store import ClaimedJob, OutboxStore
from automate_core.worker.heartbeat import Heartbeat
from automate_core.worker.maintenance import NOTIFYING, Chores
from automate_core.worker.quarantine import SuspectProcess

log = logging.getLogger(__name__)

FIRST_POLL_SECONDS = 0.5
LAST_POLL_SECONDS = 2.0
LOOK_SECONDS = 1.0
NOTIFYING_SECONDS = 6.0  # people can wait, and an idle worker asks little
RECONNECT_SECONDS = (0.2, 5.0)


class Worker:
    """One worker. `run` returns after `stop`, or once nothing is left when `drain` is set.

    `concurrency` is how many jobs it holds at once, and how many threads run their effects.
    """

    is_alone = False  #: whether it takes suspects, one at a time, and leaves everything else to others

    def __init__(self, *, concurrency: int | None = None, drain: bool = False, name: str = "") -> None:
        self.concurrency = concurrency or setting("AUTOMATE_WORKER_CONCURRENCY")
        self.name = name or f"{socket.gethostname()}-{os.getpid()}"
        self.grace_seconds: float = setting("AUTOMATE_WORKER_GRACE_SECONDS")
        self._drain = drain
        self._stopping = threading.Event()
        self._inbox: queue.SimpleQueue[Result | None] = queue.SimpleQueue()
        self._outbox = OutboxStore(worker=self.name)
        slots = None if self.is_alone else self.concurrency
        self._heartbeat = Heartbeat(lambda: self._engine.held, name=self.name, slots=slots)
        self._performers = Performers(self.concurrency, self._inbox.put, self._heartbeat.leases_hold)
        self._chores = Chores()
        self._notifying = Chores(NOTIFYING, name="automate-notifying", tick=NOTIFYING_SECONDS)
        self._engine = ExecutionEngine(
            Journal(None, worker=self.name), RuleEngine(), self._performers.submit, self.nudge
        )
        self._ended = threading.Event()
        self._suspects: SuspectProcess | None = None
        self._is_drained = False
        self._claim_at = self._tidy_at = self._look_at = 0.0
        self._poll_seconds = FIRST_POLL_SECONDS

    @property
    def is_busy(self) -> bool:
        """Whether it holds jobs. Callable from any thread."""
        return bool(self._engine.held or self._suspects)

    def wake(self) -> None:
        """There may be work. Callable from any thread."""
        self._inbox.put(None)

    def nudge(self) -> None:
        """There may be chores. Callable from any thread."""
        self._chores.nudge()

    def stop(self) -> None:
        """Claim nothing more, wait for running effects as long as the grace time allows, and return from `run`."""
        self._stopping.set()
        self._inbox.put(None)

    def hurry(self) -> None:
        """Wait no longer for what runs: hand it back, and return from `run`. Callable from a signal handler."""
        self.grace_seconds = 0
        self._inbox.put(None)

    def run(self) -> None:
        """Work until stopped. Survives the database going away."""
        self._performers.start()
        self._heartbeat.start()
        if not self.is_alone:
            threading.Thread(target=self._listen, name="automate-listen", daemon=True).start()
        self._warm_up()
        if not self._drain:
            self._chores.start()
            self._notifying.start()
        log.info("worker %s takes up to %d jobs", self.name, self.concurrency)
        try:
            self._work_until(self._finished)
            self._stopping.set()
            log.info("worker %s claims nothing more, and holds %d jobs", self.name, len(self._engine.held))
            stopped_at = time.monotonic()
            if self._suspects is not None:
                self._suspects.stop()
            self._work_until(lambda: not self.is_busy or time.monotonic() >= stopped_at + self.grace_seconds)
            self._hand_back()
        finally:
            self._stopping.set()
            self._ended.set()
            self._performers.stop()
            self._chores.stop()
            self._notifying.stop(self.grace_seconds)  # what a mail server holds up is sent by another worker
            self._heartbeat.stop()
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
                results = self._arrived()
                self._drop_what_is_lost()
                self._engine.feed([*results, *self._performers.overdue()])
                self._look_again(*self._engine.turn(self._claim()))
                pauses = _pauses()
            except Exception as error:
                if not database.is_away(error):  # whatever it is, the worker lives, and what it held is tried again
                    log.exception("a turn failed; its jobs are left to their leases")
                    self._abandon()
                    self._ended.wait(next(pauses))
                    continue
                log.warning("the database is away: %s", str(error).strip())
                self._disconnect()
                self._ended.wait(next(pauses))
                self._drop_what_is_lost()
                if self._stopping.is_set():
                    return

    def _finished(self) -> bool:
        if self._stopping.is_set():
            return True
        if not self._drain or self.is_busy or self._claim_at <= time.monotonic() or not self._inbox.empty():
            return False
        if self._is_drained or self.is_alone:
            return True
        self._is_drained = True  # if the chores bring nothing more
        self._chores.turn()
        self._notifying.turn()
        self._claim_at = self._tidy_at = 0.0
        return False

    def _warm_up(self) -> None:
        """Let no run wait for what is loaded once. A database that is away is met again by the first turn."""
        try:
            self._connect()
            self._engine.warm_up()
        except psycopg.Error as error:
            log.warning("the database is away: %s", str(error).strip())
            self._disconnect()

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
        rest = self._next_look() - time.monotonic()
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

    def _next_look(self) -> float:
        """When, on `time.monotonic()`, there is something to do without anything arriving."""
        if self._engine.has_more:
            return 0.0
        looks = [self._tidy_at, self._performers.next_deadline()]
        if self._free_slots() > 0:
            looks.append(self._claim_at)
        if self._engine.held:
            looks += [self._look_at, self._heartbeat.safe_until]
        return min(looks)

    def _free_slots(self) -> int:
        if self._stopping.is_set():
            return 0
        return self.concurrency - len(self._engine.held) - self._performers.overstaying

    def _claim(self) -> list[ClaimedJob]:
        """Claim as many jobs as there are free slots, until a claim brings nothing; then when a hint or a poll says so.

        Beside that, now and then, see to what is left by others and what others did to the runs that are held.
        """
        now = time.monotonic()
        if now >= self._tidy_at:
            self._tidy()
        if self._engine.held and now >= self._look_at:
            self._engine.look()
            self._look_at = now + LOOK_SECONDS
        free = self._free_slots()
        if free <= 0 or now < self._claim_at:
            return []
        if not self._engine.held:
            self._heartbeat.begin()
        reach("worker.claiming")
        jobs = self._take(free)
        if jobs:
            self._is_drained = False
            reach("worker.claimed")
            self._poll_seconds = FIRST_POLL_SECONDS
        else:
            self._claim_at = now + self._poll_seconds if self._poll_seconds < LAST_POLL_SECONDS else math.inf
            self._poll_seconds = min(self._poll_seconds * 1.5, LAST_POLL_SECONDS)
        return jobs

    def _take(self, free: int) -> list[ClaimedJob]:
        return self._outbox.claim_batch(free)

    def _tidy(self) -> None:
        """Wake the runs whose waits are due, and take back what other workers left: however long the queue is."""
        woken, seconds_to_next = self._outbox.wake_due()
        found = self._outbox.rescue()
        self._tidy_at = time.monotonic() + LAST_POLL_SECONDS
        if woken:
            self._look_at = 0.0  # what is due may be beside an effect that runs here
        if found.dead:
            self.nudge()  # other runs may wait for theirs
        self._look_again(bool(woken or found.ready), seconds_to_next)
        self._see_to_suspects(found.suspects)

    def _look_again(self, ready: bool, seconds_to_next: float | None) -> None:
        """Jobs are ready now; a wait is due in so many seconds."""
        if ready:
            self._claim_at = 0.0
        if seconds_to_next is not None:
            self._tidy_at = min(self._tidy_at, time.monotonic() + seconds_to_next)

    def _drop_what_is_lost(self) -> None:
        """Touch no job whose lease could not be renewed in time: another worker may soon have it."""
        held = self._engine.held
        if held and not self._heartbeat.leases_hold():
            log.warning("lease lost: %d jobs could not be renewed in time, their work is dropped", len(held))
            self._abandon()

    def _abandon(self) -> None:
        self._performers.let_go()
        self._engine.abandon()
        self._heartbeat.begin()

    def _hand_back(self) -> None:
        held, suspects = self._engine.held, self._suspects
        if suspects is not None:
            suspects.kill()
        if not self.is_busy or self._outbox.connection is None:
            return
        log.warning("handing back what did not end in time: %d jobs", len(held) + (suspects is not None))
        try:
            self._outbox.hand_back(held)
            if suspects is not None:
                self._outbox.release(suspects.name)
        except psycopg.OperationalError as error:
            log.warning("the leases run out by themselves: %s", str(error).strip())

    # --- suspects -----------------------------------------------------------------------------------------------------

    def _see_to_suspects(self, waiting: bool) -> None:
        """Have suspects run in a process of their own. After a crash, the next one starts with the next look."""
        if self._suspects is not None and self._suspects.is_over:
            self._conclude(self._suspects)
            self._suspects = None
        elif waiting and self._suspects is None and not self._stopping.is_set():
            try:
                self._suspects = SuspectProcess(self.name, self._suspects_ended)
            except OSError:
                log.exception("no process for the suspects could be started; it is tried again")

    def _conclude(self, suspects: SuspectProcess) -> None:
        """Charge a crash to the job that was running."""
        if suspects.was_stopped:
            self._outbox.release(suspects.name)
        elif suspects.crash:
            dead = self._outbox.crashed(suspects.name, suspects.crash)
            log.error("suspects: %s; %s", suspects.crash, f"job {dead[0]} is dead" if dead else "it is tried again")
            self.nudge()

    def _suspects_ended(self) -> None:
        self._tidy_at = 0.0
        self.wake()

    # --- the thread beside it -----------------------------------------------------------------------------------------

    def _listen(self) -> None:
        """Turn NOTIFY into wake-ups while the database is there."""
        pauses = _pauses()
        while not self._stopping.is_set():
            try:
                with database.connect({}) as connection:
                    connection.execute(f"LISTEN {notify.CHANNEL}")
                    pauses = _pauses()
                    while not self._stopping.is_set():
                        for notice in connection.notifies(timeout=LAST_POLL_SECONDS, stop_after=1):
                            if notice.payload == notify.LOOK:
                                self._look_at = 0.0
                            self.wake()
            except psycopg.Error as error:
                log.info("not listening, polling: %s", str(error).strip())
                self._stopping.wait(next(pauses))


class SuspectWorker(Worker):
    """What runs in a SuspectProcess: takes the suspects, each alone, until none is left."""

    is_alone = True

    def __init__(self, name: str, parent: int) -> None:
        super().__init__(name=name, drain=True)
        self._parent = parent

    def _finished(self) -> bool:
        """An orphan ends after the job it holds, whether or not the database can be reached."""
        is_orphan = os.getppid() != self._parent
        return (is_orphan and not self._engine.held) or super()._finished()

    def _free_slots(self) -> int:
        return 0 if self._engine.held else min(super()._free_slots(), 1)

    def _take(self, free: int) -> list[ClaimedJob]:
        job = self._outbox.claim_suspect()
        return [] if job is None else [job]

    def _tidy(self) -> None:
        self._tidy_at = math.inf


def _pauses() -> Iterator[float]:
    """Pauses between attempts to reconnect: doubling from the first to the last, then staying there."""
    pause, last = RECONNECT_SECONDS
    while True:
        yield pause
        pause = min(pause * 2, last)

"""Worker: claims jobs, runs the engine in its one database thread, and effects in threads beside it.

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
from collections.abc import Callable
from typing import Any

import psycopg
from django.db import connections

from automate_core import database
from automate_core.conf import setting
from automate_core.engine.effects.executor_pools import PoolRouter
from automate_core.engine.effects.pool import EffectPool
from automate_core.engine.execution import ExecutionEngine, Result
from automate_core.engine.journal import Journal
from automate_core.events.matching import RuleEngine
from automate_core.faultpoints import reach
from automate_core.outbox.notify import STANDBY_AGE_SECONDS, HintListener, reconnect_pauses
from automate_core.outbox.store import ClaimedJob, OutboxStore
from automate_core.worker.heartbeat import Heartbeat
from automate_core.worker.lease_threads import POLLS, WEBHOOKS, LeaseThreads
from automate_core.worker.liveness import SignsOfLife
from automate_core.worker.maintenance import MaintenanceThread
from automate_core.worker.maintenance_tasks import TaskThread, registered_threads
from automate_core.worker.outage_log import OutageLog
from automate_core.worker.quarantine import QuarantineProcess

log = logging.getLogger(__name__)

MOST_REGISTERING = 2  #: threads that register webhooks at services
FIRST_POLL_SECONDS = 0.5
LAST_POLL_SECONDS = 2.0
POLL_RUNS_SECONDS = 1.0
GATHER_SECONDS = 0.002  #: that the result of a quick effect waits for those of others


class Worker:
    """One worker. `run` returns after `stop`, or once nothing is left when `drain` is set.

    `concurrency` is how many jobs it holds at once, up to twice as many while their effects are quick, and how many
    threads run their effects. `signs` tells the outside that it lives.
    """

    is_isolated = False  #: whether it takes quarantined jobs alone, one at a time

    def __init__(
        self, *, concurrency: int | None = None, drain: bool = False, name: str = "", signs: SignsOfLife | None = None
    ) -> None:
        self.concurrency = concurrency or setting("AUTOMATE_WORKER_CONCURRENCY")
        self.name = name or f"{socket.gethostname()}-{os.getpid()}"
        self.grace_seconds: float = setting("AUTOMATE_WORKER_GRACE_SECONDS")
        self._drain = drain
        self._signs = signs
        self._outage = OutageLog(log, "the database is unavailable: %s")
        self._stopping = threading.Event()
        self._inbox: queue.SimpleQueue[Result | None] = queue.SimpleQueue()
        self._outbox = OutboxStore(worker=self.name)
        slots = None if self.is_isolated else self.concurrency
        self._heartbeat = Heartbeat(lambda: self._engine.held, name=self.name, slots=slots)
        self._effect_pool = EffectPool(self.concurrency, self._inbox.put, self._heartbeat.leases_hold)
        threads = setting("AUTOMATE_POLL_THREADS")
        self._callers = [
            LeaseThreads(POLLS, threads, self._on_called),
            LeaseThreads(WEBHOOKS, min(threads, MOST_REGISTERING), self._on_called),
        ]
        self._maintenance = MaintenanceThread(more=tuple(caller.task for caller in self._callers))
        self._threads = [] if self.is_isolated else _made_threads()
        self._engine = ExecutionEngine(
            Journal(None, worker=self.name),
            RuleEngine(),
            self._effect_pool.submit,
            self.wake_maintenance,
            router=PoolRouter(),
            wake_relay=self._wake_for_handed_out,
        )
        self._listener = HintListener(self.wake, self._poll_runs_now, self._stopping)
        self._ended = threading.Event()
        self._quarantine: QuarantineProcess | None = None
        self._is_drained = False
        self._claim_at = self._maintain_at = self._poll_runs_at = 0.0
        self._poll_seconds = FIRST_POLL_SECONDS

    @property
    def is_busy(self) -> bool:
        """Whether it holds jobs. Callable from any thread."""
        return bool(self._engine.held or self._quarantine)

    def wake(self) -> None:
        """Look for jobs now. Callable from any thread."""
        self._inbox.put(None)

    def wake_maintenance(self) -> None:
        """Check for due maintenance tasks now. Callable from any thread."""
        self._maintenance.wake()

    def _wake_for_handed_out(self) -> None:
        for registered, thread in self._threads:
            if registered.wakes_for_handed_out:
                thread.wake()

    def stop(self) -> None:
        """Claim nothing more, wait for running effects as long as the grace time allows, and return from `run`."""
        self._stopping.set()
        self._inbox.put(None)

    def shutdown_now(self) -> None:
        """Hand back all jobs without waiting for them, and return from `run`. Callable from a signal handler."""
        self.grace_seconds = 0
        self._inbox.put(None)

    def run(self) -> None:
        """Work until stopped. Survives the database going away."""
        self._effect_pool.start()
        self._heartbeat.start()
        if not self.is_isolated:
            self._listener.start()
        self._warm_up()
        if not self._drain:
            self._maintenance.start()
            for _, thread in self._threads:
                thread.start()
        log.info("worker %s has %d slots", self.name, self.concurrency)
        if self._signs:
            self._signs.tell_started()
        try:
            self._work_until(self._finished)
            self._stopping.set()
            log.info("worker %s claims no more jobs, and holds %d", self.name, len(self._engine.held))
            stopped_at = time.monotonic()
            if self._quarantine is not None:
                self._quarantine.stop()
            self._work_until(lambda: not self.is_busy or time.monotonic() >= stopped_at + self.grace_seconds)
            self._hand_back()
        finally:
            self._stopping.set()
            self._ended.set()
            self._effect_pool.stop()
            self._maintenance.stop()
            for caller in self._callers:
                caller.stop(self.grace_seconds)
            for registered, thread in self._threads:  # what something slow holds up is done by another worker
                thread.stop(min(self.grace_seconds, registered.stop_seconds))
            self._heartbeat.stop()
            self._disconnect()
            connections.close_all()
        log.info("worker %s has stopped", self.name)

    # --- the database thread ------------------------------------------------------------------------------------------

    def _work_until(self, over: Callable[[], bool]) -> None:
        """Run the engine until `over()`; while the database is away, try again after growing pauses."""
        pauses = reconnect_pauses()
        while not over():
            if self._signs:
                self._signs.tell_alive()
            try:
                self._connect()
                results = self._wait_for_results()
                self._drop_lost_jobs()
                self._engine.deliver_results([*results, *self._effect_pool.expire_overdue()])
                self._schedule(*self._engine.run_once(self._claim()))
                pauses = reconnect_pauses()
            except Exception as error:
                if not database.is_away(error):  # whatever it is, the worker lives, and what it held is tried again
                    log.exception("the engine failed; its jobs wait until their leases expire")
                    self._drop_all()
                    self._ended.wait(next(pauses))
                    continue
                self._outage.warn(error)
                self._disconnect()
                self._ended.wait(next(pauses))
                self._drop_lost_jobs()
                if self._stopping.is_set():
                    return

    def _finished(self) -> bool:
        if self._stopping.is_set():
            return True
        if (
            not self._drain
            or self.is_busy
            or any(caller.is_busy for caller in self._callers)
            or self._claim_at <= time.monotonic()
            or not self._inbox.empty()
        ):
            return False
        if self._is_drained or self.is_isolated:
            return True
        self._is_drained = True  # unless maintenance makes new jobs
        self._maintenance.run_due()
        for registered, thread in self._threads:
            if registered.drains:
                thread.run_due()
        self._claim_at = self._maintain_at = 0.0
        return False

    def _warm_up(self) -> None:
        """Load what the first runs need. When the database is away, the main loop tries again."""
        try:
            self._connect()
            self._engine.warm_up()
        except psycopg.Error as error:
            self._outage.warn(error)
            self._disconnect()

    def _connect(self) -> None:
        if self._outbox.connection is None or self._outbox.connection.closed:
            self._use(database.connect(database.WORKER_OPTIONS))
            self._claim_at = self._maintain_at = 0.0

    def _disconnect(self) -> None:
        if self._outbox.connection is not None:
            self._outbox.connection.close()
            self._use(None)

    def _use(self, connection: psycopg.Connection[Any] | None) -> None:
        self._outbox.connection = self._engine.journal.connection = self._engine.rules.connection = connection

    def _wait_for_results(self) -> list[Result]:
        """The results that have arrived, after a sleep when there is nothing else to do. A wake-up ends the sleep.

        Quick effects that are still running get a moment to end: a turn costs little more for many results than for
        one.
        """
        results: list[Result] = []
        until, gather_until = self._next_wakeup(), 0.0
        while True:
            try:
                arrived = self._inbox.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                return results
            if arrived is None:
                self._claim_at = 0.0
            else:
                results.append(arrived)
                gather_until = gather_until or time.monotonic() + GATHER_SECONDS
            is_worth_waiting = self._effect_pool.is_quick and self._effect_pool.open_calls > 0
            until = gather_until if is_worth_waiting else 0.0

    def _next_wakeup(self) -> float:
        """When, on `time.monotonic()`, there is something to do without anything arriving."""
        if self._engine.has_more:
            return 0.0
        moments = [self._maintain_at, self._effect_pool.next_deadline()]
        if self._free_slots() > 0:
            moments.append(self._claim_at)
        if self._engine.held:
            moments += [self._poll_runs_at, self._heartbeat.safe_until]
        return min(moments)

    def _free_slots(self) -> int:
        """How many more jobs it may hold: more than it has threads only while effects are quick and threads are free.

        A turn of the database thread costs less per run when more runs take part. With slow effects, jobs held ahead
        would wait here for a thread while another worker has one free.
        """
        if self._stopping.is_set():
            return 0
        held, pool = len(self._engine.held), self._effect_pool
        free = self.concurrency - held - pool.stuck_threads
        if self.concurrency > 1 and pool.is_quick:
            free = max(free, min(self.concurrency - pool.open_calls, 2 * self.concurrency - held))
        return free

    def _claim(self) -> list[ClaimedJob]:
        """Claim as many jobs as there are free slots, until a claim brings nothing; then again at a hint or a poll.

        Now and then, also rescue jobs of other workers and poll the runs that are held.
        """
        now = time.monotonic()
        if now >= self._maintain_at:
            self._maintain()
        if self._engine.held and now >= self._poll_runs_at:
            self._engine.poll_external_changes()
            self._poll_runs_at = now + POLL_RUNS_SECONDS
        free = self._free_slots()
        if free <= 0 or now < self._claim_at:
            return []
        if not self._engine.held:
            self._heartbeat.reset()
        reach("worker.claiming")
        # A wake-up of this process has no pause, so its job may be too young for a worker on standby: look once more.
        pacer = self._listener.pacer
        looks_again = self._claim_at == 0.0 and pacer.is_standby and not pacer.is_hinted
        jobs = self._claim_jobs(free)
        pacer.claimed(len(jobs))
        if jobs:
            self._is_drained = False
            reach("worker.claimed")
            self._poll_seconds = FIRST_POLL_SECONDS
        elif looks_again:
            self._claim_at = now + STANDBY_AGE_SECONDS
        else:
            self._claim_at = now + self._poll_seconds if self._poll_seconds < LAST_POLL_SECONDS else math.inf
            self._poll_seconds = min(self._poll_seconds * 1.5, LAST_POLL_SECONDS)
        return jobs

    def _claim_jobs(self, free: int) -> list[ClaimedJob]:
        stands_by = self._listener.pacer.is_standby and not self._drain
        return self._outbox.claim_batch(free, age=STANDBY_AGE_SECONDS if stands_by else 0.0)

    def _poll_runs_now(self) -> None:
        self._poll_runs_at = 0.0

    def _maintain(self) -> None:
        """Wake runs whose waits are due, and rescue jobs whose leases ran out, however long the queue is."""
        woken, seconds_to_next = self._outbox.wake_due()
        found = self._outbox.rescue()
        for worker, jobs, dead in found.lost:
            log.warning(
                "worker %s did not renew its leases: %d of its jobs taken over, %d quarantined, %d dead",
                worker,
                jobs,
                jobs - dead,
                dead,
            )
        self._maintain_at = time.monotonic() + LAST_POLL_SECONDS
        if woken:
            self._poll_runs_at = 0.0  # a run that is held here may have such a wait
        if found.dead:
            self.wake_maintenance()  # other runs may wait for the ends of theirs
        self._schedule(bool(woken or found.ready), seconds_to_next)
        self._run_quarantined(found.quarantined)

    def _schedule(self, ready: bool, seconds_to_next: float | None) -> None:
        """Claim now when jobs are ready, and maintain when the next wait is due."""
        if ready:
            self._claim_at = 0.0
        if seconds_to_next is not None:
            self._maintain_at = min(self._maintain_at, time.monotonic() + seconds_to_next)

    def _drop_lost_jobs(self) -> None:
        """Drop all jobs when the leases could not be renewed in time: another worker may soon have them."""
        held = self._engine.held
        if held and not self._heartbeat.leases_hold():
            log.warning("lease lost: %d jobs could not be renewed in time, their work is dropped", len(held))
            self._drop_all()

    def _drop_all(self) -> None:
        self._effect_pool.cancel_all()
        self._engine.drop_all()
        self._heartbeat.reset()

    def _hand_back(self) -> None:
        held, process = self._engine.held, self._quarantine
        if process is not None:
            process.kill()
        if not self.is_busy or self._outbox.connection is None:
            return
        log.warning("returning jobs to the queue that did not end in time: %d", len(held) + (process is not None))
        try:
            self._outbox.hand_back(held)
            if process is not None:
                self._outbox.release(process.name)
        except psycopg.OperationalError as error:
            log.warning("the leases expire on their own: %s", str(error).strip())

    # --- quarantine ---------------------------------------------------------------------------------------------------

    def _run_quarantined(self, waiting: bool) -> None:
        """Run quarantined jobs in a process of their own. After a crash, the next one starts with the next rescue."""
        if self._quarantine is not None and self._quarantine.is_over:
            self._conclude(self._quarantine)
            self._quarantine = None
        elif waiting and self._quarantine is None and not self._stopping.is_set():
            try:
                self._quarantine = QuarantineProcess(self.name, self._on_quarantine_ended)
            except OSError:
                log.exception("no process for quarantined jobs could be started; retrying")

    def _conclude(self, process: QuarantineProcess) -> None:
        """Charge a crash to the job that was running."""
        if process.was_stopped:
            self._outbox.release(process.name)
        elif process.crash:
            dead = self._outbox.charge_crash(process.name, process.crash)
            log.error(
                "quarantine: %s; %s", process.crash, f"job {dead[0]} is dead" if dead else "the next attempt follows"
            )
            self.wake_maintenance()

    def _on_quarantine_ended(self) -> None:
        self._maintain_at = 0.0
        self.wake()

    # --- calls for triggers -------------------------------------------------------------------------------------------

    def _on_called(self) -> None:
        """Look for the next call, and for the jobs of what was found. Called from the threads that call services."""
        self._is_drained = False
        self._maintenance.wake()
        self.wake()


def _made_threads() -> list[tuple[TaskThread, MaintenanceThread]]:
    """Those of the registered threads that have tasks."""
    return [
        (thread, MaintenanceThread(tasks, name=thread.name, tick=thread.tick))
        for thread in registered_threads()
        if (tasks := thread.tasks())
    ]


class QuarantineWorker(Worker):
    """The worker in a QuarantineProcess: runs the quarantined jobs, each alone, until none is left."""

    is_isolated = True

    def __init__(self, name: str, parent: int) -> None:
        super().__init__(name=name, drain=True)
        self._parent = parent

    def _finished(self) -> bool:
        """An orphan ends after the job it holds, whether or not the database can be reached."""
        is_orphan = os.getppid() != self._parent
        return (is_orphan and not self._engine.held) or super()._finished()

    def _free_slots(self) -> int:
        return 0 if self._engine.held else min(super()._free_slots(), 1)

    def _claim_jobs(self, free: int) -> list[ClaimedJob]:
        job = self._outbox.claim_quarantined()
        return [] if job is None else [job]

    def _maintain(self) -> None:
        self._maintain_at = math.inf

"""LeaseThreads: threads in which a worker calls services for triggers, beside those of its steps, so that a slow
service holds up no run.

They are started with the first call. A call that ignores its deadline keeps its thread; its lease runs out meanwhile,
and its result is not written.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import Error, connections

from automate_core.triggers import polling
from automate_core.webhooks.registration import upkeep
from automate_core.worker.maintenance_tasks import MaintenanceTask

log = logging.getLogger(__name__)


LOCKED_SECONDS = 1.0  #: until it looks again for what is due and was locked by another worker


@dataclass(frozen=True, kw_only=True)
class LeasedWork:
    """Work of one kind. `lease(most)` leases rows that are due, `run` does what one of its leases is for.

    `due` is a SQL expression, and `seconds_to_next` the time until something is due, None where nothing will be.
    """

    name: str
    due: str
    lease: Callable[[int], list[Any]]
    run: Callable[[Any], object]
    seconds_to_next: Callable[[], float | None]


POLLS = LeasedWork(
    name="polls",
    due=polling.DUE,
    lease=polling.lease_due,
    run=polling.run_poll,
    seconds_to_next=polling.seconds_to_next,
)
WEBHOOKS = LeasedWork(
    name="webhooks",
    due=upkeep.DUE,
    lease=upkeep.lease_due,
    run=upkeep.run_lease,
    seconds_to_next=upkeep.seconds_to_next,
)


class LeaseThreads:
    """`count` threads, none when it is 0. `wake` is called when a call has ended."""

    def __init__(self, work: LeasedWork, count: int, wake: Callable[[], None]) -> None:
        self._work = work
        self._count = count
        self._wake = wake
        self._leases: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._busy = 0
        self._stopping = False

    @property
    def task(self) -> MaintenanceTask:
        """The maintenance task that finds what is due."""
        return MaintenanceTask(self._work.name, self._work.due if self._count else "false", self.start_due)

    @property
    def is_busy(self) -> bool:
        """Whether a call is under way. Callable from any thread."""
        return self._busy > 0

    def start_due(self) -> float | None:
        """Lease what is due for the threads that are free: the seconds to the next one. Raises django.db.Error.

        When no thread is free, None: the end of a call wakes.
        """
        free = 0 if self._stopping else self._count - self._busy
        if free <= 0:
            return None
        leases = self._work.lease(free)
        with self._lock:
            self._busy += len(leases)
        for lease in leases:
            self._leases.put(lease)
        while len(self._threads) < min(self._busy, self._count):
            name = f"automate-{self._work.name}-{len(self._threads)}"
            thread = threading.Thread(target=self._run, name=name, daemon=True)
            self._threads.append(thread)
            thread.start()
        if len(leases) == free:
            return None
        seconds = self._work.seconds_to_next()
        return seconds if leases or seconds is None else max(seconds, LOCKED_SECONDS)

    def stop(self, timeout: float) -> None:
        """Start no further call, and return once those under way have ended, or after `timeout` seconds.

        What has not ended by then is done again when its lease is over.
        """
        self._stopping = True
        for _ in self._threads:
            self._leases.put(None)
        until = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(until - time.monotonic(), 0.0))

    def _run(self) -> None:
        while (lease := self._leases.get()) is not None:
            try:
                self._work.run(lease)
            except Error as error:  # the failure itself could not be written
                log.warning(
                    "%s of %s wait until their lease expires: %s", self._work.name, lease.slug, str(error).strip()
                )
                connections.close_all()
            finally:
                with self._lock:
                    self._busy -= 1
                self._wake()

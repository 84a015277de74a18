"""PollThreads: the threads in which a worker polls, beside those of its steps, so that a slow service holds up no run.

They are started with the first poll. A call that ignores its deadline keeps its thread; its lease runs out meanwhile,
and its result is not written.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable

from django.db import Error, connections

from automate_core.triggers import polling
from automate_core.triggers.polling import Lease
from automate_core.worker.maintenance_tasks import MaintenanceTask

log = logging.getLogger(__name__)


LOCKED_SECONDS = 1.0  #: until it looks again for what is due and was locked by another worker


class PollThreads:
    """`count` threads, none when it is 0. `wake` is called when a poll has ended."""

    def __init__(self, count: int, wake: Callable[[], None]) -> None:
        self._count = count
        self._wake = wake
        self._leases: queue.SimpleQueue[Lease | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._busy = 0
        self._stopping = False

    @property
    def task(self) -> MaintenanceTask:
        """The maintenance task that finds what is due."""
        return MaintenanceTask("polls", polling.DUE if self._count else "false", self.start_due)

    @property
    def is_busy(self) -> bool:
        """Whether a poll is under way. Callable from any thread."""
        return self._busy > 0

    def start_due(self) -> float | None:
        """Lease polls that are due for the threads that are free: the seconds to the next one. Raises django.db.Error.

        When no thread is free, None: the end of a poll wakes.
        """
        free = 0 if self._stopping else self._count - self._busy
        if free <= 0:
            return None
        leases = polling.lease_due(free)
        with self._lock:
            self._busy += len(leases)
        for lease in leases:
            self._leases.put(lease)
        while len(self._threads) < min(self._busy, self._count):
            thread = threading.Thread(target=self._poll, name=f"automate-poll-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()
        if len(leases) == free:
            return None
        seconds = polling.seconds_to_next()
        return seconds if leases or seconds is None else max(seconds, LOCKED_SECONDS)

    def stop(self, timeout: float) -> None:
        """Start no further poll, and return once those under way have ended, or after `timeout` seconds.

        What has not ended by then is asked again when its lease is over.
        """
        self._stopping = True
        for _ in self._threads:
            self._leases.put(None)
        until = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(until - time.monotonic(), 0.0))

    def _poll(self) -> None:
        while (lease := self._leases.get()) is not None:
            try:
                polling.run_poll(lease)
            except Error as error:  # the failure itself could not be written
                log.warning("a poll of %s is left to its lease: %s", lease.slug, str(error).strip())
                connections.close_all()
            finally:
                with self._lock:
                    self._busy -= 1
                self._wake()

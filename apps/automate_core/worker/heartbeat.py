"""Heartbeat: renews the leases of a worker and reports that it lives, in a thread with its own connection."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg

from automate_core import database
from automate_core.faultpoints import reach
from automate_core.outbox.store import ClaimedJob, OutboxStore
from automate_core.worker.outage_log import OutageLog

log = logging.getLogger(__name__)

BEATS_A_LEASE = 3
REPORT_SECONDS = 10.0
RETRY_SECONDS = 1.0
MAX_MARGIN_SECONDS = 5.0
STOP_SECONDS = 2.0

REPORT = """
WITH deleted_workers AS (
    DELETE FROM automate_core_workerstate WHERE seen_at < automate_now() - interval '10 minutes' AND name <> %(name)s
)
INSERT INTO automate_core_workerstate (name, started_at, seen_at, slots, held)
VALUES (%(name)s, automate_now() - %(uptime)s * interval '1 second', automate_now(), %(slots)s, %(held)s)
ON CONFLICT (name) DO UPDATE
SET started_at = excluded.started_at, seen_at = excluded.seen_at, slots = excluded.slots, held = excluded.held
"""

REMOVE_WORKER = "DELETE FROM automate_core_workerstate WHERE name = %(name)s"


class Heartbeat:
    """Renews the leases of the jobs in `held()` three times a lease. `slots` None keeps the worker out of the list.

    It reports busy slots: jobs that the worker holds ahead, beyond its slots, do not count.
    The worker must not rely on a lease to its end: the database's clock decides, and a renewal may be lost on its way.
    `leases_hold` is false from a margin before the end on.
    """

    def __init__(self, held: Callable[[], list[ClaimedJob]], *, name: str, slots: int | None) -> None:
        self._held = held
        self._name = name
        self._slots = slots
        lease = OutboxStore().lease_seconds
        self._safe_seconds = lease - min(MAX_MARGIN_SECONDS, lease / 6)
        self._pause = min(lease / BEATS_A_LEASE, REPORT_SECONDS)
        self._renewed_at = self._started_at = time.monotonic()
        self._lost = False
        self._report_at = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="automate-heartbeat", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread; the worker disappears from the list of live ones."""
        self._ended.set()
        self._thread.join(STOP_SECONDS)

    @property
    def safe_until(self) -> float:
        """The time, on `time.monotonic()`, until which the leases hold without a further renewal."""
        return self._renewed_at + self._safe_seconds

    def leases_hold(self) -> bool:
        """Whether the held jobs may still be worked on. False until `reset` once it was. Callable from any thread."""
        if time.monotonic() >= self.safe_until:
            self._lost = True
        return not self._lost

    def reset(self) -> None:
        """Begin a new lease period. Call it while no job is held."""
        self._renewed_at = time.monotonic()
        self._lost = False

    def _run(self) -> None:
        connection: psycopg.Connection[Any] | None = None
        outage = OutageLog(log, "no heartbeat: %s")
        pause = 0.0
        while not self._ended.wait(pause):
            pause = self._pause
            try:
                if connection is None or connection.closed:
                    connection = database.connect({})
                self._beat(connection)
            except psycopg.Error as error:
                outage.warn(error)
                pause = min(pause, RETRY_SECONDS)
                if connection is not None:
                    connection.close()
        if connection is not None:
            with connection:
                self._remove_worker(connection)

    def _beat(self, connection: psycopg.Connection[Any]) -> None:
        now = time.monotonic()
        held = self._held()
        if held:
            reach("heartbeat.renewing")
            OutboxStore(connection).renew(held)
            self._renewed_at = max(self._renewed_at, now)
        if self._slots is not None and now >= self._report_at:
            uptime = now - self._started_at
            values = {"name": self._name, "uptime": uptime, "slots": self._slots, "held": min(len(held), self._slots)}
            database.run(connection, REPORT, values)
            self._report_at = now + REPORT_SECONDS - self._pause / 2

    def _remove_worker(self, connection: psycopg.Connection[Any]) -> None:
        if self._slots is None or connection.closed:
            return
        try:
            database.run(connection, REMOVE_WORKER, {"name": self._name})
        except psycopg.Error as error:
            log.info("the worker stays listed until its entry expires: %s", str(error).strip())

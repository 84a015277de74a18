"""Consumers of pools: each reports that it lives, and a pool without a live one is a problem."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable

import psycopg

from automate_core import database
from automate_core.engine.effects.executor_pools import code_version

log = logging.getLogger(__name__)

REPORT_SECONDS = 10.0

_REPORT = """
WITH deleted_consumers AS (
    DELETE FROM automate_core_poolconsumer WHERE seen_at < automate_now() - interval '1 day' AND name <> %(name)s
)
INSERT INTO automate_core_poolconsumer (name, pool, version, slots, started_at, seen_at)
SELECT %(name)s, pool, %(version)s, %(slots)s, automate_now() - %(uptime)s * interval '1 second', automate_now()
FROM unnest(%(pools)s::text[]) AS pool
ON CONFLICT (pool, name) DO UPDATE
SET version = excluded.version, slots = excluded.slots, started_at = excluded.started_at, seen_at = excluded.seen_at
"""

_REMOVE = "DELETE FROM automate_core_poolconsumer WHERE name = %(name)s"


class ConsumerReports:
    """Reports from a thread. Its connection is closed after each report, since a broker's worker forks."""

    def __init__(self, name: str, pools: Iterable[str], *, slots: int) -> None:
        self._values = {"name": name[:200], "pools": sorted(pools), "version": code_version(), "slots": slots}
        self._started_at = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="automate-consumer", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop reporting; the consumer disappears from the list of live ones."""
        self._ended.set()
        self._thread.join(REPORT_SECONDS)

    def report(self) -> None:
        """Report once. Raises psycopg.Error."""
        with database.connect({}) as connection:
            database.run(connection, _REPORT, {**self._values, "uptime": time.monotonic() - self._started_at})

    def _run(self) -> None:
        while True:
            try:
                self.report()
            except psycopg.Error as error:
                log.warning("no report of this consumer: %s", str(error).strip())
            if self._ended.wait(REPORT_SECONDS):
                break
        try:
            with database.connect({}) as connection:
                database.run(connection, _REMOVE, {"name": self._values["name"]})
        except psycopg.Error as error:
            log.info("the consumer stays listed until it is forgotten: %s", str(error).strip())

"""Keeps the embedded PostgreSQL running: what supervises a server of its own does for that one."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Iterator

from automate_site.embedded_postgres import Cluster, PostgresError

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
TELL_SECONDS = 60.0  #: between lines about a server that cannot be started


@contextlib.contextmanager
def kept_running(cluster: Cluster) -> Iterator[None]:
    """Run the server for the duration of the block, and start it again when it ends. Raises PostgresError."""
    watch = _Watch(cluster)
    owned = True  # until `start` returns: an interrupted start is cleaned up, too
    try:
        owned = cluster.start()
        watch.start()
        yield
    finally:
        watch.stop()
        if owned or watch.has_acted:
            cluster.stop()


class _Watch:
    """A thread that looks every second whether the server accepts connections."""

    def __init__(self, cluster: Cluster) -> None:
        self.has_acted = False
        self._cluster = cluster
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="automate-postgres", daemon=True)
        self._tell_at = 0.0

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more. A start under way is waited for."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            if not self._cluster.accepts_connections():
                self._start_again()

    def _start_again(self) -> None:
        self.has_acted = True
        try:
            self._cluster.start_again()
        except (PostgresError, OSError) as error:
            if time.monotonic() >= self._tell_at:
                log.error("the embedded PostgreSQL has ended and cannot be started; trying again: %s", error)
                self._tell_at = time.monotonic() + TELL_SECONDS
            return
        self._tell_at = 0.0
        log.warning("the embedded PostgreSQL had ended and was started again; its log is %s", self._cluster.log_file)

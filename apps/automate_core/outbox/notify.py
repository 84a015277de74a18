"""Wakes workers: directly when one shares the process, else by a debounced NOTIFY after the commit.

A wake-up is only a hint. Workers poll as well, so that a lost one costs a moment and nothing else.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import psycopg
from django.db import transaction

from automate_core import database

CHANNEL = "automate_outbox"
REPLY_CHANNEL = "automate_replies"  #: says the event whose caller has a reply
POLL_RUNS = "look"
DEBOUNCE_SECONDS = 0.005
IDLE_SECONDS = 60.0

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

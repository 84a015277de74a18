"""A sandbox: one transaction in which a dry run's local effects really happen, and which is always rolled back.

It stays open from the first transactional action of a run to the end of its walk, so that a later step finds what an
earlier one has changed. Each action is a savepoint of it. Rows that it changes are locked meanwhile.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import DatabaseError, connection, connections, transaction

log = logging.getLogger(__name__)

LOCK_TIMEOUT = "5s"
IDLE_TIMEOUT = "60s"  #: between two actions; then PostgreSQL itself ends the session

_LIMITS = "SELECT set_config('lock_timeout', %s, true), set_config('idle_in_transaction_session_timeout', %s, true)"


class Sandbox:
    """A thread with one database connection and its transaction, until `close`."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="automate-dry-run")
        self._transaction: Any = None

    def run[Given](self, work: Callable[[], Given], *, seconds: float) -> Given:
        """Do `work` in the transaction and give its result. An exception undoes this work alone.

        `seconds` are for each statement. Raises DatabaseError when the transaction was lost.
        """
        return self._thread.submit(self._inside, work, seconds).result()

    def close(self) -> None:
        """Roll everything back. Returns at once."""
        self._thread.submit(self._roll_back)
        self._thread.shutdown(wait=False)

    def _inside[Given](self, work: Callable[[], Given], seconds: float) -> Given:
        if self._transaction is None:
            begun = transaction.atomic(durable=True)
            begun.__enter__()
            self._transaction = begun
            with connection.cursor() as cursor:
                cursor.execute(_LIMITS, [LOCK_TIMEOUT, IDLE_TIMEOUT])
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(int(seconds * 1000))])
            return work()

    def _roll_back(self) -> None:
        try:
            if self._transaction is not None:
                transaction.set_rollback(True)
                self._transaction.__exit__(None, None, None)
        except DatabaseError as error:  # then the transaction is gone already, which is what is wanted
            log.warning("a dry run's transaction had ended before: %s", error)
        finally:
            connections.close_all()

"""Settings of a test's connection that are restored after it: the database's clock, timeouts and transaction."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator
from unittest import mock

from django.db import connection, connections

from automate_core import database


def read_clock_shift() -> dt.timedelta:
    """How far `automate_now()` is ahead of the real time on the test's connection."""
    [row] = database.run(
        None,
        "SELECT extract(epoch FROM coalesce(nullif(current_setting('automate.clock_shift', true), '')::interval,"
        " interval '0'))::float AS seconds",
        (),
    )
    return dt.timedelta(seconds=row.seconds)


def set_clock_shift(shift: dt.timedelta) -> None:
    """Let `automate_now()` be ahead by that much on the test's connection."""
    interval = f"{shift.total_seconds()} seconds" if shift else ""
    database.run(None, "SELECT set_config('automate.clock_shift', %s, false)", (interval,))


_TIMEOUTS = ("lock_timeout", "statement_timeout")


def read_timeouts() -> list[str]:
    """The timeouts of the test's connection, which a transactional action sets until the end of the transaction."""
    names = ", ".join(f"current_setting('{name}')" for name in _TIMEOUTS)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {names}")
        return list(cursor.fetchone() or ())


def restore_timeouts(values: list[str]) -> None:
    """Undo what a transactional action has set."""
    if connection.in_atomic_block and not connection.needs_rollback:
        with connection.cursor() as cursor:
            for name, value in zip(_TIMEOUTS, values, strict=True):
                cursor.execute("SELECT set_config(%s, %s, true)", [name, value])


@contextlib.contextmanager
def kept_connections() -> Iterator[None]:
    """Keep the test's connection open, with its transaction: in a worker, effects have threads and close theirs."""
    with mock.patch.object(connections, "close_all", lambda: None):
        yield

"""Connections for the hot statements: psycopg's own cursors, with parameters bound by the server.

The ORM serves everything else. `automate_now()`, a SQL function, is the one clock that leases and due times are
judged by; a test shifts it by setting `automate.clock_shift` to an interval.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from django.db import connection as django_connection
from django.db.models import DateTimeField, Func
from psycopg.rows import namedtuple_row

# The planner knows too little about tables that were empty a minute ago (docs/adr/0004); every hot statement is
# driven by primary keys and partial indexes.
WORKER_OPTIONS = {"enable_seqscan": "off", "jit": "off", "idle_in_transaction_session_timeout": "30s"}
# A network that swallows packets shows within seconds; over a socket file these count for nothing.
CONNECTION_LIMITS = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
INGEST_OPTIONS = {"jit": "off", "lock_timeout": "3s", "statement_timeout": "10s"}


class AutomateNow(Func):
    """`automate_now()` in the ORM's queries."""

    function = "automate_now"
    arity = 0
    output_field = DateTimeField()


def now() -> dt.datetime:
    """What `automate_now()` says at this moment, in UTC."""
    [row] = run(None, "SELECT automate_now() AS at", ())
    at: dt.datetime = row.at
    return at.astimezone(dt.UTC)


def parameters(options: Mapping[str, str]) -> dict[str, Any]:
    """What `psycopg.connect` needs to reach Django's default database, with session options added."""
    given = django_connection.get_connection_params()
    kept = {name: value for name, value in given.items() if name not in {"cursor_factory", "context", "pool"}}
    added = " ".join(f"-c {name}={value.replace(' ', r'\ ')}" for name, value in options.items())
    return {
        **CONNECTION_LIMITS,
        **kept,
        "options": f"{kept.get('options', '')} {added}".strip(),
        "autocommit": True,
        "prepare_threshold": 1,
        "row_factory": namedtuple_row,
    }


def connect(options: Mapping[str, str]) -> psycopg.Connection[Any]:
    """A connection of one's own to Django's default database. Raises psycopg.OperationalError."""
    return psycopg.connect(**parameters(options))  # noqa: TID251 - the site's own database


def run(
    connection: psycopg.Connection[Any] | None, statement: str, values: Mapping[str, Any] | Sequence[Any]
) -> list[Any]:
    """Run one statement and give its rows as named tuples.

    On None it runs on Django's connection, inside the caller's transaction if there is one.
    """
    if connection is None:
        django_connection.ensure_connection()
        connection = django_connection.connection
    with psycopg.Cursor(connection, row_factory=namedtuple_row) as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall() if cursor.description else []


#: Classes of SQLSTATE after which the same may go well: the connection, an end by hand, a rollback, too many clients.
_PASSING = ("08", "57P", "40", "53300")


def is_away(error: BaseException) -> bool:
    """Whether the database, and not the statement or its values, is the reason: the same may go well later."""
    if not isinstance(error, psycopg.OperationalError):
        return isinstance(error, psycopg.InterfaceError)
    return error.sqlstate is None or error.sqlstate.startswith(_PASSING)

"""Connections for the hot statements: psycopg's own cursors, with parameters bound by the server.

The ORM serves everything else. `automate_now()`, a SQL function, is the one clock that leases and due times are
judged by; a test shifts it by setting `automate.clock_shift` to an interval.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import connection as django_connection
from django.db import transaction
from django.db.models import DateTimeField, Func
from psycopg.rows import namedtuple_row

# The planner knows too little about tables that were empty a minute ago (docs/adr/0004); every hot statement is
# driven by primary keys and partial indexes.
WORKER_OPTIONS = {"enable_seqscan": "off", "jit": "off", "idle_in_transaction_session_timeout": "30s"}
# A network that drops packets is noticed within seconds; over a socket file these have no effect.
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
    """The time of `automate_now()`, in UTC."""
    [row] = run(None, "SELECT automate_now() AS at", ())
    at: dt.datetime = row.at
    return at.astimezone(dt.UTC)


def parameters(options: Mapping[str, str]) -> dict[str, Any]:
    """The arguments of `psycopg.connect` for Django's default database, with session options added."""
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
    """A new connection to Django's default database. Raises psycopg.OperationalError."""
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


@contextmanager
def read_only_snapshot() -> Iterator[None]:
    """Queries of Django's connection inside see the database as it is at one moment."""
    with transaction.atomic():
        with django_connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


#: Classes of SQLSTATE that pass: lost connection, operator shutdown, rollback, too many clients.
_PASSING = ("08", "57P", "40", "53300")


def is_away(error: BaseException) -> bool:
    """Whether the database is the reason, not the statement or its values: a later try may succeed."""
    if not isinstance(error, psycopg.OperationalError):
        return isinstance(error, psycopg.InterfaceError)
    return error.sqlstate is None or error.sqlstate.startswith(_PASSING)

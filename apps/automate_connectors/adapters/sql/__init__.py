"""SQL connector: one statement on another PostgreSQL database, with bound parameters and limits.

Guarantees for any statement: the transaction is read-only for `query`; the statement uses the extended protocol (which
takes one statement) or a server-side cursor (which takes a SELECT); the role is neither the site's own nor a superuser
nor a member of these; time, rows and bytes are limited.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.conf import settings
from django.db import connections
from psycopg import sql
from psycopg.types.json import Jsonb

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.adapters.sql.base import (
    DENIED,
    LOCK_SECONDS,
    LOCKED,
    MAX_ANSWER,
    MAX_BYTES,
    READ_ONLY,
    TIMED_OUT,
    DatabaseConnector,
    collect_rows,
    config_fields,
    privileged_role,
    refused_statement,
)
from automate_connectors.adapters.sql.polls import POSTGRES
from automate_egress.databases import DatabaseServer
from automate_egress.postgres import postgres
from automate_plugins import text

_PORT = 5432
_BATCH = 100
# Superusers, and roles that reach the server's files and programs (PostgreSQL's manual, "Predefined Roles"). A member
# of one may become it, and a role that is set for a session may be set back.
_ROLE = """
SELECT session_user, extract(epoch FROM pg_postmaster_start_time())::text, EXISTS (
    SELECT FROM pg_roles AS privileged
    WHERE (privileged.rolsuper
        OR privileged.rolname IN ('pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program'))
    AND (pg_has_role(session_user, privileged.oid, 'member') OR pg_has_role(current_user, privileged.oid, 'member')))
"""
_IS_ONE_OF = """
SELECT EXISTS (
    SELECT FROM pg_roles WHERE rolname = ANY(%s)
    AND (pg_has_role(session_user, oid, 'member') OR pg_has_role(current_user, oid, 'member')))
"""


class SqlConnector(DatabaseConnector):
    """`query` reads and cannot change anything; `execute` writes, where the connection allows it."""

    code = "sql"
    name = "SQL"
    description = text("Query a PostgreSQL database")
    icon = "storage"
    hue = 200
    dialect = POSTGRES
    default_port = _PORT
    config_fields = config_fields(
        _PORT, username=text("Role"), username_help=text("A dedicated role with SELECT on the tables it reads")
    )

    @contextmanager
    def session(
        self, server: DatabaseServer, context: dict[str, Any], *, writes: bool, seconds: float
    ) -> Iterator[PostgresSession]:
        """Open a transaction. Raises ConnectorError, EgressError."""
        with postgres(context["network"], server, most_bytes=MAX_ANSWER) as connection:
            try:
                connection.read_only = not writes
                _refuse_privileged_role(connection)
                seconds = min(seconds, context["network"].remaining())
                for name, limit in (("statement_timeout", seconds), ("lock_timeout", LOCK_SECONDS)):
                    connection.execute(
                        sql.SQL("SET LOCAL {} = {}").format(
                            sql.Identifier(name), sql.Literal(max(1, int(limit * 1000)))
                        )
                    )
                yield PostgresSession(connection)
            except psycopg.Error as error:
                context["network"].remaining()  # over: that is the error
                raise _translate_error(error) from error


class PostgresSession:
    """A transaction on a PostgreSQL database."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def query(self, statement: str, values: dict[str, Any] | None, most: int) -> dict[str, Any]:
        """Read by a server-side cursor."""
        with self._connection.cursor("automate") as cursor:
            cursor.execute(statement.encode(), _bound(values))
            columns = [column.name for column in cursor.description or ()]
            rows, truncated = collect_rows(_fetch_rows(cursor, most + 1), columns, most)
        return {"columns": columns, "rows": rows, "truncated": truncated}

    def execute(self, statement: str, values: dict[str, Any] | None, most: int) -> dict[str, Any]:
        """Run the statement and commit."""
        with self._connection.cursor() as cursor:
            cursor.execute(statement.encode(), _bound(values), prepare=True)  # the extended protocol: one statement
            if cursor.description is None:
                rows, truncated = list[dict[str, Any]](), False
            else:
                rows, truncated = collect_rows(cursor, [column.name for column in cursor.description], most)
            count = max(cursor.rowcount, 0)
        self._connection.commit()
        return {"count": count, "rows": rows, "truncated": truncated}

    def identity(self) -> tuple[str, str]:
        """The database and the role."""
        return self._connection.info.dbname, self._connection.info.user


def _fetch_rows(cursor: psycopg.ServerCursor[Any], most: int) -> Iterator[tuple[Any, ...]]:
    """Yield the rows: one, then larger batches while they are small."""
    count = 1
    while most > 0:
        rows = cursor.fetchmany(min(count, most))
        yield from rows
        if len(rows) < min(count, most):
            return
        most -= len(rows)
        largest = max(len(str(row)) for row in rows)
        count = max(1, min(4 * count, _BATCH, MAX_BYTES // largest))


def _refuse_privileged_role(connection: psycopg.Connection[Any]) -> None:
    """Reject the site's own role and privileged roles, unless the site allows them."""
    if getattr(settings, "AUTOMATE_SQL_OWN_DATABASE", False):
        return
    found = connection.execute(_ROLE).fetchone()
    role, started, privileged = found or ("", "", True)
    if privileged:
        raise privileged_role(role)
    own = [name for name, since in _own_roles() if since == started]
    if own and connection.execute(_IS_ONE_OF, [own]).fetchone() != (False,):
        raise ConnectorError(
            text(
                "The role %(role)s can act as this site's own database role. Use a role with SELECT on single tables.",
                role=role,
            ),
            code="role_refused",
        )


def _own_roles() -> Iterator[tuple[str, str]]:
    """Yield the roles that this site uses, each with the start time of its server, which identifies the server."""
    for own in connections.all():
        if own.vendor == "postgresql":
            with own.cursor() as cursor:
                cursor.execute("SELECT current_user, extract(epoch FROM pg_postmaster_start_time())::text")
                found = cursor.fetchone()
            if not own.in_atomic_block:
                own.close()  # none is held while the statement runs
            yield found


def _translate_error(error: psycopg.Error) -> ConnectorError:
    """Return the database's refusal, in its own words, with advice."""
    state = error.sqlstate or ""
    broken = not state and isinstance(error, psycopg.OperationalError)
    return refused_statement(
        error.diag.message_primary or str(error).partition("\n")[0] or text("The connection was lost."),
        {"25006": READ_ONLY, "57014": TIMED_OUT, "55P03": LOCKED, "42501": DENIED}.get(state),
        retryable=broken or state == "55P03" or state[:2] in {"08", "40", "53", "57"},
        state=state,
        hint=f" ({error.diag.message_hint})" if error.diag.message_hint else "",
    )


def _bound(parameters: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return parameters as psycopg binds them: mappings become jsonb, lists become arrays."""
    if parameters is None:
        return None
    return {name: Jsonb(value) if isinstance(value, dict) else value for name, value in parameters.items()}

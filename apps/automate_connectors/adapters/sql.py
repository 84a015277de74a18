"""SQL connector: one statement on another PostgreSQL database, with bound parameters and limits.

Guarantees for any statement: the transaction is read-only for `query`; the statement uses the extended protocol (which
takes one statement) or a server-side cursor (which takes a SELECT); the role is neither the site's own nor a superuser
nor a member of these; time, rows and bytes are limited.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from typing import Any

import msgspec
import psycopg
from django.conf import settings
from django.db import connections
from psycopg import sql
from psycopg.types.json import Jsonb

from automate_connectors.adapters.base import (
    Action,
    ConnectorAdapter,
    ConnectorError,
    Effect,
    unknown_action,
    unknown_poll,
)
from automate_connectors.adapters.polls import PollResult
from automate_connectors.adapters.sql_polls import NEW_ROW, find_rows
from automate_connectors.web import invalid_input
from automate_egress import EgressError
from automate_egress.postgres import PostgresServer, postgres
from automate_governance.redaction.redactor import redact_and_truncate
from automate_plugins import text
from automate_plugins.fields import FieldKind, FieldSpec
from automate_plugins.texts import joined

MAX_ROWS = 10_000
MAX_BYTES = 2_000_000
MAX_ANSWER = 16_000_000  #: bytes of all that the server sends
_BATCH = 100
_LOCK_MILLISECONDS = 2_000
_TLS = (
    ("verify-full", text("Verified")),
    ("require", text("Encrypted, not verified (internal hosts only)")),
    ("disable", text("None (internal hosts only)")),
)
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
_STATEMENT = FieldSpec(
    name="sql",
    label=text("SQL"),
    kind=FieldKind.CODE,
    language="sql",
    required=True,
    literal=True,
    help=text("One statement without expressions. Refer to parameters as %(name)s."),
)
_PARAMETERS = FieldSpec(
    name="parameters", label=text("Parameters"), kind=FieldKind.MAPPING, help=text("Values by name")
)
_ROWS = FieldSpec(
    name="max_rows",
    label=text("Maximum rows"),
    kind=FieldKind.INTEGER,
    default=1_000,
    help=text("Up to %(count)s", count=MAX_ROWS),
)


class SqlConnector(ConnectorAdapter):
    """`query` reads and cannot change anything; `execute` writes, where the connection allows it."""

    code = "sql"
    name = "SQL"
    description = text("Query a PostgreSQL database")
    icon = "storage"
    hue = 200
    config_fields = (
        FieldSpec(name="host", label=text("Host"), required=True, help=text("For example db.example.com")),
        FieldSpec(name="port", label=text("Port"), kind=FieldKind.INTEGER, default=5432),
        FieldSpec(name="database", label=text("Database"), required=True),
        FieldSpec(
            name="username",
            label=text("Role"),
            required=True,
            help=text("A dedicated role with SELECT on the tables it reads"),
        ),
        FieldSpec(name="password", label=text("Password"), kind=FieldKind.SECRET),
        FieldSpec(name="tls", label=text("TLS"), kind=FieldKind.CHOICE, choices=_TLS, default="verify-full"),
        FieldSpec(
            name="authorities",
            label=text("Certificate authority"),
            kind=FieldKind.LONG_TEXT,
            help=text("PEM. Required if no public authority signed the server's certificate."),
        ),
        FieldSpec(name="writable", label=text("Allow writes"), kind=FieldKind.BOOLEAN, default=False),
        FieldSpec(
            name="statement_seconds",
            label=text("Statement timeout (seconds)"),
            kind=FieldKind.NUMBER,
            default=5,
            help=text("1 to 60"),
        ),
    )
    actions = (
        Action(
            name="query",
            label=text("Query rows"),
            description=text("Run one SELECT in a read-only transaction"),
            effect=Effect.EFFECTFUL,
            fields=(_STATEMENT, _PARAMETERS, _ROWS),
        ),
        Action(
            name="execute",
            label=text("Change rows"),
            description=text("Run one statement that writes. The connection must allow writes."),
            effect=Effect.EFFECTFUL,
            fields=(_STATEMENT, _PARAMETERS, _ROWS),
        ),
    )

    polls = (NEW_ROW,)

    def validate_config(self, config: dict[str, Any]) -> None:
        """Check the limits. Raises ValueError."""
        if not 1 <= (config.get("statement_seconds") or 5) <= 60:
            raise ValueError(text("The statement timeout must be between 1 and 60 seconds."))

    def own_hosts(self, config: dict[str, Any]) -> tuple[str, ...]:
        """The database server."""
        return (config["host"],) if isinstance(config.get("host"), str) else ()

    def execute(self, action: str, params: dict[str, Any], context: dict[str, Any]) -> Any:
        """Run the statement; rows come as `rows` with `columns`, and `truncated` says whether there were more."""
        most = _check_max_rows(action, params, context)
        act = {"query": _query, "execute": _execute}.get(action)
        if act is None:
            raise unknown_action(self.code, action)
        with _session(context, writes=action == "execute") as connection:
            context["log"](f"SQL {action}")
            return act(connection, params["sql"], _bound(params.get("parameters")), most)

    def poll(self, name: str, params: dict[str, Any], cursor: Any, context: dict[str, Any]) -> PollResult:
        """New or changed rows, in the order of the increasing column; each row is the data of its item."""
        if name != NEW_ROW.name:
            raise unknown_poll(self.code, name)
        with _session(context, writes=False) as connection:
            context["log"](f"SQL {name}")
            return find_rows(
                lambda statement, values, most: _query(connection, statement, values or None, most), params, cursor
            )

    def describe(self, action: str, params: dict[str, Any], context: dict[str, Any]) -> dict[str, Any]:
        """The statement with its parameters, and where it would run. One that may not run there is refused."""
        _check_max_rows(action, params, context)
        config = context.get("connection") or {}
        where = f"{config.get('database', '')} on {config.get('host', '')}"
        return {
            "summary": f"{'Change' if action == 'execute' else 'Ask'} {where}: {' '.join(params['sql'].split())[:200]}",
            "host": config.get("host", ""),
            "database": config.get("database", ""),
            "sql": params["sql"],
            "parameters": params.get("parameters") or {},
        }

    def check_connection(self, context: dict[str, Any]) -> str:
        """Sign in, and look at the role."""
        try:
            with _session(context, writes=False) as connection:
                return text(
                    "Signed in to %(name)s as %(user)s.", name=connection.info.dbname, user=connection.info.user
                )
        except EgressError as error:
            code = "needs_reconnect" if error.code == "authentication_failed" else error.code
            raise ConnectorError(str(error), code=code, retryable=error.retryable) from error


def _check_max_rows(action: str, params: dict[str, Any], context: dict[str, Any]) -> int:
    """Return the maximum number of rows. Raises ConnectorError for an action that is rejected before any request."""
    most: int = params.get("max_rows") or 1_000
    if not 1 <= most <= MAX_ROWS:
        raise invalid_input(text("%(name)s must be between 1 and %(maximum)s.", name="max_rows", maximum=MAX_ROWS))
    if action == "execute" and not (context.get("connection") or {}).get("writable"):
        raise ConnectorError(text("This connection is read-only. Ask its owner to allow writes."), code="read_only")
    return most


def _query(connection: psycopg.Connection[Any], statement: str, values: Any, most: int) -> dict[str, Any]:
    with connection.cursor("automate") as cursor:
        cursor.execute(statement.encode(), values)
        columns = [column.name for column in cursor.description or ()]
        rows, truncated = _collect_rows(_fetch_rows(cursor, most + 1), columns, most)
    return {"columns": columns, "rows": rows, "truncated": truncated}


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


def _execute(connection: psycopg.Connection[Any], statement: str, values: Any, most: int) -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement.encode(), values, prepare=True)  # the extended protocol takes one statement
        if cursor.description is None:
            rows, truncated = list[dict[str, Any]](), False
        else:
            rows, truncated = _collect_rows(cursor, [column.name for column in cursor.description], most)
        count = max(cursor.rowcount, 0)
    connection.commit()
    return {"count": count, "rows": rows, "truncated": truncated}


def _collect_rows(found: Iterable[tuple[Any, ...]], columns: list[str], most: int) -> tuple[list[dict[str, Any]], bool]:
    """Return the rows up to the limits, and whether there were more."""
    if len(set(columns)) != len(columns):
        raise invalid_input(text("Two columns have the same name. Rename them with AS."))
    rows: list[dict[str, Any]] = []
    size = 0
    for row in found:
        made = {name: _plain(value) for name, value in zip(columns, row, strict=True)}
        size += len(msgspec.json.encode(made))
        if len(rows) == most or size > MAX_BYTES:
            return rows, True
        rows.append(made)
    return rows, False


@contextmanager
def _session(context: dict[str, Any], *, writes: bool) -> Iterator[psycopg.Connection[Any]]:
    """A transaction on the connection's database, rolled back unless committed. Raises ConnectorError, EgressError."""
    config = context["connection"]
    if not config:
        raise invalid_input(text("Select a database connection."))
    with postgres(context["network"], _server(config), most_bytes=MAX_ANSWER) as connection:
        try:
            connection.read_only = not writes
            _refuse_privileged_role(connection)
            seconds = min(config.get("statement_seconds") or 5, context["network"].remaining())
            for name, value in (("statement_timeout", int(seconds * 1000)), ("lock_timeout", _LOCK_MILLISECONDS)):
                connection.execute(
                    sql.SQL("SET LOCAL {} = {}").format(sql.Identifier(name), sql.Literal(max(1, value)))
                )
            yield connection
        except psycopg.Error as error:
            context["network"].remaining()  # over: that is the error
            raise _translate_error(error) from error


def _refuse_privileged_role(connection: psycopg.Connection[Any]) -> None:
    """Reject the site's own role and privileged roles, unless the site allows them."""
    if getattr(settings, "AUTOMATE_SQL_OWN_DATABASE", False):
        return
    found = connection.execute(_ROLE).fetchone()
    role, started, privileged = found or ("", "", True)
    if privileged:
        raise ConnectorError(
            text(
                "The role %(role)s can read server files or run programs. Use a role with SELECT on single tables.",
                role=role,
            ),
            code="role_refused",
        )
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
    message = error.diag.message_primary or str(error).partition("\n")[0] or text("The connection was lost.")
    hint = f" ({error.diag.message_hint})" if error.diag.message_hint else ""
    code, advice = {
        "25006": (
            "read_only",
            text("The query action only reads. Use Change rows with a connection that allows writes."),
        ),
        "57014": ("timeout", text("The statement timed out. Narrow it down or raise the statement timeout.")),
        "55P03": ("lock_timeout", text("Another session holds a lock.")),
        "42501": ("permission_denied", text("The role lacks a privilege. GRANT it.")),
    }.get(state, ("sql_error", ""))
    broken = not state and isinstance(error, psycopg.OperationalError)
    retryable = broken or state == "55P03" or state[:2] in {"08", "40", "53", "57"}
    details = {"sqlstate": state} if state else {}
    shown = redact_and_truncate(f"{message.rstrip('.')}{hint}.", 2_000)
    return ConnectorError(joined([shown, advice]), code=code, retryable=retryable, details=details)


def _server(config: dict[str, Any]) -> PostgresServer:
    return PostgresServer(
        host=config["host"],
        port=config.get("port") or 5432,
        database=config["database"],
        username=config["username"],
        password=config.get("password") or "",
        tls=config.get("tls") or "verify-full",
        authorities=config.get("authorities") or "",
    )


def _bound(parameters: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return parameters as psycopg binds them: mappings become jsonb, lists become arrays."""
    if not parameters:
        return None
    return {name: Jsonb(value) if isinstance(value, dict) else value for name, value in parameters.items()}


def _plain(value: Any) -> Any:
    """Convert a value to JSON. Exact numerics, dates, UUIDs and other types become text."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case bytes() | memoryview():
            return base64.b64encode(value).decode()
        case list() | tuple():
            return [_plain(item) for item in value]
        case dict():
            return {str(key): _plain(item) for key, item in value.items()}
    return str(value)

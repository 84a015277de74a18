"""What connectors to SQL databases share: settings, actions, limits, and the poll. One statement, bound parameters."""

from __future__ import annotations

import base64
import math
from abc import abstractmethod
from collections.abc import Iterable
from contextlib import AbstractContextManager
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Protocol

import msgspec

from automate_connectors.adapters.base import (
    ConnectorAdapter,
    ConnectorError,
    unknown_action,
    unknown_poll,
)
from automate_connectors.adapters.polls import PollResult
from automate_connectors.adapters.sql.polls import Dialect, find_rows
from automate_connectors.adapters.tables import read_tables
from automate_connectors.web import invalid_input
from automate_egress import EgressError
from automate_egress.databases import DatabaseServer
from automate_governance.redaction.redactor import redact_and_truncate
from automate_plugins import text
from automate_plugins.fields import FieldKind, FieldSpec
from automate_plugins.texts import joined

MAX_ROWS = 10_000
MAX_BYTES = 2_000_000
MAX_ANSWER = 16_000_000  #: bytes of all that the server sends
LOCK_SECONDS = 2
_TLS = (
    ("verify-full", text("Verified")),
    ("require", text("Encrypted, not verified (internal hosts only)")),
    ("disable", text("None (internal hosts only)")),
)


class Session(Protocol):
    """A transaction on a database. Statements raise ConnectorError, EgressError."""

    def query(self, statement: str, values: dict[str, Any] | None, most: int) -> dict[str, Any]:
        """Return `columns`, `rows` and whether they are `truncated`; nothing is changed."""

    def execute(self, statement: str, values: dict[str, Any] | None, most: int) -> dict[str, Any]:
        """Run a statement and commit. Return the `count` of rows, and `rows` that it returns."""

    def identity(self) -> tuple[str, str]:
        """Return the names of the database and of the account."""


_TABLES = read_tables(Path(__file__).with_name("tables.yaml"), max_rows=MAX_ROWS)


class DatabaseConnector(ConnectorAdapter):
    """`query` reads and cannot change anything; `execute` writes, where the connection allows it."""

    dialect: Dialect
    default_port: int
    takes_sign_in = False
    actions = _TABLES.actions
    polls = _TABLES.polls

    @abstractmethod
    def session(
        self, server: DatabaseServer, context: dict[str, Any], *, writes: bool, seconds: float
    ) -> AbstractContextManager[Session]:
        """Open a transaction, rolled back unless committed, whose statements have so many seconds."""

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
        if action not in {"query", "execute"}:
            raise unknown_action(self.code, action)
        with self._session(context, writes=action == "execute") as session:
            context["log"](f"SQL {action}")
            act = session.execute if action == "execute" else session.query
            return act(params["sql"], params.get("parameters") or None, most)

    def poll(self, name: str, params: dict[str, Any], cursor: Any, context: dict[str, Any]) -> PollResult:
        """New or changed rows, in the order of the increasing column; each row is the data of its item."""
        if name != "new_row":
            raise unknown_poll(self.code, name)
        with self._session(context, writes=False) as session:
            context["log"](f"SQL {name}")
            return find_rows(session.query, self.dialect, params, cursor)

    def reads_only(self, action: str, params: dict[str, Any]) -> bool:
        """Whether it is a query, which runs in a transaction that cannot write."""
        return action == "query"

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
            with self._session(context, writes=False) as session:
                name, user = session.identity()
                return text("Signed in to %(name)s as %(user)s.", name=name, user=user)
        except EgressError as error:
            code = "needs_reconnect" if error.code == "authentication_failed" else error.code
            raise ConnectorError(str(error), code=code, retryable=error.retryable) from error

    def _session(self, context: dict[str, Any], *, writes: bool) -> AbstractContextManager[Session]:
        config = context["connection"]
        if not config:
            raise invalid_input(text("Select a database connection."))
        server = DatabaseServer(
            host=config["host"],
            port=config.get("port") or self.default_port,
            database=config["database"],
            username=config["username"],
            password=config.get("password") or "",
            tls=config.get("tls") or "verify-full",
            authorities=config.get("authorities") or "",
        )
        seconds = min(config.get("statement_seconds") or 5, context["network"].remaining())
        return self.session(server, context, writes=writes, seconds=seconds)


def config_fields(port: int, *, username: str, username_help: str) -> tuple[FieldSpec, ...]:
    """Return the settings of a connection to a database, with the name that it has for an account."""
    return (
        FieldSpec(name="host", label=text("Host"), required=True, help=text("For example db.example.com")),
        FieldSpec(name="port", label=text("Port"), kind=FieldKind.INTEGER, default=port),
        FieldSpec(name="database", label=text("Database"), required=True),
        FieldSpec(name="username", label=username, required=True, help=username_help),
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


def refused_statement(
    message: str, advised: tuple[str, str] | None, *, retryable: bool, state: str, hint: str = ""
) -> ConnectorError:
    """Return the error for a database's refusal, in its own words. `advised` are a code and advice."""
    code, advice = advised or ("sql_error", "")
    details = {"sqlstate": state} if state else {}
    shown = redact_and_truncate(f"{message.rstrip('.')}{hint}.", 2_000)
    return ConnectorError(joined([shown, advice]), code=code, retryable=retryable, details=details)


READ_ONLY = (
    "read_only",
    text("The query action only reads. Use Change rows with a connection that allows writes."),
)
TIMED_OUT = ("timeout", text("The statement timed out. Narrow it down or raise the statement timeout."))
LOCKED = ("lock_timeout", text("Another session holds a lock."))
DENIED = ("permission_denied", text("The role lacks a privilege. GRANT it."))


def privileged_role(role: str) -> ConnectorError:
    """Return the refusal of an account that can do more than read and change rows."""
    return ConnectorError(
        text(
            "The role %(role)s can read server files or run programs. Use a role with SELECT on single tables.",
            role=role,
        ),
        code="role_refused",
    )


def collect_rows(found: Iterable[tuple[Any, ...]], columns: list[str], most: int) -> tuple[list[dict[str, Any]], bool]:
    """Return the rows up to the limits, and whether there were more. Raises ConnectorError for equal names."""
    if len(set(columns)) != len(columns):
        raise invalid_input(text("Two columns have the same name. Rename them with AS."))
    rows: list[dict[str, Any]] = []
    size = 0
    for row in found:
        made = {name: plain_value(value) for name, value in zip(columns, row, strict=True)}
        size += len(msgspec.json.encode(made))
        if len(rows) == most or size > MAX_BYTES:
            return rows, True
        rows.append(made)
    return rows, False


def plain_value(value: Any) -> Any:
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
            return [plain_value(item) for item in value]
        case dict():
            return {str(key): plain_value(item) for key, item in value.items()}
    return str(value)


def _check_max_rows(action: str, params: dict[str, Any], context: dict[str, Any]) -> int:
    """Return the maximum number of rows. Raises ConnectorError for an action that is rejected before any request."""
    most: int = params.get("max_rows") or 1_000
    if not 1 <= most <= MAX_ROWS:
        raise invalid_input(text("%(name)s must be between 1 and %(maximum)s.", name="max_rows", maximum=MAX_ROWS))
    if action == "execute" and not (context.get("connection") or {}).get("writable"):
        raise ConnectorError(text("This connection is read-only. Ask its owner to allow writes."), code="read_only")
    return most

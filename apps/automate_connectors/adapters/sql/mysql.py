"""MySQL connector: one statement on a MySQL or MariaDB database, with the limits of the SQL connector.

Guarantees for any statement: `query` takes statements that begin as reading ones and runs them in read-only
transactions; the protocol takes one statement; values are quoted by the driver; the account can neither read the
server's files nor change other accounts; time, rows and bytes are limited. It needs the extra `mysql`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
from django.conf import settings

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.adapters.extras import from_extra, missing_extra
from automate_connectors.adapters.sql.base import (
    DENIED,
    LOCK_SECONDS,
    LOCKED,
    MAX_ANSWER,
    READ_ONLY,
    TIMED_OUT,
    DatabaseConnector,
    collect_rows,
    config_fields,
    privileged_role,
    refused_statement,
)
from automate_connectors.adapters.sql.polls import MYSQL
from automate_egress.databases import DatabaseServer
from automate_plugins import text

if TYPE_CHECKING:
    from pymysql.connections import Connection  # noqa: TID251 - typing

_PORT = 3306
_MARGIN_SECONDS = 2.0  #: after the server's own limit, for statements that it does not limit itself
_COMMENTS = re.compile(r"(?:\s|#[^\n]*(?:\n|$)|--(?=\s)[^\n]*(?:\n|$)|/\*(?!!|M!)(?:[^*]|\*(?!/))*\*/|\()*")
_READING = re.compile(r"(?:SELECT|WITH|SHOW|DESCRIBE|DESC|EXPLAIN|VALUES|TABLE)\b", re.IGNORECASE)
#: Global privileges that reach beyond the data: files of the server, other accounts, the server itself.
_PRIVILEGED = frozenset({"ALL PRIVILEGES", "FILE", "SUPER", "CREATE USER", "SHUTDOWN"})
# https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html and https://mariadb.com/kb/en/error-codes/
_ADVICE = {
    **dict.fromkeys((1290, 1792, 1836), READ_ONLY),
    **dict.fromkeys((1317, 1969, 3024), TIMED_OUT),
    **dict.fromkeys((1205, 1213), LOCKED),
    **dict.fromkeys((1044, 1142, 1143, 1227, 1370), DENIED),
}
_RETRYABLE = frozenset({1040, 1053, 1205, 1213, 1317, 1969, 3024})
_LOST = frozenset({2006, 2013, 2055})


class MySqlConnector(DatabaseConnector):
    """`query` reads and cannot change anything; `execute` writes, where the connection allows it."""

    code = "mysql"
    name = "MySQL"
    description = text("Query a MySQL or MariaDB database")
    icon = "dns"
    hue = 215
    dialect = MYSQL
    default_port = _PORT
    config_fields = config_fields(
        _PORT,
        username=text("Username"),
        username_help=text("A dedicated account with SELECT on the tables it reads"),
    )

    @property
    def missing(self) -> str:
        """The extra, where it is not installed."""
        return missing_extra("mysql", "pymysql")

    def validate_config(self, config: dict[str, Any]) -> None:
        """Check the library and the limits. Raises ConnectorError, ValueError."""
        if reason := self.missing:
            raise ConnectorError(reason, code="extra_missing")
        super().validate_config(config)

    @contextmanager
    def session(
        self, server: DatabaseServer, context: dict[str, Any], *, writes: bool, seconds: float
    ) -> Iterator[MySqlSession]:
        """Open a transaction. Raises ConnectorError, EgressError."""
        with from_extra("mysql"):
            import pymysql  # noqa: TID251 - its errors

            from automate_egress.mysql import mysql
        network = context["network"]
        with mysql(network, server, most_bytes=MAX_ANSWER, seconds=seconds + _MARGIN_SECONDS) as connection:
            try:
                session = MySqlSession(connection)
                session.begin(writes=writes, seconds=seconds)
                _refuse_privileged_account(session)
                yield session
            except pymysql.Error as error:
                network.remaining()  # over: that is the error
                raise _translate_error(error) from error


class MySqlSession:
    """A transaction on a MySQL or MariaDB database."""

    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection

    def begin(self, *, writes: bool, seconds: float) -> None:
        """Set the limits of the session, and begin a transaction. Times of the server are shown in UTC."""
        [(version,)] = self.fetch_all("SELECT VERSION()")
        is_mariadb = "MariaDB" in str(version)
        name, unit = ("max_statement_time", 1.0) if is_mariadb else ("max_execution_time", 1000.0)
        limit = max(seconds, 0.001) * unit
        for statement in (
            f"SET SESSION {name} = {limit if is_mariadb else int(limit)}",
            f"SET SESSION innodb_lock_wait_timeout = {LOCK_SECONDS}",
            f"SET SESSION lock_wait_timeout = {LOCK_SECONDS}",
            "SET SESSION time_zone = '+00:00'",
            f"SET SESSION TRANSACTION READ {'WRITE' if writes else 'ONLY'}",
            f"START TRANSACTION READ {'WRITE' if writes else 'ONLY'}",
        ):
            self.fetch_all(statement)

    def fetch_all(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement of ours and return its rows."""
        with self._connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())

    def query(self, statement: str, values: dict[str, Any] | None, most: int) -> dict[str, Any]:
        """Read row by row."""
        from pymysql.cursors import SSCursor  # noqa: TID251 - of a checked connection

        begin = _COMMENTS.match(statement)
        if not _READING.match(statement, begin.end() if begin else 0):
            raise refused_statement(
                text("The statement does not start with SELECT or another keyword for reading"),
                READ_ONLY,
                retryable=False,
                state="",
            )
        cursor: Any = self._connection.cursor(SSCursor)
        try:
            _run(cursor, statement, values)
            columns = [str(column[0]) for column in cursor.description or ()]
            rows, truncated = collect_rows(iter(cursor.fetchone, None), columns, most)
        finally:
            cursor.connection = None  # its end would read all rows
        return {"columns": columns, "rows": rows, "truncated": truncated}

    def execute(self, statement: str, values: dict[str, Any] | None, most: int) -> dict[str, Any]:
        """Run the statement and commit."""
        with self._connection.cursor() as cursor:
            _run(cursor, statement, values)
            columns = [str(column[0]) for column in cursor.description or ()]
            rows, truncated = collect_rows(cursor.fetchall() if columns else (), columns, most)
            count = max(cursor.rowcount, 0)
        self._connection.commit()
        return {"count": count, "rows": rows, "truncated": truncated}

    def identity(self) -> tuple[str, str]:
        """The database and the account, as the server names them."""
        [(name, user)] = self.fetch_all("SELECT DATABASE(), CURRENT_USER()")
        return str(name), str(user)


def _run(cursor: Any, statement: str, values: dict[str, Any] | None) -> None:
    """Run a statement; a value that the driver cannot quote, or a parameter without one, is an error of the step."""
    given = {name: _bindable(value) for name, value in values.items()} if values is not None else None
    try:
        written = cursor.mogrify(statement, given)
    except KeyError as error:
        raise ConnectorError(text("The parameter %(name)s has no value.", name=str(error)), code="sql_error") from error
    except (TypeError, ValueError) as error:
        raise ConnectorError(
            text("The parameters do not fit the statement: %(reason)s.", reason=str(error)), code="sql_error"
        ) from error
    cursor.execute(written)


def _bindable(value: Any) -> Any:
    """A value as the driver quotes it: a mapping as JSON, a list as the values of IN, which has one at least."""
    if isinstance(value, dict):
        return msgspec.json.encode(value).decode()
    if isinstance(value, list):
        return [_bindable(each) for each in value] or [None]
    return value


def _refuse_privileged_account(session: MySqlSession) -> None:
    """Reject an account with privileges beyond data, of its own or of an active role, unless the site allows them."""
    if getattr(settings, "AUTOMATE_SQL_OWN_DATABASE", False):
        return
    [(user, roles)] = session.fetch_all("SELECT CURRENT_USER(), CURRENT_ROLE()")
    using = f" FOR CURRENT_USER() USING {roles}" if roles and "@" in str(roles) else ""  # MySQL; MariaDB lists all
    for grant, *_ in session.fetch_all(f"SHOW GRANTS{using}"):
        found = re.match(r"GRANT (.+?) ON \*\.\* TO ", str(grant))
        if found and _PRIVILEGED & {each.strip().upper() for each in found[1].split(",")}:
            raise privileged_role(str(user))


def _translate_error(error: Exception) -> ConnectorError:
    """Return the database's refusal, in its own words, with advice."""
    number, *said = error.args or (0,)
    number = number if isinstance(number, int) else 0
    if not said and error.args:
        return refused_statement(str(error.args[0]), None, retryable=False, state="")  # the driver's own
    if number in _LOST or not said:  # the relay ends a statement that the server does not
        return refused_statement(text("The connection was lost"), TIMED_OUT, retryable=True, state="")
    return refused_statement(str(said[0]), _ADVICE.get(number), retryable=number in _RETRYABLE, state=f"MySQL {number}")

"""Polls of SQL: rows of a table that are new or changed, by a column that only ever grows.

A row that is committed late has a value below those that were read before it: rows are read again as far back as the
`overlap` says.
"""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from psycopg import sql

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.adapters.polls import PollItem, PollResult
from automate_connectors.web import invalid_input
from automate_plugins import text

PAGE_ROWS = 200
_VALUE, _KEY, _TYPE, _KEY_TYPE = (f"automate_poll_{name}" for name in ("value", "key", "type", "key_type"))
_INTEGERS = {"smallint", "integer", "bigint", "tinyint", "mediumint", "int"}
_NUMBERS = {"numeric", "real", "double precision", "decimal", "float", "double"}
_TIMES = {"timestamp with time zone", "timestamp without time zone", "timestamp", "datetime"}


type Read = Callable[[str, dict[str, Any], int], dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How a database writes the statements of a poll.

    `quote(*parts)` quotes a name. `as_text(column)` is a value as text, `type_of(table, column)` the name of its type,
    of unquoted names. `typed(value, kind)` is what is compared with a column of that type, given as text.
    """

    quote: Callable[..., str]
    as_text: Callable[[str], str]
    type_of: Callable[[list[str], str], str]
    typed: Callable[[str, str], Any]


@dataclass(frozen=True)
class _Names:
    """The table and its columns as SQL: quoted, as text, and the names of the columns' types."""

    table: str
    column: str
    key: str
    value_text: str
    key_text: str
    value_type: str
    key_type: str


def find_rows(read: Read, dialect: Dialect, params: dict[str, Any], cursor: Any) -> PollResult:
    """One page of rows. `read(statement, values, most)` gives `rows` and whether they are `truncated`.

    The cursor holds the highest `value` of the round before and its `type`, and while there are further pages the
    `after` (value, key and type of the key of the last row) and the highest value of this round.
    """
    names = _names(dialect, params)
    known = cursor or _start(read, names)
    conditions, values = [f"{names.column} IS NOT NULL"], {}
    if known["value"] is not None:
        conditions.append(f"{names.column} >= %(low)s")
        values["low"] = dialect.typed(_low(known["value"], known["type"], params.get("overlap")), known["type"])
    if known["after"]:
        value, key, key_type = (*known["after"], "")[:3]
        values["value"], values["key"] = dialect.typed(value, known["type"]), dialect.typed(key, key_type)
        conditions.append(f"{names.column} >= %(value)s")
        conditions.append(f"({names.column} > %(value)s OR {names.key} > %(key)s)")
    statement = (
        f"SELECT polled.*, {names.value_text} AS {_VALUE}, {names.key_text} AS {_KEY},"  # noqa: S608 - quoted
        f" {names.value_type} AS {_TYPE}, {names.key_type} AS {_KEY_TYPE} FROM {names.table} AS polled"
        f" WHERE {' AND '.join(conditions)} ORDER BY {names.column}, {names.key} LIMIT {PAGE_ROWS + 1}"
    )
    found = read(statement, values, PAGE_ROWS)
    rows = found["rows"]
    if found["truncated"] and not rows:
        raise ConnectorError(text("A row is too large to be read."), code="row_too_large")
    items = [_item(dict(row)) for row in rows]
    if not rows:
        return PollResult(items=(), cursor={**known, "value": known["newest"] or known["value"], **_ROUND})
    last = rows[-1]
    state = {"value": known["value"], "type": last[_TYPE]}
    if found["truncated"]:
        after = {"after": [last[_VALUE], last[_KEY], last[_KEY_TYPE]], "newest": last[_VALUE]}
        return PollResult(items=items, cursor={**state, **after}, more=True)
    return PollResult(items=items, cursor={**state, "value": last[_VALUE], **_ROUND})


_ROUND: dict[str, Any] = {"after": None, "newest": None}


def _start(read: Read, names: _Names) -> dict[str, Any]:
    """The cursor at the highest value that is there now."""
    statement = (
        f"SELECT {names.value_text} AS {_VALUE}, {names.value_type} AS {_TYPE} FROM {names.table} AS polled"  # noqa: S608 - quoted
        f" WHERE {names.column} IS NOT NULL ORDER BY {names.column} DESC LIMIT 1"
    )
    rows = read(statement, {}, 1)["rows"]
    found = {"value": rows[0][_VALUE], "type": rows[0][_TYPE]} if rows else {"value": None, "type": ""}
    return {**found, **_ROUND}


def _names(dialect: Dialect, params: dict[str, Any]) -> _Names:
    """The names of a statement. Raises ConnectorError."""
    parts = str(params["table"]).split(".")
    column, key = params["column"], params.get("key") or "id"
    if len(parts) > 2 or not all([*parts, column]) or "\0" in "".join([*parts, column, key]):
        raise invalid_input(text("Enter the table as name or schema.name, and the names of its columns."))
    quoted_column, quoted_key = (f"polled.{dialect.quote(each)}" for each in (column, key))
    return _Names(
        table=dialect.quote(*parts),
        column=quoted_column,
        key=quoted_key,
        value_text=dialect.as_text(quoted_column),
        key_text=dialect.as_text(quoted_key),
        value_type=dialect.type_of(parts, column),
        key_type=dialect.type_of(parts, key),
    )


def _quote(*parts: str) -> str:
    return sql.Identifier(*parts).as_string(None).replace("%", "%%")


POSTGRES = Dialect(
    quote=_quote,
    as_text=lambda column: f"{column}::text",
    type_of=lambda table, column: f"pg_typeof(polled.{_quote(column)})::text",
    typed=lambda value, kind: value,  # a literal has the type of what it is compared with
)


def _quote_backticks(*parts: str) -> str:
    return ".".join("`" + part.replace("`", "``").replace("%", "%%") + "`" for part in parts)


def _mysql_type(table: list[str], column: str) -> str:
    """A query of the type of a column, which is named in the form of text: quotes and backslashes doubled."""
    schema = _literal(table[0]) if len(table) == 2 else "DATABASE()"
    return (
        f"(SELECT data_type FROM information_schema.columns WHERE table_schema = {schema}"  # noqa: S608 - literals
        f" AND table_name = {_literal(table[-1])} AND column_name = {_literal(column)})"
    )


def _literal(value: str) -> str:
    return f"CONVERT(X'{value.encode().hex()}' USING utf8mb4)"


def _mysql_typed(value: str, kind: str) -> Any:
    """A number as a number: compared with text, MySQL rounds it to a floating-point number."""
    if kind in _INTEGERS:
        return int(value)
    return Decimal(value) if kind == "decimal" else value


MYSQL = Dialect(
    quote=_quote_backticks,
    as_text=lambda column: f"CAST({column} AS CHAR)",
    type_of=_mysql_type,
    typed=_mysql_typed,
)


def _low(value: str, kind: str, overlap: float | None) -> str:
    """The value from which on rows are read again; a value that cannot be reckoned with, itself."""
    back = max(float(60 if overlap is None else overlap), 0.0)
    try:
        if kind in _INTEGERS:
            return str(int(value) - math.ceil(back))
        if kind in _NUMBERS:
            return str(Decimal(value) - Decimal(back))
        if kind in _TIMES:
            return (dt.datetime.fromisoformat(value) - dt.timedelta(seconds=back)).isoformat()
        if kind == "date":
            return (dt.date.fromisoformat(value) - dt.timedelta(days=math.ceil(back / 86_400))).isoformat()
    except (ArithmeticError, ValueError):
        pass
    return value


def _item(row: dict[str, Any]) -> PollItem:
    value, key, kind, _ = (row.pop(name) for name in (_VALUE, _KEY, _TYPE, _KEY_TYPE))
    return PollItem(id=json.dumps([key, value]), time=_time(value, kind), data=row)


def _time(value: str, kind: str) -> dt.datetime | None:
    """The time of a row whose column is one; without a zone it is UTC."""
    if kind not in _TIMES:
        return None
    try:
        found = dt.datetime.fromisoformat(value)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)

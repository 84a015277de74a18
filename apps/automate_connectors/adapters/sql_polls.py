"""Polls of SQL: rows of a table that are new or changed, by a column that only ever grows.

A row that is committed late has a value below those that were read before it: rows are read again as far back as the
`overlap` says.
"""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Callable
from typing import Any

from psycopg import sql

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.adapters.polls import Poll, PollItem, PollResult
from automate_connectors.web import invalid_input
from automate_plugins import text
from automate_plugins.fields import FieldKind, FieldSpec

PAGE_ROWS = 200
_VALUE, _KEY, _TYPE = "automate_poll_value", "automate_poll_key", "automate_poll_type"
_INTEGERS = {"smallint", "integer", "bigint"}
_NUMBERS = {"numeric", "real", "double precision"}
_TIMES = {"timestamp with time zone", "timestamp without time zone"}

NEW_ROW = Poll(
    name="new_row",
    label=text("New or changed row"),
    description=text("Start for each row whose number or time is higher than before"),
    fields=(
        FieldSpec(name="table", label=text("Table"), required=True, help=text("For example orders or sales.orders")),
        FieldSpec(
            name="column",
            label=text("Increasing column"),
            required=True,
            help=text("id finds new rows, updated_at also changed ones. It needs an index."),
        ),
        FieldSpec(
            name="key",
            label=text("Key column"),
            default="id",
            help=text("Identifies a row"),
        ),
        FieldSpec(
            name="overlap",
            label=text("Overlap"),
            kind=FieldKind.NUMBER,
            default=60,
            help=text("Seconds, or numbers, that are read again. Rows that are committed later than that are missed."),
        ),
    ),
    least_seconds=30,
    sample={"id": 7, "customer": "Ada", "total": "12.50", "updated_at": "2026-01-31T12:00:00+00:00"},
)

type Read = Callable[[str, dict[str, Any], int], dict[str, Any]]


def find_rows(read: Read, params: dict[str, Any], cursor: Any) -> PollResult:
    """One page of rows. `read(statement, values, most)` gives `rows` and whether they are `truncated`.

    The cursor holds the highest `value` of the round before and its `type`, and while there are further pages the
    `after` (value and key of the last row) and the highest value of this round.
    """
    names = _names(params)
    known = cursor or _start(read, names)
    conditions, values = [f"{names['column']} IS NOT NULL"], {}
    if known["value"] is not None:
        conditions.append(f"{names['column']} >= %(low)s")
        values["low"] = _low(known["value"], known["type"], params.get("overlap"))
    if known["after"]:
        conditions.append(f"({names['column']}, {names['key']}) > (%(value)s, %(key)s)")
        values["value"], values["key"] = known["after"]
    statement = (
        f"SELECT polled.*, {names['column']}::text AS {_VALUE}, {names['key']}::text AS {_KEY},"  # noqa: S608 - quoted
        f" pg_typeof({names['column']})::text AS {_TYPE} FROM {names['table']} AS polled"
        f" WHERE {' AND '.join(conditions)} ORDER BY {names['column']}, {names['key']} LIMIT {PAGE_ROWS + 1}"
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
        after = {"after": [last[_VALUE], last[_KEY]], "newest": last[_VALUE]}
        return PollResult(items=items, cursor={**state, **after}, more=True)
    return PollResult(items=items, cursor={**state, "value": last[_VALUE], **_ROUND})


_ROUND: dict[str, Any] = {"after": None, "newest": None}


def _start(read: Read, names: dict[str, str]) -> dict[str, Any]:
    """The cursor at the highest value that is there now."""
    column = names["column"]
    statement = (
        f"SELECT {column}::text AS {_VALUE}, pg_typeof({column})::text AS {_TYPE}"  # noqa: S608 - quoted names
        f" FROM {names['table']} AS polled WHERE {column} IS NOT NULL ORDER BY {column} DESC LIMIT 1"
    )
    rows = read(statement, {}, 1)["rows"]
    found = {"value": rows[0][_VALUE], "type": rows[0][_TYPE]} if rows else {"value": None, "type": ""}
    return {**found, **_ROUND}


def _names(params: dict[str, Any]) -> dict[str, str]:
    """The quoted names of a statement. Raises ConnectorError."""
    parts = str(params["table"]).split(".")
    columns = {"column": params["column"], "key": params.get("key") or "id"}
    if len(parts) > 2 or not all(parts) or not all(columns.values()) or "\0" in "".join([*parts, *columns.values()]):
        raise invalid_input(text("Enter the table as name or schema.name, and the names of its columns."))
    return {
        "table": _quoted(*parts),
        **{name: f"polled.{_quoted(column)}" for name, column in columns.items()},
    }


def _quoted(*parts: str) -> str:
    return sql.Identifier(*parts).as_string(None).replace("%", "%%")


def _low(value: str, kind: str, overlap: float | None) -> str:
    """The value from which on rows are read again; a value that cannot be reckoned with, itself."""
    back = max(float(60 if overlap is None else overlap), 0.0)
    try:
        if kind in _INTEGERS:
            return str(int(value) - math.ceil(back))
        if kind in _NUMBERS:
            return str(float(value) - back)
        if kind in _TIMES:
            return (dt.datetime.fromisoformat(value) - dt.timedelta(seconds=back)).isoformat()
        if kind == "date":
            return (dt.date.fromisoformat(value) - dt.timedelta(days=math.ceil(back / 86_400))).isoformat()
    except (ValueError, OverflowError):
        pass
    return value


def _item(row: dict[str, Any]) -> PollItem:
    value, key, kind = row.pop(_VALUE), row.pop(_KEY), row.pop(_TYPE)
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

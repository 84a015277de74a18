"""Rows of Google Sheets by the names of their columns, which the first row of a sheet holds.

Source: https://developers.google.com/workspace/sheets/api/reference/rest/v4/spreadsheets.values
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.adapters.tables import read_tables
from automate_connectors.context import Context
from automate_connectors.declared.adapter import DeclaredConnector
from automate_connectors.web import as_text, invalid_input
from automate_plugins import text
from automate_plugins.texts import marked

_MOST_FOUND = 1_000
_ROW = re.compile(r"![A-Z]+(\d+)")


@dataclass(frozen=True)
class _Table:
    """The rows of a sheet, with the names of the columns in the first one."""

    rows: Sequence[Sequence[Any]]

    @property
    def columns(self) -> list[str]:
        return [as_text(name) for name in self.rows[0]] if self.rows else []

    def column(self, name: str) -> int:
        """The position of a column. Raises ConnectorError that names those there are."""
        if name not in self.columns or not name:
            known = ", ".join(filter(None, self.columns)) or "-"
            raise invalid_input(
                text("The sheet has no column %(name)s. It has: %(known)s.", name=repr(name), known=known)
            )
        return self.columns.index(name)

    def matching(self, column: str, value: Any) -> list[int]:
        """The numbers of the rows that have the value in the column."""
        place = self.column(column)
        return [
            index + 1
            for index, row in enumerate(self.rows)
            if index and place < len(row) and _is_same(row[place], value)
        ]

    def as_columns(self, number: int) -> dict[str, Any]:
        """The values of a row by the names of the columns."""
        row = self.rows[number - 1]
        named = [(name, place) for place, name in enumerate(self.columns) if name]
        return {name: row[place] if place < len(row) else "" for name, place in reversed(named)}

    def written(self, values: Mapping[str, Any]) -> list[Any]:
        """A row of these values; null keeps a cell. Raises ConnectorError for an unknown column."""
        places = {self.column(name): value for name, value in values.items()}
        if not places:
            raise invalid_input(text("Enter at least one value."))
        return [places.get(place) for place in range(max(places) + 1)]


class SheetRows(DeclaredConnector):
    """Actions that first read the names of the columns."""

    keyless_actions = ("add_row", "save_row")
    own_actions = read_tables(Path(__file__).with_suffix(".yaml")).actions

    def execute(self, action: str, params: dict[str, Any], context: Context) -> Any:
        """Read the sheet, and write the row."""
        if action not in _NAMES:
            return super().execute(action, params, context)
        table = self._table(params, context)
        if action == "find_rows":
            return _found(table, params)
        written = table.written(params["values"])
        number = 0
        if action == "update_row":
            number = params["row"]
            if number < 2:
                raise invalid_input(text("The first row has the names of the columns. Enter 2 or more."))
        elif action == "save_row":
            value = params["values"].get(params["key"])
            if value in (None, ""):
                raise invalid_input(text("The values need one for the key column %(name)s.", name=repr(params["key"])))
            number = next(iter(table.matching(params["key"], value)), 0)
        return self._write(table, number, written, params, context)

    def describe(self, action: str, params: dict[str, Any], context: Context) -> dict[str, Any]:
        """The action, the sheet and the values."""
        if action not in _NAMES:
            return super().describe(action, params, context)
        label = marked(self.action(action).label)
        summary = text("%(action)s in %(sheet)s", action=label, sheet=params["sheet"])
        return {"summary": summary, **{name: value for name, value in params.items() if value is not None}}

    def reads_only(self, action: str, params: dict[str, Any]) -> bool:
        """Whether it leaves the sheet as it is."""
        return action == "find_rows" or super().reads_only(action, params)

    def options(self, name: str, params: dict[str, Any], context: Context) -> list[tuple[str, str]]:
        """`columns` of the sheet by name, and the lists of the document."""
        if name != "columns":
            return super().options(name, params, context)
        for needed in ("spreadsheet", "sheet"):
            if not params.get(needed) or "{{" in str(params[needed]):
                raise invalid_input(text("Fill in %(name)s first.", name=needed))
        given = {"spreadsheet": params["spreadsheet"], "sheet": params["sheet"], "range": "1:1"}
        found = self._caller(context)("read_range", given).output()
        return [(column, column) for column in dict.fromkeys(filter(None, _Table(found.get("values") or []).columns))]

    def _table(self, params: Mapping[str, Any], context: Context) -> _Table:
        given = {"spreadsheet": params["spreadsheet"], "sheet": params["sheet"]}
        table = _Table(self._caller(context)("read_rows", given).output().get("values") or [])
        if not table.columns or not table.columns[0]:  # Google finds the table by its first cell
            raise invalid_input(text("The first row of the sheet must name its columns, from the first column on."))
        return table

    def _write(
        self, table: _Table, number: int, written: list[Any], params: Mapping[str, Any], context: Context
    ) -> dict[str, Any]:
        given = {"spreadsheet": params["spreadsheet"], "sheet": params["sheet"]}
        given["input_option"] = params.get("input_option") or "RAW"
        call = self._caller(context)
        if number:
            call("update_range", {**given, "range": f"A{number}", "rows": [written]}).output()
            return {"row": number, "created": False}
        answered = call("append_row", {**given, "values": written}).output()
        place = _ROW.search(str((answered.get("updates") or {}).get("updatedRange", "")))
        if place is None:
            raise ConnectorError(text("Google did not say which row it added."), code="invalid_answer")
        return {"row": int(place[1]), "created": True}


_NAMES = frozenset(action.name for action in SheetRows.own_actions)


def _found(table: _Table, params: Mapping[str, Any]) -> dict[str, Any]:
    limit = 100 if params.get("limit") is None else params["limit"]
    if not 1 <= limit <= _MOST_FOUND:
        raise invalid_input(text("%(name)s must be between 1 and %(maximum)s.", name="limit", maximum=_MOST_FOUND))
    numbers = table.matching(params["column"], params["value"])
    items = [{"row": number, "columns": table.as_columns(number)} for number in numbers[:limit]]
    return {"items": items, "count": len(items)}


def _is_same(cell: Any, wanted: Any) -> bool:
    """Whether a cell has the value: a number also as text, since a text that is typed in becomes one."""
    if _is_number(cell) or _is_number(wanted):
        try:
            return float(cell) == float(wanted)
        except (TypeError, ValueError):
            return False
    if isinstance(cell, bool):  # shown as TRUE
        return as_text(cell) == as_text(wanted).lower()
    return as_text(cell) == as_text(wanted)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

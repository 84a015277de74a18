"""Tables of CSV and Excel: their header, columns and width."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from automate_connectors.adapters.data.pure_action import invalid_input, names_of
from automate_plugins import text
from automate_plugins.fields import FieldKind, FieldSpec

MAX_COLUMNS = 500

HEADER = FieldSpec(
    name="header",
    label=text("Header row"),
    kind=FieldKind.BOOLEAN,
    default=True,
    help=text("The first row contains the names"),
)
COLUMNS = FieldSpec(
    name="columns", label=text("Columns"), kind=FieldKind.LIST, help=text("Default: all fields of the rows")
)


def check_width(count: int, row: int) -> None:
    """Check the number of columns of a row that was read, numbered from 1. Raises ConnectorError."""
    if count > MAX_COLUMNS:
        raise invalid_input(
            text(
                "Row %(row)s has %(count)s columns. The maximum is %(maximum)s.",
                row=row,
                count=count,
                maximum=MAX_COLUMNS,
            )
        )


def check_header(names: list[str]) -> None:
    """Check that each name of a header is there once. Raises ConnectorError."""
    if twice := {name for name in names if names.count(name) > 1}:
        raise invalid_input(
            text("The header repeats %(names)s. Rename the columns.", names=", ".join(sorted(map(repr, twice))))
        )


def columns_of(params: dict[str, Any], rows: Iterable[dict[str, Any]]) -> list[str]:
    """Return the columns to write: those of the input, or all fields of the rows. Raises ConnectorError."""
    columns = names_of(params, "columns", MAX_COLUMNS) or list(dict.fromkeys(name for row in rows for name in row))
    if len(columns) > MAX_COLUMNS:
        raise invalid_input(
            text("There are %(count)s columns. The maximum is %(maximum)s.", count=len(columns), maximum=MAX_COLUMNS)
        )
    return columns

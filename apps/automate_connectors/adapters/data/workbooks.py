"""Excel files, read and written with openpyxl (extra `excel`). Workbooks of strangers: capped when unpacked."""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from collections.abc import Iterator
from typing import Any, BinaryIO

import msgspec

from automate_connectors.adapters.data.file_action import (
    named,
)
from automate_connectors.adapters.data.pure_action import (
    MAX_ITEMS,
    invalid_input,
    list_output,
    rows_of,
)
from automate_connectors.adapters.data.tables import check_header, check_width, columns_of
from automate_connectors.adapters.extras import from_extra
from automate_connectors.context import Files
from automate_plugins import text

TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MAX_UNPACKED_BYTES = 100_000_000
_MAX_CELL = 32_767  # https://support.microsoft.com: Excel specifications and limits


def _read_excel(params: dict[str, Any], files: Files) -> dict[str, Any]:
    with from_extra("excel"):
        import openpyxl
    with files.open(params["file"]) as file:
        _check_archive(file)
        try:
            book = openpyxl.load_workbook(file, read_only=True, data_only=True)
            sheet = _find_sheet(book, params.get("sheet") or "")
            rows = list(_rows(sheet))
            names = list(book.sheetnames)
            book.close()
        except (KeyError, ValueError, TypeError, AttributeError, IndexError, OSError, zipfile.BadZipFile) as error:
            raise invalid_input(text("The file is not a readable Excel workbook.")) from error
    if not params["header"]:
        return list_output(rows, sheets=names)
    header = [_name(value, number) for number, value in enumerate(rows[0], 1)] if rows else []
    check_header(header)
    return list_output((dict(zip(header, row, strict=False)) for row in rows[1:]), sheets=names)


def _check_archive(file: BinaryIO) -> None:
    try:
        with zipfile.ZipFile(file) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, ValueError, OSError) as error:
        raise invalid_input(text("The file is not a readable Excel workbook.")) from error
    if size > MAX_UNPACKED_BYTES:
        raise invalid_input(
            text("The workbook is larger than %(size)s MB when unpacked.", size=MAX_UNPACKED_BYTES // 1_000_000)
        )
    file.seek(0)


def _find_sheet(book: Any, name: str) -> Any:
    if not name:
        return book.worksheets[0]
    found = next((sheet for sheet in book.worksheets if sheet.title == name), None)
    if found is None:
        known = ", ".join(sheet.title for sheet in book.worksheets)
        raise invalid_input(
            text("The workbook has no sheet %(name)s. It has: %(known)s.", name=repr(name), known=known)
        )
    return found


def _rows(sheet: Any) -> Iterator[list[Any]]:
    """Yield the rows that hold something, without empty cells at their ends. Raises ConnectorError."""
    count = 0
    for row in sheet.iter_rows(values_only=True):
        values = [_plain(value) for value in row]
        while values and values[-1] is None:
            values.pop()
        if not values:
            continue
        count += 1
        if count > MAX_ITEMS + 1:
            raise invalid_input(text("The sheet has more than %(count)s rows.", count=MAX_ITEMS))
        check_width(len(values), count)
        yield values


def _plain(value: Any) -> Any:
    """A cell's value as JSON: dates and times as texts (ISO 8601)."""
    if isinstance(value, dt.datetime | dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def _name(value: Any, number: int) -> str:
    return str(value).strip() if value not in (None, "") else f"column_{number}"


def _write_excel(params: dict[str, Any], files: Files) -> dict[str, Any]:
    with from_extra("excel"):
        import openpyxl
        from openpyxl import cell as cells
        from openpyxl.utils.exceptions import IllegalCharacterError
    rows = rows_of(params)
    columns = columns_of(params, rows)
    book = openpyxl.Workbook(write_only=True)
    out = io.BytesIO()
    try:
        sheet = book.create_sheet(params.get("sheet") or "Sheet1")
        try:
            if params["header"]:
                sheet.append([_cell(cells, sheet, name) for name in columns])
            for row in rows:
                sheet.append([_cell(cells, sheet, row.get(name)) for name in columns])
        finally:
            book.save(out)  # also of what is refused: it closes the sheet and deletes its temporary file
    except IllegalCharacterError as error:
        message = text("A cell has a control character, which Excel files cannot hold. Remove it with a list step.")
        raise invalid_input(message) from error
    except ValueError as error:  # titles that Excel refuses
        raise invalid_input(text("The value cannot be written to Excel: %(reason)s", reason=str(error))) from error
    return {"file": files.create(named(params["filename"], ".xlsx"), out.getvalue(), TYPE)}


def _cell(cells: Any, sheet: Any, value: Any) -> Any:
    """A cell; a text is never a formula."""
    if isinstance(value, dict | list):
        value = msgspec.json.encode(value).decode()
    if isinstance(value, str) and len(value) > _MAX_CELL:
        raise invalid_input(text("A cell has more than %(count)s characters.", count=_MAX_CELL))
    made = cells.WriteOnlyCell(sheet, value=value)
    if isinstance(value, str):
        made.data_type = "s"
    return made


FILE_ACTIONS = {
    "read_excel": _read_excel,
    "write_excel": _write_excel,
}

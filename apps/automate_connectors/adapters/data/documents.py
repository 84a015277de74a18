"""CSV, JSON and text files, read and written."""

from __future__ import annotations

from typing import Any

from automate_connectors.adapters.data import formats
from automate_connectors.adapters.data.file_action import (
    FILE,
    FILENAME,
    WRITTEN,
    file_action,
    named,
    read_text,
)
from automate_connectors.adapters.data.pure_action import ITEMS, ROWS, TEXT
from automate_connectors.adapters.data.tables import COLUMNS, HEADER
from automate_connectors.context import Files
from automate_plugins import text
from automate_plugins.fields import FieldKind, FieldSpec

MAX_CSV = 5_000_000  #: characters
_ENCODINGS = (
    ("auto", text("Automatic (UTF-8, else Windows-1252)")),
    ("utf-8-sig", "UTF-8"),
    ("cp1252", "Windows-1252"),
    ("latin-1", "ISO-8859-1"),
    ("utf-16", "UTF-16"),
)
_ENCODING = FieldSpec(
    name="encoding", label=text("Encoding"), kind=FieldKind.CHOICE, choices=_ENCODINGS, default="auto"
)


def _read_csv(params: dict[str, Any], files: Files) -> dict[str, Any]:
    document = read_text(params["file"], files, params["encoding"], MAX_CSV)
    return formats.read_csv(document, params)


def _write_csv(params: dict[str, Any], files: Files) -> dict[str, Any]:
    # with a byte order mark, by which Excel knows UTF-8
    content = formats.write_csv(params)["text"].encode("utf-8-sig")
    return {"file": files.create(named(params["filename"], ".csv"), content, "text/csv")}


def _read_text(params: dict[str, Any], files: Files) -> dict[str, Any]:
    return {"text": read_text(params["file"], files, params["encoding"])}


def _write_text(params: dict[str, Any], files: Files) -> dict[str, Any]:
    return {"file": files.create(params["filename"], params["text"].encode())}


def _read_json(params: dict[str, Any], files: Files) -> dict[str, Any]:
    return formats.read_json(read_text(params["file"], files, "utf-8-sig"))


def _write_json(params: dict[str, Any], files: Files) -> dict[str, Any]:
    content = formats.write_json(params)["text"].encode()
    return {"file": files.create(named(params["filename"], ".json"), content, "application/json")}


FILE_ACTIONS = (
    file_action(
        _read_csv,
        "read_csv_file",
        text("Read CSV file"),
        text("Convert a CSV file to rows"),
        FILE,
        formats.DELIMITER,
        HEADER,
        formats.NUMBERS,
        formats.DATES,
        _ENCODING,
        outputs=ROWS,
    ),
    file_action(
        _write_csv,
        "write_csv_file",
        text("Write CSV file"),
        text("Store rows as a CSV file"),
        FILENAME,
        ITEMS,
        COLUMNS,
        formats.DELIMITER,
        HEADER,
        formats.GUARD_FORMULAS,
        outputs=WRITTEN,
    ),
    file_action(
        _read_text,
        "read_text_file",
        text("Read text file"),
        text("Return the content of a file as text"),
        FILE,
        _ENCODING,
        outputs=(FieldSpec(name="text"),),
    ),
    file_action(
        _write_text,
        "write_text_file",
        text("Write text file"),
        text("Store text as a file"),
        FILENAME,
        TEXT,
        outputs=WRITTEN,
    ),
    file_action(
        _read_json,
        "read_json_file",
        text("Read JSON file"),
        text("Convert a JSON file to a value"),
        FILE,
        outputs=(FieldSpec(name="value", kind=FieldKind.JSON),),
    ),
    file_action(
        _write_json,
        "write_json_file",
        text("Write JSON file"),
        text("Store a value as a JSON file"),
        FILENAME,
        formats.VALUE,
        formats.INDENT,
        outputs=WRITTEN,
    ),
)

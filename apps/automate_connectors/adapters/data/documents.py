"""CSV, JSON and text files, read and written."""

from __future__ import annotations

from typing import Any

from automate_connectors.adapters.data import formats
from automate_connectors.adapters.data.file_action import (
    named,
    read_text,
)
from automate_connectors.context import Files

MAX_CSV = 5_000_000  #: characters


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


FILE_ACTIONS = {
    "read_csv_file": _read_csv,
    "write_csv_file": _write_csv,
    "read_text_file": _read_text,
    "write_text_file": _write_text,
    "read_json_file": _read_json,
    "write_json_file": _write_json,
}

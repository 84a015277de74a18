"""Shared parts of the actions on files: their description beside their functions, limits, and missing extras."""

from __future__ import annotations

from typing import Any

from automate_connectors.adapters.data.pure_action import MAX_TEXT, invalid_input
from automate_connectors.context import Files
from automate_plugins import text


def read_text(value: Any, files: Files, encoding: str = "auto", most: int = MAX_TEXT) -> str:
    """Return the content of a file as text: UTF-8, else Windows-1252, or the given encoding. Raises ConnectorError."""
    with files.open(value) as file:
        content = file.read(4 * most + 4)
    tried = ("utf-8-sig", "cp1252") if encoding == "auto" else (encoding,)
    for each in tried:
        try:
            found = content.decode(each)
        except UnicodeDecodeError:
            continue
        if len(found) > most:
            raise invalid_input(text("The file has more than %(count)s characters.", count=most))
        return found
    raise invalid_input(text("The file %(name)s is not text in this encoding.", name=value["name"]))


def named(filename: str, ending: str) -> str:
    """Return a file name with its ending."""
    return filename if filename.lower().endswith(ending) else f"{filename}{ending}"

"""Shared parts of the actions on files: their description beside their functions, limits, and missing extras."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from automate_connectors.adapters.base import Action, Effect
from automate_connectors.adapters.data.pure_action import MAX_TEXT, invalid_input
from automate_connectors.context import Files
from automate_plugins import text
from automate_plugins.fields import FieldKind, FieldSpec

FILE = FieldSpec(name="file", label=text("File"), kind=FieldKind.FILE, required=True)
FILENAME = FieldSpec(name="filename", label=text("File name"), required=True)
WRITTEN = (FieldSpec(name="file", kind=FieldKind.FILE),)


@dataclass(frozen=True)
class FileAction:
    """An action and the function that reads or writes a file. `run` raises ConnectorError."""

    action: Action
    run: Callable[[dict[str, Any], Files], Any]


def file_action(
    run: Callable[[dict[str, Any], Files], Any],
    name: str,
    label: str,
    description: str,
    *fields: FieldSpec,
    outputs: tuple[FieldSpec, ...],
) -> FileAction:
    """Return an action on a file, which the engine performs in a thread."""
    made = Action(
        name=name, label=label, description=description, effect=Effect.EFFECTFUL, fields=fields, outputs=outputs
    )
    return FileAction(made, run)


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

"""What commands print: tables that fit the terminal, records, diffs and JSON."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import click

from automate_cli.errors import masked, one_line, printable

GAP = 2
NARROWEST = 8  #: characters that a shortened column keeps
_COLOURS = {
    "succeeded": "green", "approved": "green", "ok": "green", "active": "green", "working": "green",
    "failed": "red", "rejected": "red", "dead": "red", "failing": "red", "reconnect": "red",
    "running": "blue", "waiting": "yellow", "queued": "yellow", "paused": "yellow",
    "cancelled": "bright_black", "skipped": "bright_black", "archived": "bright_black",
}  # fmt: skip
_NOT_JSON = re.compile(r"[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@dataclass(frozen=True)
class Column:
    """A column: its heading, and how its text comes out of an object. Only columns that may be `cut` get narrower."""

    heading: str
    value: Callable[[Mapping[str, Any]], Any]
    cut: bool = True
    coloured: bool = False


def named(name: str, heading: str | None = None, **options: Any) -> Column:
    """A column for the field `name` of each object."""
    shown = heading or name.replace("_", " ").capitalize()
    return Column(shown, lambda item: item.get(name), **options)


def print_json(value: Any) -> None:
    """One JSON value, indented, with non-ASCII characters as they are."""
    _print_escaped(json.dumps(value, indent=2, ensure_ascii=False))


def print_json_line(value: Any) -> None:
    """One JSON value in one line."""
    _print_escaped(json.dumps(value, ensure_ascii=False))
    sys.stdout.flush()


def _print_escaped(text: str) -> None:
    click.echo(_escaped(text))


def _escaped(text: str) -> str:
    return _NOT_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def print_table(items: Iterable[Mapping[str, Any]], columns: Sequence[Column], *, empty: str) -> None:
    """A table, as wide as the terminal at most; in a pipe nothing is cut. `empty` goes to standard error."""
    rows = [[_cell(column.value(item)) for column in columns] for item in items]
    if not rows:
        click.echo(empty, err=True)
        return
    headings = [column.heading.upper() for column in columns]
    widths = [max(map(text_width, cells)) for cells in zip(headings, *rows, strict=True)]
    if is_terminal():
        widths = fitted(widths, [column.cut for column in columns], shutil.get_terminal_size().columns)
    click.echo(_row(headings, widths, [None] * len(columns), bold=True))
    for row in rows:
        click.echo(
            _row(row, widths, [_colour(cell) if c.coloured else None for c, cell in zip(columns, row, strict=True)])
        )


def print_object(item: Mapping[str, Any]) -> None:
    """The fields of an object below each other; those that are empty are left out."""
    shown = [(_label(name), _field(name, value)) for name, value in item.items() if value not in (None, "", [], {})]
    width = max((text_width(label) for label, _ in shown), default=0)
    for label, value in shown:
        click.echo(f"{click.style(_padded(label, width), bold=True)}  {value}")


def error_text(error: Any) -> str:
    """An error of a run or a step in words; empty for none."""
    if not isinstance(error, dict):
        return ""
    where = f"{error['step']}: " if error.get("step") else ""
    return one_line(f"{where}{error.get('message') or error.get('code') or ''}")


def _label(name: str) -> str:
    return one_line(name.removesuffix("_at").replace("_", " ").capitalize())


def _field(name: str, value: Any) -> str:
    if name == "status":
        return status_text(str(value))
    if name.endswith("_at"):
        return printable(local_time(value))
    return error_text(value) if name == "error" else _cell(value)


def print_diff(lines: Iterable[str]) -> None:
    """A unified diff in its usual colours."""
    for line in lines:
        marked = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1])
        click.echo(click.style(printable(line.rstrip("\n")), fg=marked))


def print_note(text: str) -> None:
    """One line about what was done, on standard output."""
    click.echo(one_line(text))


def print_warning(text: str) -> None:
    """One line on standard error."""
    click.echo(masked(one_line(text)), err=True)


def print_error(text: str, code: int, *, as_json: bool) -> None:
    """An error in one line on standard error, as a JSON object for programs."""
    message = masked(one_line(text))
    shown = _escaped(json.dumps({"error": message, "exit_code": code}, ensure_ascii=False))
    click.echo(shown if as_json else f"Error: {message}", err=True)


def status_text(status: str) -> str:
    """A status in its colour."""
    return click.style(printable(status), fg=_colour(status))


def local_time(value: Any) -> str:
    """A time of the API in this machine's time zone, to the second; empty for none."""
    try:
        return datetime.fromisoformat(str(value)).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return "" if value is None else str(value)


def clock_time(value: Any) -> str:
    """The time of day of `local_time`."""
    return local_time(value)[11:] or local_time(value)


def time_column(name: str, heading: str | None = None) -> Column:
    """A column of times."""
    shown = heading or name.replace("_", " ").capitalize()
    return Column(shown, lambda item: local_time(item.get(name)), cut=False)


def is_terminal() -> bool:
    """Whether a person reads standard output on a terminal."""
    return sys.stdout.isatty()


def colours_wanted() -> bool:
    """Whether standard output is a terminal whose person did not ask for no colours (https://no-color.org)."""
    return is_terminal() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def text_width(text: str) -> int:
    """Columns of a terminal that `text` takes."""
    return sum(_character_width(character) for character in text)


def fitted(widths: Sequence[int], cut: Sequence[bool], terminal: int) -> list[int]:
    """Widths that fit `terminal`, as far as the columns that may be `cut` allow: the widest gives first."""
    found = list(widths)
    while sum(found) + GAP * (len(found) - 1) > terminal:
        candidates = [at for at, width in enumerate(found) if cut[at] and width > NARROWEST]
        if not candidates:
            break
        found[max(candidates, key=lambda at: found[at])] -= 1
    return found


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)) and all(isinstance(each, (str, int)) for each in value):
        return one_line(", ".join(map(str, value)))
    return one_line(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _row(cells: Sequence[str], widths: Sequence[int], colours: Sequence[str | None], *, bold: bool = False) -> str:
    fitting = [_padded(_shortened(cell, width), width) for cell, width in zip(cells, widths, strict=True)]
    fitting[-1] = fitting[-1].rstrip()
    styled = [
        click.style(cell, fg=colour, bold=bold or None) if colour or bold else cell
        for cell, colour in zip(fitting, colours, strict=True)
    ]
    return (" " * GAP).join(styled)


def _shortened(text: str, width: int) -> str:
    if text_width(text) <= width:
        return text
    kept, used = "", 0
    for character in text:
        used += _character_width(character)
        if used > width - 1:
            break
        kept += character
    return f"{kept}…"


def _padded(text: str, width: int) -> str:
    return text + " " * (width - text_width(text))


def _character_width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _colour(status: str) -> str | None:
    return _COLOURS.get(status.lower())

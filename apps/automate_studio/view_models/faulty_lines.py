"""Lines of a text with errors, and their neighbours: for files and texts that people send in."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

_AROUND = 2  #: lines shown before and after one with a fault
_LONGEST_LINE = 300
_LINE_BREAK = re.compile(r"\r\n|[\r\n\x85\u2028\u2029]")


@dataclass
class FileLine:
    """A line near an error; `gap` when lines before it are left out."""

    number: int
    text: str
    gap: bool = False
    faults: list[str] = field(default_factory=list)


def faulty_lines(text: str, faults: Iterable[tuple[int, str]]) -> list[FileLine]:
    """The lines of a text with faults, given as (line from 1, reason), and their neighbours."""
    said: dict[int, list[str]] = {}
    for number, reason in faults:
        said.setdefault(number, []).append(reason)
    written = _LINE_BREAK.split(text)
    near = {number + step for number in said for step in range(-_AROUND, _AROUND + 1)}
    found: list[FileLine] = []
    last = 0
    for number in sorted(near & set(range(1, len(written) + 1)) | said.keys()):
        shown = written[number - 1][:_LONGEST_LINE] if number <= len(written) else ""
        found.append(FileLine(number, shown, gap=number > last + 1, faults=said.get(number, [])))
        last = number
    return found

"""Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html) out of lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

MAX_CHARACTERS = 4_000_000  #: of one event


@dataclass(frozen=True)
class ServerEvent:
    """One event: its name, its data and the ID from which a new connection continues."""

    name: str
    data: str
    id: str = ""


def read_events(lines: Iterable[str]) -> Iterator[ServerEvent]:
    """The events in `lines`, which have no line ends; comments, such as heartbeats, and a last partial event are left
    out. Raises ValueError when one is too long."""
    name, last_id, data, length = "", "", [], 0  # type: str, str, list[str], int
    for line in lines:
        length += len(line)
        if length > MAX_CHARACTERS:
            raise ValueError("event too long")
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if line == "":
            if data:
                yield ServerEvent(name or "message", "\n".join(data), last_id)
            name, data, length = "", [], 0
        elif field == "event":
            name = value
        elif field == "data":
            data.append(value)
        elif field == "id" and "\0" not in value:
            last_id = value

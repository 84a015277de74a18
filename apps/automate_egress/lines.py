"""The lines of a conversation with a mail server, under its deadline and limited in bytes and number."""

from __future__ import annotations

import io
import socket  # noqa: TID251 - typing; the guard opens the socket
from collections.abc import Callable

from automate_egress.answers import timed_file
from automate_egress.errors import EgressResponseTooLargeError
from automate_egress.work_limit import WorkLimit


class LineReader:
    """Reads what a server sends: at most `most_bytes` and `most_lines` in all.

    Raises EgressResponseTooLargeError with the message `too_much` beyond them, and what `remaining` raises.
    """

    def __init__(self, remaining: Callable[[], float], *, most_bytes: int, most_lines: int, too_much: str) -> None:
        self._remaining = remaining
        limits = {"remaining": remaining, "exceeded": lambda: EgressResponseTooLargeError(too_much)}
        self._bytes = WorkLimit(most_bytes, **limits)  # type: ignore[arg-type]
        self._lines = WorkLimit(most_lines, **limits)  # type: ignore[arg-type]
        self._file: io.BufferedReader | None = None

    def attach(self, sock: socket.socket) -> None:
        """Read from this socket: the first one, or the encrypted one in its place. The limits go on."""
        self._file = timed_file(sock, self._remaining)

    def readline(self, most: int = -1) -> bytes:
        """Return the next line, or its first `most` bytes; empty at the end."""
        line = self._file.readline(most) if self._file else b""
        self._lines.spend()
        self._bytes.spend(len(line))
        return line

    def read(self, size: int) -> bytes:
        """Return the next `size` bytes; fewer at the end."""
        self._bytes.spend(size)  # before they are held
        return self._file.read(size) if self._file else b""

    def close(self) -> None:
        """Close the file; the socket is the caller's."""
        if self._file is not None:
            self._file.close()

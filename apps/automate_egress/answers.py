"""HTTP responses under a deadline: a socket's time-out restarts with every byte, so it is set before each read."""

from __future__ import annotations

import io
import socket  # noqa: TID251 - typing, and the time-out of a socket that the guard has opened
from collections.abc import Callable
from http.client import HTTPResponse  # noqa: TID251 - the class that urllib3 reads answers with
from typing import Any

from automate_egress.socket_wait import wait_until_readable

MAX_PAUSE_SECONDS = 10.0  #: how long an answer that has begun may pause


def timed_answer(remaining: Callable[[], float]) -> type[HTTPResponse]:
    """Return a response class for `http.client`. `remaining` returns the seconds that are left, or raises."""

    class TimedAnswer(HTTPResponse):
        """An answer whose status line, headers and body share one deadline."""

        def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
            super().__init__(_TimedSocket(sock, remaining), *args, **kwargs)  # type: ignore[arg-type]

    return TimedAnswer


def timed_file(sock: socket.socket, remaining: Callable[[], float]) -> io.BufferedReader:
    """Return the data of `sock` as a file, read under the deadline."""
    return io.BufferedReader(_TimedReader(sock, remaining))


class _TimedSocket:
    """The part of a socket that HTTPResponse uses: a file to read."""

    def __init__(self, sock: socket.socket, remaining: Callable[[], float]) -> None:
        self._sock = sock
        self._remaining = remaining

    def makefile(self, mode: str) -> io.BufferedReader:
        """Return the socket as a file, read under the deadline."""
        return timed_file(self._sock, self._remaining)


class _TimedReader(io.RawIOBase):
    def __init__(self, sock: socket.socket, remaining: Callable[[], float]) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._remaining = remaining
        self._begun = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        remaining = self._remaining()
        patience = min(remaining, MAX_PAUSE_SECONDS) if self._begun else remaining
        self._begun = True
        wait_until_readable(self._sock, patience, self._remaining)
        self._sock.settimeout(self._remaining())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()

"""HTTP responses under a deadline: a socket's time-out restarts with every byte, so it is set before each read."""

from __future__ import annotations

import io
import socket  # noqa: TID251 - typing, and the time-out of a socket that the guard has opened
import time
from collections.abc import Callable
from http.client import HTTPResponse  # noqa: TID251 - the class that urllib3 reads answers with
from typing import Any

POLL_SECONDS = 0.25  #: between looks at whether a request is cancelled, while the other side is silent
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
        self._raw = sock.makefile("rb", buffering=0)  # the socket stays open as long as this does
        self._remaining = remaining
        self._begun = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        remaining = self._remaining()
        until = time.monotonic() + (min(remaining, MAX_PAUSE_SECONDS) if self._begun else remaining)
        self._begun = True
        usual = self._sock.gettimeout()
        while (seconds := until - time.monotonic()) > 0:
            self._sock.settimeout(min(POLL_SECONDS, seconds))
            try:
                count = self._sock.recv_into(buffer)
            except TimeoutError:
                self._remaining()
            else:
                self._sock.settimeout(usual)  # a handshake or an upload may follow
                return count
        raise TimeoutError

    def close(self) -> None:
        self._raw.close()
        super().close()

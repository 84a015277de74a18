"""Connections under a deadline: name look-up, connect, handshake and every piece that is sent."""

from __future__ import annotations

import socket  # noqa: TID251 - the time-outs of sockets that the guard opens, and the look-up it checks
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from ssrfguard import Resolver
from urllib3.connection import HTTPConnection  # noqa: TID251 - the connections of this package's own pools
from urllib3.connectionpool import HTTPConnectionPool  # noqa: TID251

from automate_egress.answers import timed_answer

CONNECT_SECONDS = 5.0  #: for the look-up, and for the connect and handshake
LOOKUP_SECONDS = 10.0  #: that the answer of a name server serves for
_PIECE = 65_536
_MOST_ANSWERS = 1_000
_answers: dict[Any, tuple[float, Any]] = {}  # of name servers, by the question, with the end of their time
_lookups = threading.BoundedSemaphore(32)  # look-ups that a name server holds up, at most


def timed_pools(
    pools: Mapping[str, type[HTTPConnectionPool]], remaining: Callable[[], float]
) -> dict[str, type[HTTPConnectionPool]]:
    """Return pool classes whose connections keep the deadline."""
    return {
        scheme: type(pool.__name__, (pool,), {"ConnectionCls": _timed_connection_class(pool.ConnectionCls, remaining)})  # type: ignore[arg-type]
        for scheme, pool in pools.items()
    }


def _timed_connection_class(base: type[HTTPConnection], remaining: Callable[[], float]) -> type[HTTPConnection]:
    class TimedConnection(base):  # type: ignore[valid-type, misc]
        response_class = timed_answer(remaining)
        _held: bytes | None = None  # the headers of a request, until its body or its end comes

        def request(self, *args: Any, **options: Any) -> None:
            self._held = b""
            try:
                super().request(*args, **options)
                self._send_held()
            finally:
                self._held = None

        def _new_conn(self) -> socket.socket:
            sock: socket.socket = super()._new_conn()
            sock.settimeout(min(CONNECT_SECONDS, remaining()))  # the handshake
            return sock

        def send(self, data: Any) -> None:
            if self._held == b"" and isinstance(data, bytes):
                self._held = data
                return
            held, self._held = self._held, None
            if held and isinstance(data, bytes) and len(data) <= _PIECE:
                data, held = held + data, None  # one packet, and one time that the other side wakes up
            if held:
                self._send_pieces(held)
            self._send_pieces(data)

        def _send_held(self) -> None:
            held, self._held = self._held, None
            if held:
                self._send_pieces(held)

        def _send_pieces(self, data: Any) -> None:
            if not isinstance(data, bytes | bytearray | memoryview):
                super().send(data)
                return
            if self.sock is None:
                self.connect()
            for start in range(0, len(data), _PIECE):
                self.sock.settimeout(remaining())
                super().send(data[start : start + _PIECE])

    return TimedConnection


def timed_lookup(remaining: Callable[[], float]) -> Resolver:
    """Return a `getaddrinfo` with a time-out: it has none itself, so it runs in a thread that may be abandoned.

    An answer serves for LOOKUP_SECONDS, in all threads. Each connection checks its addresses again.
    """

    def lookup(host: Any, port: Any, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0) -> Any:
        if flags & socket.AI_NUMERICHOST:
            return socket.getaddrinfo(host, port, family, type, proto, flags)
        key = (host, port, family, type, proto, flags)
        until, found = _answers.get(key, (0.0, None))
        if time.monotonic() < until:
            return found
        found = _run_with_timeout(
            min(CONNECT_SECONDS, remaining()), lambda: socket.getaddrinfo(host, port, family, type, proto, flags)
        )
        if len(_answers) >= _MOST_ANSWERS:
            _answers.clear()
        _answers[key] = (time.monotonic() + LOOKUP_SECONDS, found)
        return found

    return lookup


def forget_lookups() -> None:
    """Ask the name servers again."""
    _answers.clear()


def _run_with_timeout[T](seconds: float, act: Callable[[], T]) -> T:
    """Return the result of `act`, or raise its error. Raises TimeoutError when it takes longer."""
    outcome: list[T | Exception] = []

    def run() -> None:
        try:
            outcome.append(act())
        except Exception as error:  # noqa: BLE001 - it is raised where the result is wanted
            outcome.append(error)
        finally:
            _lookups.release()

    if not _lookups.acquire(timeout=seconds):
        raise TimeoutError("too many look-ups are held up")
    thread = threading.Thread(target=run, name="automate-lookup", daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise TimeoutError("the name server does not answer")
    if isinstance(outcome[0], Exception):
        raise outcome[0]
    return outcome[0]

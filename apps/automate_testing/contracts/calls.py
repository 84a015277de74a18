"""One observed call: it has a deadline of its own, no way out but what it is handed, and leaves traces to look at."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from automate_testing.contracts.traces import Traces

# Events of Python's audit hooks: https://docs.python.org/3/library/audit_events.html
_WAYS_OUT = {
    "socket.connect": "a socket of its own",
    "socket.sendto": "a socket of its own",
    "socket.sendmsg": "a socket of its own",
    "socket.getaddrinfo": "a socket of its own",
    "socket.gethostbyname": "a socket of its own",
    "subprocess.Popen": "a program",
    "os.system": "a program",
    "os.exec": "a program",
    "os.posix_spawn": "a program",
    "os.spawn": "a program",
}


@dataclass
class Call:
    """What came of a call: its value or its error, and the traces it left."""

    value: Any = None
    error: Exception | None = None
    traces: Traces = field(default_factory=Traces)


def observe(act: Callable[[], Any], *, seconds: float, what: str = "the call", guarded: bool = True) -> Call:
    """Make a call and keep its error.

    Fails when it takes longer than `seconds` or ends the process, and when a `guarded` one goes out by itself: what it
    tries is refused, so that nothing is reached.
    """
    call = Call()
    with _guard(guarded) as ways_out, call.traces.recording():
        try:
            call.value = _within(seconds, act)
        except Exception as error:  # noqa: BLE001 - it is looked at
            call.error = error
        except SystemExit as error:
            raise AssertionError(f"{what} ends the process (SystemExit: {error})") from None
        except _OverdueError:
            raise AssertionError(f"{what} did not return within {seconds:g} seconds") from None
    if ways_out:
        raise AssertionError(
            f"{what} goes out by {', '.join(sorted(set(ways_out)))}: the guarded session, context['http'], is the only"
            " way out, and context['network'] that of other protocols"
        )
    return call


def made[T](cls: type[T]) -> T:
    """An instance, made the way the registry makes it. Fails when that takes arguments, or raises."""
    try:
        return cls()
    except Exception as error:
        raise AssertionError(f"{cls.__name__}() raises {type(error).__name__}: {error}") from error


class _OverdueError(BaseException):
    """The time is over. No `except Exception` of a plug-in catches it."""


def _within(seconds: float, act: Callable[[], Any]) -> Any:
    is_main = threading.current_thread() is threading.main_thread()
    return _by_alarm(seconds, act) if is_main and hasattr(signal, "setitimer") else _by_thread(seconds, act)


def _by_alarm(seconds: float, act: Callable[[], Any]) -> Any:
    """In this thread, which has the test's database connection. The alarm repeats, should a bare `except` catch it."""

    def ring(number: int, frame: Any) -> None:
        raise _OverdueError

    before = signal.signal(signal.SIGALRM, ring)
    left, _ = signal.setitimer(signal.ITIMER_REAL, seconds, 0.2)
    try:
        return act()
    finally:
        signal.setitimer(signal.ITIMER_REAL, left)
        signal.signal(signal.SIGALRM, before)


def _by_thread(seconds: float, act: Callable[[], Any]) -> Any:
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.extend((act(), None))
        except BaseException as error:  # noqa: BLE001 - it is raised where the value is wanted
            outcome.extend((None, error))

    thread = threading.Thread(target=run, name="automate-contract", daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise _OverdueError
    value, error = outcome
    if error is not None:
        raise error
    return value


class _Watch:
    """The ways out that the threads of one call tried: all but those that were there before it."""

    def __init__(self) -> None:
        self.found: list[str] = []
        others = {thread.ident for thread in threading.enumerate()} - {threading.get_ident()}
        self._others = others

    def is_watched(self) -> bool:
        """Whether the current thread is one of the call's."""
        return threading.get_ident() not in self._others


_watches: list[_Watch] = []
_hooks: list[Callable[[str, tuple[Any, ...]], None]] = []


def _audit(event: str, args: tuple[Any, ...]) -> None:
    if _watches and event in _WAYS_OUT and _watches[-1].is_watched():
        where = f" ({args[1]})" if event == "socket.connect" else f" ({args[0]})"
        _watches[-1].found.append(_WAYS_OUT[event] + where[:200])
        raise ConnectionRefusedError("a contract suite reaches nothing")


@contextlib.contextmanager
def _guard(guarded: bool) -> Iterator[list[str]]:
    """Refuse and list what the block tries by itself. An audit hook stays for ever: outside of blocks it is idle."""
    if not guarded:
        yield []
        return
    if not _hooks:
        _hooks.append(_audit)
        sys.addaudithook(_audit)
    watch = _Watch()
    _watches.append(watch)
    try:
        yield watch.found
    finally:
        _watches.remove(watch)

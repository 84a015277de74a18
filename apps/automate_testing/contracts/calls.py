"""One observed call: it has its own deadline, no way out except its context, and recorded traces."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import pytest

from automate_testing.contracts.guard import guard
from automate_testing.contracts.traces import Traces

_SECONDS_TO_MAKE = 10.0
type _Faults = weakref.WeakKeyDictionary[type, str]
_hanging: _Faults = weakref.WeakKeyDictionary()  #: by class, the call that did not return
_bypassing: _Faults = weakref.WeakKeyDictionary()  #: by class, the call that opened a connection itself


@dataclass
class Call:
    """The result of a call: its value or its error, and its traces."""

    value: Any = None
    error: Exception | None = None
    traces: Traces = field(default_factory=Traces)
    slept: list[float] = field(default_factory=list)  #: seconds of each `time.sleep`
    left_files: list[str] = field(default_factory=list)  #: that it made and did not remove
    environment: set[tuple[str, str]] = field(default_factory=set)  #: (module, variable that it read)


def observe(
    act: Callable[[], Any],
    *,
    seconds: float,
    what: str = "the call",
    guarded: bool = True,
    plugin: type | None = None,
) -> Call:
    """Make a call and keep its error.

    Fails when it takes longer than `seconds` or ends the process, and when a `guarded` one opens a connection itself,
    which is refused. Threads that it started are joined. Skips the test if an earlier call of the class `plugin` took
    too long or opened a connection: one hanging method does not cost its deadline in each check, and one bypass does
    not fail all of them.
    """
    if plugin is not None and plugin in _hanging:
        pytest.skip(f"not called, because {_hanging[plugin]} did not return: fix that first")
    if plugin is not None and plugin in _bypassing:
        pytest.skip(f"not called, because {_bypassing[plugin]} bypasses the guarded session: fix that first")
    call = Call()
    with guard() if guarded else contextlib.nullcontext() as watch, call.traces.recording(), _sleeps(call):
        try:
            call.value = _within(seconds, act)
        except Exception as error:  # noqa: BLE001 - it is looked at
            call.error = error
        except SystemExit as error:
            raise AssertionError(f"{what} ends the process (SystemExit: {error})") from None
        except _DeadlineError:
            if plugin is not None:
                _hanging[plugin] = what
            raise AssertionError(f"{what} did not return within {seconds:g} seconds") from None
        outliving = watch.wait(seconds) if watch is not None else []
    if watch is not None:
        watch.end()
        call.left_files, call.environment, call.traces.filed = watch.left, watch.environment, watch.filed
    if watch is not None and watch.found:
        if plugin is not None:
            _bypassing[plugin] = what
        ways = ", ".join(sorted(set(watch.found)))
        raise AssertionError(
            f"{what} goes out by {ways}: the guarded session, context['http'], is the only"
            " way out, and context['network'] that of other protocols"
        )
    if outliving and plugin is not None:
        _hanging[plugin] = what  # each further call would leave a thread and wait for it
        raise AssertionError(
            f"{what} leaves the thread {', '.join(outliving)} behind, which does not end within {seconds:g} seconds:"
            " join the threads of a call before it returns"
        )
    return call


def call_again(plugin: type) -> None:
    """Call a class again of which a call did not return: in the check that names this fault."""
    _hanging.pop(plugin, None)


def look_for_bypasses(plugin: type) -> None:
    """Call a class again of which a call opened a connection: in the check that names this fault."""
    _bypassing.pop(plugin, None)


def plugin_of(adapter: object) -> type:
    """Return the class of a connector, or of the trigger kind behind it."""
    return type(getattr(adapter, "kind", adapter))


def make_instance[T](cls: type[T], *, guarded: bool = True) -> T:
    """Return an instance, made as the registry makes it. Fails when that takes arguments, raises, or connects."""
    what = f"{cls.__name__}()"
    is_faulty = any(faults.get(cls, what) != what for faults in (_hanging, _bypassing))
    plugin = None if is_faulty else cls  # for a method that hangs or bypasses, the checks themselves skip
    call = observe(cls, seconds=_SECONDS_TO_MAKE, what=what, guarded=guarded, plugin=plugin)
    if call.error is not None:
        raise AssertionError(f"{cls.__name__}() raises {type(call.error).__name__}: {call.error}") from call.error
    instance: T = call.value
    return instance


@contextlib.contextmanager
def _sleeps(call: Call) -> Iterator[None]:
    """List how long the call sleeps."""
    sleep = time.sleep

    def listed(seconds: float) -> None:
        call.slept.append(seconds)
        sleep(seconds)

    with mock.patch.object(time, "sleep", listed):
        yield


class _DeadlineError(BaseException):
    """The deadline passed. No `except Exception` of a plug-in catches it."""


def _within(seconds: float, act: Callable[[], Any]) -> Any:
    is_main = threading.current_thread() is threading.main_thread()
    return _by_alarm(seconds, act) if is_main and hasattr(signal, "setitimer") else _by_thread(seconds, act)


def _by_alarm(seconds: float, act: Callable[[], Any]) -> Any:
    """Run in this thread, which has the test's database connection. The alarm repeats after a bare `except`."""

    def ring(number: int, frame: Any) -> None:
        raise _DeadlineError

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
        raise _DeadlineError
    value, error = outcome
    if error is not None:
        raise error
    return value

"""EffectPool: the threads that perform effects, and the watch over their deadlines.

Python cannot end a thread. An effect that overruns its deadline gets a timeout as its outcome; its own outcome is
dropped when it comes, and its thread counts as stuck until then.

Threads wake one another: one that takes a call while others are queued wakes the next before it performs its own. A
thread whose effects never wait thus performs many of them by itself, and each one that waits hands the interpreter to
the next thread. Waking a thread for each call cost a fifth of a worker's time.
"""

from __future__ import annotations

import math
import queue
import threading
import time
from collections import deque
from collections.abc import Callable

from automate_connectors.adapters.base import ConnectorError
from automate_core.engine.effects.performer import Call, perform
from automate_core.engine.execution import Result
from automate_core.engine.outcomes import NOT_BEGUN, EffectOutcome
from automate_core.engine.records import LogRecord
from automate_plugins import text

GRACE_SECONDS = 1.0
QUICK_SECONDS = 0.05  #: effects that take less on average are quick
FIRST_MEAN_SECONDS = 1.0  # effects count as slow until some have been measured
LATEST_WEIGHT = 0.1  # of one effect in the moving average of their durations


class EffectPool:
    """`count` threads. Each outcome goes to `deliver`; nothing starts while `may_start()` is false."""

    def __init__(self, count: int, deliver: Callable[[Result | None], None], may_start: Callable[[], bool]) -> None:
        self._count = count
        self._deliver = deliver
        self._may_start = may_start
        self._calls: deque[tuple[int, Call]] = deque()
        self._wakes: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._idle_threads = count
        self._is_waking = False  # a thread was woken and has not looked for a call yet
        self._is_stopped = False
        self._generation = 0  # grows when everything submitted is cancelled
        self._lock = threading.Lock()
        self._running: dict[int, tuple[float, Call]] = {}
        self._stuck: set[int] = set()
        self._open_calls = 0  # a call that a thread has just taken is neither in the queue nor running
        self._mean_seconds = FIRST_MEAN_SECONDS

    def start(self) -> None:
        """Start the threads."""
        for number in range(self._count):
            threading.Thread(target=self._work, name=f"automate-effect-{number}", daemon=True).start()

    def stop(self) -> None:
        """End the threads, each when no call is left."""
        self._is_stopped = True
        for _ in range(self._count):
            self._wakes.put(None)

    def submit(self, call: Call) -> None:
        """Perform a call as soon as a thread is free."""
        with self._lock:
            self._open_calls += 1
            self._calls.append((self._generation, call))
            self._wake_thread()

    @property
    def open_calls(self) -> int:
        """How many submitted calls have not ended: they are queued, running or stuck."""
        return self._open_calls

    @property
    def is_quick(self) -> bool:
        """Whether the latest effects took less than QUICK_SECONDS on average."""
        return self._mean_seconds < QUICK_SECONDS

    @property
    def stuck_threads(self) -> int:
        """How many threads are busy with effects whose outcome is dropped."""
        return len(self._stuck)

    def next_deadline(self) -> float:
        """When, on `time.monotonic()`, the next effect runs out of time; infinite when none does."""
        with self._lock:
            waiting = [
                by + call.effect.postponed for by, call in self._running.values() if call.effect.claimed_by != "commit"
            ]
            return min(waiting, default=math.inf)

    def expire_overdue(self) -> list[Result]:
        """Timeouts as outcomes of the effects that should have returned by now."""
        now = time.monotonic()
        with self._lock:
            late = {
                key: call
                for key, (by, call) in self._running.items()
                if by + call.effect.postponed <= now
                and call.effect.claim("watch")  # one that is being committed has its own outcome
            }
            for key in late:
                del self._running[key]
            self._stuck |= late.keys()
        return [(call, timeout_outcome(call)) for call in late.values()]

    def cancel_all(self) -> None:
        """Cancel all calls because the leases are lost: none starts, and the outcomes of running ones are dropped.

        For the database thread alone, which then drops the walks: one that went on would end its run.
        """
        with self._lock:
            self._generation += 1
            calls = [call for _, call in self._running.values()]
            self._stuck |= self._running.keys()
            self._running.clear()
        for call in calls:
            call.cancel()

    def _wake_thread(self) -> None:
        """Wake an idle thread if there is a call for it and none is on its way. With the lock held."""
        if self._calls and self._idle_threads and not self._is_waking:
            self._is_waking = True
            self._idle_threads -= 1
            self._wakes.put(None)

    def _work(self) -> None:
        while not self._is_stopped:
            self._wakes.get()
            with self._lock:
                self._is_waking = False
            while (submitted := self._take_call()) is not None:
                self._perform(*submitted)

    def _take_call(self) -> tuple[int, Call] | None:
        """The next call; None when there is none, and the thread is idle."""
        with self._lock:
            if not self._calls:
                self._idle_threads += 1
                return None
            submitted = self._calls.popleft()
            self._wake_thread()
            return submitted

    def _perform(self, generation: int, call: Call) -> None:
        with self._lock:
            if generation != self._generation or not self._may_start():
                self._open_calls -= 1
                return
            is_wanted = call.is_wanted
            started = time.monotonic()
            self._running[id(call)] = (started + call.effect.node.timeout + GRACE_SECONDS, call)
        outcome = perform(call) if is_wanted else _NOT_WANTED
        with self._lock:
            self._open_calls -= 1
            self._mean_seconds += LATEST_WEIGHT * (time.monotonic() - started - self._mean_seconds)
            is_late = self._running.pop(id(call), None) is None
            self._stuck.discard(id(call))
        self._deliver(None if is_late else (call, outcome))


_NOT_WANTED = EffectOutcome(error=ConnectorError(text("Cancelled before it started."), code=NOT_BEGUN))


def timeout_outcome(call: Call) -> EffectOutcome:
    """The outcome of an effect that did not return in time."""
    step, timeout = call.effect.step, call.effect.node.timeout
    error = ConnectorError(
        text("The step took longer than its timeout of %(seconds)s s.", seconds=float(timeout)),
        code="timeout",
        retryable=True,
    )
    return EffectOutcome(error=error, logs=[LogRecord(step.path, step.attempt, "error", error.message)])

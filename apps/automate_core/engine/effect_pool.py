"""Performers: the threads in which effects happen, and the watch over their deadlines.

Python cannot end a thread. An effect that overstays is answered for, its own answer is dropped when it comes, and its
thread counts as busy until then.
"""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Callable

from automate_connectors.adapters.base import ConnectorError
from automate_core.engine.effects import Call, perform
from automate_core.engine.execution import Result
from automate_core.engine.outcomes import NOT_BEGUN, EffectOutcome
from automate_core.engine.records import LogRecord

PATIENCE_SECONDS = 1.0


class Performers:
    """`count` threads. Each outcome goes to `answer`; nothing starts while `may_start` says no."""

    def __init__(self, count: int, answer: Callable[[Result | None], None], may_start: Callable[[], bool]) -> None:
        self._count = count
        self._answer = answer
        self._may_start = may_start
        self._calls: queue.SimpleQueue[tuple[int, Call] | None] = queue.SimpleQueue()
        self._age = 0  # grows when all that was submitted is let go
        self._lock = threading.Lock()
        self._answer_by: dict[int, tuple[float, Call]] = {}
        self._overstaying: set[int] = set()

    def start(self) -> None:
        """Start the threads."""
        for number in range(self._count):
            threading.Thread(target=self._perform, name=f"automate-effect-{number}", daemon=True).start()

    def stop(self) -> None:
        """Let the threads end, each after what it is doing."""
        for _ in range(self._count):
            self._calls.put(None)

    def submit(self, call: Call) -> None:
        """Perform it as soon as a thread is free."""
        self._calls.put((self._age, call))

    @property
    def overstaying(self) -> int:
        """How many threads are busy with effects that have been answered for."""
        return len(self._overstaying)

    def next_deadline(self) -> float:
        """When, on `time.monotonic()`, the next effect has to be answered for."""
        with self._lock:
            waiting = [by for by, call in self._answer_by.values() if call.effect.claimed_by != "commit"]
            return min(waiting, default=math.inf)

    def overdue(self) -> list[Result]:
        """Answers for the effects that should have returned by now."""
        now = time.monotonic()
        with self._lock:
            late = {
                key: call
                for key, (by, call) in self._answer_by.items()
                if by <= now and call.effect.claim("watch")  # one that is being committed answers for itself
            }
            for key in late:
                del self._answer_by[key]
            self._overstaying |= late.keys()
        return [(call, _too_long(call)) for call in late.values()]

    def let_go(self) -> None:
        """The leases are lost: what waits does not start, what runs is told, and its outcome is dropped.

        For the database thread alone, which then forgets the walks: one that goes on after this would end its run.
        """
        with self._lock:
            self._age += 1
            calls = [call for _, call in self._answer_by.values()]
            self._overstaying |= self._answer_by.keys()
            self._answer_by.clear()
        for call in calls:
            call.let_go()

    def _perform(self) -> None:
        while (submitted := self._calls.get()) is not None:
            age, call = submitted
            with self._lock:
                if age != self._age or not self._may_start():
                    continue
                is_wanted = call.is_wanted
                self._answer_by[id(call)] = (time.monotonic() + call.effect.node.timeout + PATIENCE_SECONDS, call)
            outcome = perform(call) if is_wanted else _NOT_WANTED
            with self._lock:
                is_late = self._answer_by.pop(id(call), None) is None
                self._overstaying.discard(id(call))
            self._answer(None if is_late else (call, outcome))


_NOT_WANTED = EffectOutcome(error=ConnectorError("withdrawn before it began", code=NOT_BEGUN))


def _too_long(call: Call) -> EffectOutcome:
    step, timeout = call.effect.step, call.effect.node.timeout
    error = ConnectorError(f"the step took longer than {timeout:g} s", code="timeout", retryable=True)
    return EffectOutcome(error=error, logs=[LogRecord(step.path, step.attempt, "error", error.message)])

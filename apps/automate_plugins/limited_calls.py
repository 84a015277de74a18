"""Calls of code that is not ours, with a time limit: a plug-in that never returns costs a thread, not the site."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


class CallTimeoutError(TimeoutError):
    """The call did not return in time, or too many earlier ones have not returned yet."""


class LimitedCalls:
    """Calls that may take `seconds` each. Thread-safe.

    Python cannot end a thread, so one that does not return stays. When `most` calls of a name have not returned,
    further ones of that name are refused at once.
    """

    def __init__(self, seconds: float, most: int = 4) -> None:
        self.seconds = seconds
        self.most = most
        self._lock = threading.Lock()
        self._running: dict[str, int] = {}

    def run[Result](self, name: str, act: Callable[[], Result]) -> Result:
        """Return what `act` returns, which runs in a thread of its own, or raise what it raises.

        Raises CallTimeoutError.
        """
        with self._lock:
            if self._running.get(name, 0) >= self.most:
                raise CallTimeoutError(f"{name} has not returned from {self.most} earlier calls")
            self._running[name] = self._running.get(name, 0) + 1
        outcome: list[tuple[Any, BaseException | None]] = []

        def call() -> None:
            try:
                outcome.append((act(), None))
            except BaseException as error:  # noqa: BLE001 - raised where the result is wanted
                outcome.append((None, error))
            finally:
                with self._lock:
                    self._running[name] -= 1

        thread = threading.Thread(target=call, name=f"automate-plugin-{name}", daemon=True)
        thread.start()
        thread.join(self.seconds)
        if not outcome:
            raise CallTimeoutError(f"{name} did not return within {self.seconds:g} s")
        value, error = outcome[0]
        if error is not None:
            raise error
        found: Result = value
        return found

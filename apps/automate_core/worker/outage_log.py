"""Warnings of a fault that comes back every second: one line at once, then one a minute."""

from __future__ import annotations

import logging
import time

AGAIN_SECONDS = 60.0


class OutageLog:
    """The warnings of one thread about a database that is away. `message` has one `%s`, for the error."""

    def __init__(self, log: logging.Logger, message: str) -> None:
        self._log, self._message = log, message
        self._count = 0
        self._line_at = -AGAIN_SECONDS

    def warn(self, error: Exception) -> None:
        """Log the first line of the error, or count it: the next line says how many there were meanwhile."""
        now = time.monotonic()
        if now < self._line_at + AGAIN_SECONDS:
            self._count += 1
            return
        if now >= self._line_at + 2 * AGAIN_SECONDS:
            self._count = 0  # of an outage that is long over
        more = f" ({self._count} more since the last line)" if self._count else ""
        self._log.warning(self._message + "%s", str(error).strip().partition("\n")[0], more)
        self._line_at, self._count = now, 0

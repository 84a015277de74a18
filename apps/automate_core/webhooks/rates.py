"""Rate limits of deliveries and of answers to hosted forms by endpoint and address, in this process's memory.

Of deliveries there are two limits: a wide one on all, and a tight one on those whose signature fails. A verified
delivery is never rejected for another's failures, so that a forger behind the same proxy locks no sender out.
"""

from __future__ import annotations

import math
import time

from automate_core.conf import setting
from automate_governance.people.rates import Pace, network_of

type Source = tuple[str, str]  # the slug as it was asked for, and where from


class RateLimiter(Pace[Source]):
    """At most so many deliveries a minute for each source, also in one burst."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._setting = name
        self._cost = 0.0  # the seconds that one passage takes of the minute
        self._read_again = 0.0

    def take(self, source: Source) -> int:
        """0 when the delivery may pass; else the whole seconds after which it may."""
        now = time.monotonic()
        if now >= self._read_again:
            self._read_setting(now)
        return self.pass_or_wait(source, cost=self._cost, span=60) if self._cost else 0

    def left(self, source: Source) -> tuple[int, int, int]:
        """(the limit a minute, how many may pass now, seconds until all of them may); 0 for no limit."""
        if not self._cost:
            return 0, 0, 0
        ahead = self.seconds_ahead(source)
        limit = round(60 / self._cost)
        return limit, max(min(limit, int((60 - ahead) / self._cost + 1e-6)), 0), math.ceil(ahead)

    def clear(self) -> None:
        """Forget all sources, and the setting."""
        super().clear()
        self._read_again = 0.0

    def _read_setting(self, now: float) -> None:
        """Once a second: a setting that the project leaves out is found slowly."""
        per_minute = setting(self._setting)
        self._cost = 60 / per_minute if per_minute else 0.0
        self._read_again = now + 1


deliveries = RateLimiter("AUTOMATE_HOOK_RATE")
failures = RateLimiter("AUTOMATE_HOOK_FAILURE_RATE")
answers = RateLimiter("AUTOMATE_FORM_RATE")  #: to one form from one address
all_answers = RateLimiter("AUTOMATE_FORM_TOTAL_RATE")  #: to one form, `source(slug, "")`


def source(slug: str, address: str) -> Source:
    """The source that a limit counts for."""
    return slug[:100], network_of(address)

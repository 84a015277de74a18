"""RetryPolicy: whether and when a failed attempt is repeated."""

from __future__ import annotations

import random
from dataclasses import dataclass

LONGEST_RETRY_AFTER = 86_400.0


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """`attempts` in all; before attempt n+1 a delay of `base * factor**(n-1)` seconds, at most `cap`.

    A `retry_after` of the other side is respected, up to a day, even where that is longer.

    Equal jitter: half of the delay is fixed, half is random, so that many failures do not come back at once
    (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
    """

    attempts: int = 1
    base: float = 2.0
    factor: float = 2.0
    cap: float = 900.0

    def allows_retry(self, failures: int, *, retryable: bool) -> bool:
        """Whether another attempt follows after that many failures."""
        return retryable and failures < self.attempts

    def delay(self, failures: int, retry_after: float | None = None) -> float:
        """Seconds until the next attempt."""
        backoff = min(self.cap, self.base * self.factor ** (failures - 1))
        jittered = backoff * (0.5 + random.random() / 2)  # noqa: S311 - spreads load, guards nothing
        return max(jittered, min(retry_after or 0.0, LONGEST_RETRY_AFTER))

"""Rates of what comes from one source, such as a network address, in this process's memory."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Hashable
from ipaddress import AddressValueError, IPv6Address


class Pace[Source: Hashable]:
    """At most so many passages of each source in a time, also in one burst (GCRA: one number a source).

    It remembers the most recent sources. Threads may lose a count to each other, never more.
    """

    MOST = 10_000

    def __init__(self) -> None:
        self._due: OrderedDict[Source, float] = OrderedDict()  # when the source would be even again

    def pass_or_wait(self, source: Source, *, cost: float, span: float) -> int:
        """0 when it may pass; else the whole seconds after which it may. A passage takes `cost` of `span` seconds."""
        now = time.monotonic()
        due = max(self._due.pop(source, now), now) + cost
        excess = due - now - span
        passes = excess <= 1e-6
        self._due[source] = due if passes else due - cost
        if len(self._due) > self.MOST:
            self._due.popitem(last=False)
        return 0 if passes else max(math.ceil(excess), 1)

    def seconds_ahead(self, source: Source) -> float:
        """What the passages of the source have taken, and time has not given back yet."""
        return max(self._due.get(source, 0.0) - time.monotonic(), 0.0)

    def clear(self) -> None:
        """Forget all sources."""
        self._due.clear()


def network_of(address: str) -> str:
    """What a limit counts for: of an IPv6 address its /64 network, since a host has all of it to itself."""
    if ":" in address:
        try:
            return str(int(IPv6Address(address.partition("%")[0])) >> 64)
        except AddressValueError:
            return address[:100]
    return address

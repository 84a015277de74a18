"""The limit of a connection: its own values, else those that its connector declares."""

from __future__ import annotations

from dataclasses import dataclass

from automate_connectors.adapters.base import RateLimit
from automate_connectors.models import Connection
from automate_plugins.registry import PluginNotFoundError

_UNLIMITED = 1_000_000
TURN_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `requests` calls in any `seconds`, and `concurrent` at once; 0 for no such limit."""

    requests: int
    seconds: int
    concurrent: int

    @property
    def window(self) -> int:
        """Seconds for which an ended call is remembered: for the rate, or for fair turns alone."""
        return self.seconds if self.requests else TURN_SECONDS

    def room(self, in_window: int, active: int) -> int:
        """How many calls may start while so many count in the window and so many are running."""
        by_rate = self.requests - in_window if self.requests else _UNLIMITED
        by_concurrency = self.concurrent - active if self.concurrent else _UNLIMITED
        return max(0, min(by_rate, by_concurrency))


def limit_of(connection: Connection) -> Limit | None:
    """The limit of a connection, without a query; None when neither it nor its connector has one."""
    try:
        declared = connection.adapter.rate_limit or RateLimit()
    except PluginNotFoundError:
        declared = RateLimit()
    has_own = connection.limit_requests is not None
    requests = connection.limit_requests if has_own else declared.requests
    seconds = connection.limit_seconds if has_own else declared.seconds
    concurrent = declared.concurrent if connection.limit_concurrent is None else connection.limit_concurrent
    if not requests and not concurrent:
        return None
    return Limit(requests or 0, max(1, seconds or 1), concurrent or 0)

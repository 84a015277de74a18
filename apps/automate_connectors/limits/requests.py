"""Further requests of a limited call, such as pages: each of them counts under the limit of its connection.

The first request of a call is counted by the call's own row. Each further one adds a row that has ended already. A
request for which there is no room waits in its call, until the deadline.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import connections, transaction

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.context import Http
from automate_connectors.limits.calls import CallSlot, lock_limit, query_rows
from automate_connectors.limits.limit import Limit
from automate_egress import HttpResponse
from automate_plugins import text

_STEP_SECONDS = 1.0  #: after which a waiting request looks whether its run was cancelled

# A running call counts from its start: its other requests have rows of their own.
_COUNT_REQUEST = """
INSERT INTO automate_connectors_connectioncall
    (connection_id, run, path, workflow, requested_at, admitted_at, started_at, finished_at)
SELECT %(connection)s, %(run)s, %(path)s, %(workflow)s,
    clock_timestamp(), clock_timestamp(), clock_timestamp(), clock_timestamp()
WHERE (
    SELECT count(*) FROM automate_connectors_connectioncall
    WHERE connection_id = %(connection)s AND admitted_at IS NOT NULL
        AND coalesce(finished_at, started_at, admitted_at) > clock_timestamp() - %(seconds)s * interval '1 second'
) < %(requests)s
RETURNING id
"""

_SECONDS_TO_ROOM = """
SELECT coalesce(extract(epoch FROM min(coalesce(finished_at, started_at, admitted_at)) - clock_timestamp()), 0)
    + %(seconds)s
FROM automate_connectors_connectioncall
WHERE connection_id = %(connection)s AND admitted_at IS NOT NULL
    AND coalesce(finished_at, started_at, admitted_at) > clock_timestamp() - %(seconds)s * interval '1 second'
"""


def count_requests(http: Http, slot: CallSlot, deadline: float, cancelled: Callable[[], bool]) -> Http:
    """Return a session whose requests after the first count under the limit of the slot's connection."""
    if slot.limit is None or slot.used is None:
        return http
    return CountedHttp(http, slot, slot.limit, slot.used.pk, slot.used.name, deadline, cancelled)


@dataclass
class CountedHttp:
    """The session of a limited call: each request after the first takes its place under the limit.

    `deadline` is on `time.monotonic()`. A request that gets no place before it raises ConnectorError, retryable.
    """

    http: Http
    slot: CallSlot
    limit: Limit
    connection: int
    name: str
    deadline: float
    cancelled: Callable[[], bool]
    made: int = 0

    def request(self, method: str, url: str, **options: Any) -> HttpResponse:
        """Send a request when there is room. Has the signature of `automate_egress.HttpSession.request`."""
        self.made += 1
        if self.made > 1:
            self._take_place()
        return self.http.request(method, url, **options)

    def _take_place(self) -> None:
        values = {
            "connection": self.connection, "run": self.slot.run, "path": self.slot.path, "workflow": self.slot.workflow,
            "seconds": self.limit.seconds, "requests": self.limit.requests,
        }  # fmt: skip
        try:
            while (wait := self._seconds_to_wait(values)) > 0:
                self._sleep(wait)
        finally:
            connections.close_all()  # none is held while the request goes on

    def _seconds_to_wait(self, values: dict[str, Any]) -> float:
        with transaction.atomic():
            lock_limit(self.connection, self.limit)
            if query_rows(_COUNT_REQUEST, values):
                return 0.0
            [(seconds,)] = query_rows(_SECONDS_TO_ROOM, values)
            return max(0.02, float(seconds))

    def _sleep(self, wait: float) -> None:
        connections.close_all()
        if self.cancelled():
            raise ConnectorError(text("Cancelled."), code="cancelled")
        if time.monotonic() + wait > self.deadline:
            reason = text("The rate limit of %(connection)s leaves no time for more requests.", connection=self.name)
            raise ConnectorError(reason, code="rate_limited", retryable=True, retry_after=wait)
        time.sleep(min(wait, _STEP_SECONDS))

"""Calls of limited connections: which may start, and which wait for their turn.

A call is a row of `ConnectionCall`. All decisions about one connection are made under an advisory lock of its own, in
transactions of a few milliseconds; a call that may not start is put back, and holds neither a thread nor a database
connection meanwhile. When room comes, the waiting calls whose turn it is are admitted, and the signal `admitted` wakes
their steps.

A call counts from its admission until one interval after its end. Its first request lies between the two, so no
interval has more than the limit, whatever the delays of workers are. `requests` counts the further requests of a call.

Turns: the workflow that has had the fewest calls in the interval comes first, and within a workflow the call that has
waited longest. So a workflow with thousands of items does not keep another one waiting.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import psycopg
from django.db import DatabaseError, connection, transaction
from django.dispatch import Signal

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.limits.limit import Limit, limit_of
from automate_connectors.models import Connection
from automate_plugins import text

log = logging.getLogger(__name__)

WAITS_FOR_LIMIT = "waits_for_rate_limit"  #: the code of an error that puts a call back
START_SECONDS = 60  #: within which an admitted call has to start; then its slot comes back
GRACE_SECONDS = 60  #: after its deadline, a call that has not ended counts as ended: its worker crashed
LONGEST_WAIT = 600.0  #: seconds after which a waiting call looks again, though nobody woke it
_CONCURRENCY_WAIT = 30.0

#: Sent with `calls`, a list of `AdmittedCall`, after the commit that admitted them.
admitted = Signal()


class AdmittedCall(NamedTuple):
    """A step whose call may start now."""

    run: uuid.UUID
    path: str


_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('automate connection limit ' || %(connection)s::text, 0))"

# A call that was admitted and never started has used nothing.
_CLEAN = """
WITH lost AS (
    DELETE FROM automate_connectors_connectioncall
    WHERE connection_id = %(connection)s AND finished_at IS NULL AND started_at IS NULL
        AND lease_until < clock_timestamp()
), ended AS (
    UPDATE automate_connectors_connectioncall SET finished_at = lease_until
    WHERE connection_id = %(connection)s AND started_at IS NOT NULL AND finished_at IS NULL
        AND lease_until < clock_timestamp()
)
DELETE FROM automate_connectors_connectioncall
WHERE connection_id = %(connection)s AND finished_at < clock_timestamp() - %(seconds)s * interval '1 second'
"""

# An open call that has started was cut off by a crash, and is made again.
_REQUEST = """
WITH interrupted AS (
    UPDATE automate_connectors_connectioncall SET finished_at = clock_timestamp()
    WHERE connection_id = %(connection)s AND run = %(run)s AND path = %(path)s AND finished_at IS NULL
        AND started_at IS NOT NULL
)
INSERT INTO automate_connectors_connectioncall (connection_id, run, path, workflow, requested_at)
SELECT %(connection)s, %(run)s, %(path)s, %(workflow)s, clock_timestamp()
WHERE NOT EXISTS (
    SELECT FROM automate_connectors_connectioncall
    WHERE connection_id = %(connection)s AND run = %(run)s AND path = %(path)s AND finished_at IS NULL
        AND started_at IS NULL)
"""

_COUNT = """
SELECT count(*) FILTER (WHERE admitted_at IS NOT NULL) AS in_window,
    count(*) FILTER (WHERE admitted_at IS NOT NULL AND finished_at IS NULL) AS active,
    count(*) FILTER (WHERE admitted_at IS NULL) AS waiting
FROM automate_connectors_connectioncall
WHERE connection_id = %(connection)s AND (finished_at IS NULL
    OR finished_at > clock_timestamp() - %(seconds)s * interval '1 second')
"""

_ADMIT = """
WITH used AS (
    SELECT workflow, count(*) AS number FROM automate_connectors_connectioncall
    WHERE connection_id = %(connection)s AND admitted_at IS NOT NULL GROUP BY workflow
), turns AS (
    SELECT call.id, call.requested_at, coalesce(used.number, 0)
        + row_number() OVER (PARTITION BY call.workflow ORDER BY call.requested_at, call.id) AS turn
    FROM automate_connectors_connectioncall call LEFT JOIN used ON used.workflow = call.workflow
    WHERE call.connection_id = %(connection)s AND call.admitted_at IS NULL
)
UPDATE automate_connectors_connectioncall call
SET admitted_at = clock_timestamp(), lease_until = clock_timestamp() + %(start)s * interval '1 second'
FROM (SELECT id FROM turns ORDER BY turn, requested_at, id LIMIT %(room)s) chosen
WHERE call.id = chosen.id
RETURNING call.run, call.path
"""

_START = """
UPDATE automate_connectors_connectioncall
SET started_at = clock_timestamp(), lease_until = clock_timestamp() + %(lease)s * interval '1 second'
WHERE connection_id = %(connection)s AND run = %(run)s AND path = %(path)s AND finished_at IS NULL
    AND admitted_at IS NOT NULL
RETURNING id
"""

# A call that starts at once: it has no turn.
_TAKE = """
INSERT INTO automate_connectors_connectioncall
    (connection_id, run, path, workflow, requested_at, admitted_at, started_at, lease_until)
VALUES (%(connection)s, %(run)s, %(path)s, %(workflow)s, clock_timestamp(), clock_timestamp(), clock_timestamp(),
    clock_timestamp() + %(lease)s * interval '1 second')
RETURNING id
"""

# Seconds until the first call of the interval counts no more; all of it while each is still running.
_NEXT = """
SELECT coalesce(extract(epoch FROM min(finished_at) - clock_timestamp()) + %(seconds)s, %(seconds)s)
FROM automate_connectors_connectioncall WHERE connection_id = %(connection)s AND finished_at IS NOT NULL
"""

_FINISH = "UPDATE automate_connectors_connectioncall SET finished_at = clock_timestamp() WHERE id = %(id)s"

_OPEN = "SELECT DISTINCT connection_id FROM automate_connectors_connectioncall WHERE finished_at IS NULL"

_NOT_STARTED = """
SELECT run, path FROM automate_connectors_connectioncall
WHERE finished_at IS NULL AND started_at IS NULL AND admitted_at IS NOT NULL
"""

_DISCARD = """
DELETE FROM automate_connectors_connectioncall call
USING unnest(%(runs)s::uuid[], %(paths)s::text[]) AS discarded (run, path)
WHERE call.run = discarded.run AND call.path = discarded.path AND call.finished_at IS NULL AND call.started_at IS NULL
"""

#: SQL: whether `admit_all` has work.
DUE = """EXISTS (SELECT FROM automate_connectors_connectioncall
    WHERE finished_at IS NULL AND (started_at IS NULL OR lease_until < clock_timestamp()))"""


@dataclass
class CallSlot:
    """The place of a call under the limit of its connection, given back at the end of its `with` block.

    `run` and `path` are those of a step. A trigger's call has a `run` of its own.

    Does nothing, and runs no statement, for a connection without limits.
    """

    run: uuid.UUID
    path: str
    workflow: str
    seconds: float  #: that the call may take
    limit: Limit | None = None
    used: Connection | None = None
    _id: int = 0

    def __enter__(self) -> CallSlot:
        return self

    def __exit__(self, *_: Any) -> None:
        self.release()

    @property
    def limits_requests(self) -> bool:
        """Whether it holds the slot of a connection with a limit of requests."""
        return self.limit is not None and self.limit.requests > 0

    def acquire(self, used: Connection) -> None:
        """Take the slot, or raise ConnectorError (WAITS_FOR_LIMIT) with the seconds to wait as `retry_after`."""
        limit = limit_of(used)
        if limit is None:
            return
        values = {"run": self.run, "path": self.path, "workflow": self.workflow}
        with transaction.atomic():
            lock_limit(used.pk, limit)
            _execute(_REQUEST, {"connection": used.pk, **values})
            counts, chosen = _admit(used.pk, limit)
            started = query_rows(_START, {"connection": used.pk, "lease": self.seconds + GRACE_SECONDS, **values})
            wait = 0.0 if started else _wait_seconds(used.pk, limit, counts[2] - len(chosen))
        _send(each for each in chosen if each != (self.run, self.path))
        self._begin(used, limit, started, wait)

    def take(self, used: Connection) -> None:
        """Take the slot at once, or raise as `acquire` does. A call that is put back keeps no turn: it asks again."""
        limit = limit_of(used)
        if limit is None:
            return
        values = {"run": self.run, "path": self.path, "workflow": self.workflow}
        with transaction.atomic():
            lock_limit(used.pk, limit)
            [counts] = query_rows(_COUNT, {"connection": used.pk, "seconds": limit.window})
            has_room = limit.room(counts[0], counts[1]) > 0
            lease = self.seconds + GRACE_SECONDS
            started = query_rows(_TAKE, {"connection": used.pk, "lease": lease, **values}) if has_room else []
            wait = 0.0 if started else _wait_seconds(used.pk, limit, counts[2] + 1)
        self._begin(used, limit, started, wait)

    def _begin(self, used: Connection, limit: Limit, started: list[Any], wait: float) -> None:
        """Hold the slot of the row that was started; without one, raise ConnectorError."""
        if not started:
            message = text("Waits for the rate limit of %(connection)s.", connection=used.name)
            raise ConnectorError(message, code=WAITS_FOR_LIMIT, retryable=True, retry_after=wait)
        self.limit, self._id, self.used = limit, started[0][0], used

    def release(self) -> None:
        """Give the slot back, and admit the call that waited for it. A database error leaves that to the lease."""
        if self.limit is None:
            return
        limit, self.limit = self.limit, None
        try:
            _execute(_FINISH, {"id": self._id})
            if limit.concurrent and self.used is not None:
                _send(_admit_waiting(self.used.pk, limit))
        except (DatabaseError, psycopg.Error) as error:  # a receiver of `admitted` may use psycopg's cursors
            log.warning("the slot of a limited connection was not given back: %s", error)


def admit_all() -> float | None:
    """Admit waiting calls of all connections, and take back slots of crashed workers: a maintenance task.

    Wakes again the steps whose calls were admitted before they waited.
    """
    for each in Connection.objects.filter(pk__in=[pk for (pk,) in query_rows(_OPEN, {})]):
        _admit_waiting(each.pk, limit_of(each) or Limit(0, 1, 0))  # one that was removed lets all through
    _send(AdmittedCall(*call) for call in query_rows(_NOT_STARTED, {}))
    return None


def discard_calls(calls: list[AdmittedCall]) -> None:
    """Remove the calls of ended runs, which have not started and never will."""
    if calls:
        _execute(_DISCARD, {"runs": [call.run for call in calls], "paths": [call.path for call in calls]})


@dataclass(frozen=True)
class LimitUsage:
    """The use of a limit at this moment: calls in the interval, calls that are running, steps that wait."""

    limit: Limit
    in_window: int
    active: int
    waiting: int


def find_usage(of: Connection) -> LimitUsage | None:
    """The use of a connection's limit; None, without a query, when it has none."""
    limit = limit_of(of)
    if limit is None:
        return None
    [counts] = query_rows(_COUNT, {"connection": of.pk, "seconds": limit.window})
    return LimitUsage(limit, *counts)


def lock_limit(connection_id: int, limit: Limit) -> None:
    """Lock the limit of a connection until the end of the transaction, and delete calls that count no more."""
    _execute(_LOCK, {"connection": connection_id})
    _execute(_CLEAN, {"connection": connection_id, "seconds": limit.window})


def _admit_waiting(connection_id: int, limit: Limit) -> list[AdmittedCall]:
    """Admit the waiting calls of a connection for which there is room."""
    with transaction.atomic():
        lock_limit(connection_id, limit)
        return _admit(connection_id, limit)[1]


def _admit(connection_id: int, limit: Limit) -> tuple[tuple[int, int, int], list[AdmittedCall]]:
    """((calls in the interval, running, waiting), the admitted calls) of a locked connection."""
    [counts] = query_rows(_COUNT, {"connection": connection_id, "seconds": limit.window})
    room = limit.room(counts[0], counts[1])
    if not room or not counts[2]:
        return counts, []
    chosen = query_rows(_ADMIT, {"connection": connection_id, "room": room, "start": START_SECONDS})
    return counts, [AdmittedCall(*each) for each in chosen]


def _wait_seconds(connection_id: int, limit: Limit, waiting: int) -> float:
    """Seconds after which a call that is the last of so many looks again, unless it is woken before."""
    if not limit.requests:
        return _CONCURRENCY_WAIT
    [(first,)] = query_rows(_NEXT, {"connection": connection_id, "seconds": limit.seconds})
    rounds = max(0, waiting - 1) // limit.requests
    return min(LONGEST_WAIT, max(0.02, float(first)) + rounds * limit.seconds)


def _send(calls: Iterable[AdmittedCall]) -> None:
    if listed := list(calls):
        admitted.send(sender=None, calls=listed)


def _execute(statement: str, values: dict[str, Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def query_rows(statement: str, values: dict[str, Any]) -> list[Any]:
    """Run a statement and return its rows."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())

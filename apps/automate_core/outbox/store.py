"""OutboxStore: all SQL of the job queue. Each method is one short transaction; none holds a lock while work is done."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec
import psycopg

from automate_core import database
from automate_core.conf import setting
from automate_core.outbox import lifecycle
from automate_plugins import text

LANES = 1024
MOST_CRASHES = 3
FLOOR_SECONDS = 15.0
FLOOR_SHARE = 20  # a look for the floor takes no more than this part of the time
FLOOR_MARGIN = timedelta(seconds=5)
LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)

# `top` is the best priority that has a job nobody holds. `ring` hops from lane to lane of it, by index alone, starting
# behind the lane that was served last; `due` takes an even share of each. `floor` keeps it from reading again and again
# what was claimed long ago, but cannot be vacuumed away while an old transaction lasts.
_BATCH = """
WITH RECURSIVE top AS MATERIALIZED (
    SELECT priority FROM automate_core_outboxjob
    WHERE status = 'ready' AND NOT suspect AND available_at BETWEEN %(floor)s AND automate_now() - %(age)s
    ORDER BY priority, lane, available_at, id
    LIMIT 1
    FOR NO KEY UPDATE SKIP LOCKED
), ring AS (
    SELECT priority, %(after)s::smallint AS lane, false AS wrapped FROM top
    UNION ALL
    SELECT ring.priority, next.lane, next.wrapped FROM ring CROSS JOIN LATERAL (
        (SELECT job.lane, ring.wrapped FROM automate_core_outboxjob job
         WHERE status = 'ready' AND NOT suspect AND available_at BETWEEN %(floor)s AND automate_now() - %(age)s
            AND job.priority = ring.priority
            AND job.lane > ring.lane AND job.lane <= CASE WHEN ring.wrapped THEN %(after)s ELSE 32767 END
         ORDER BY job.priority, job.lane LIMIT 1)
        UNION ALL
        (SELECT job.lane, true FROM automate_core_outboxjob job
         WHERE status = 'ready' AND NOT suspect AND available_at BETWEEN %(floor)s AND automate_now() - %(age)s
            AND job.priority = ring.priority
            AND NOT ring.wrapped AND job.lane <= %(after)s
         ORDER BY job.priority, job.lane LIMIT 1)
        LIMIT 1) next
), lanes AS MATERIALIZED (
    SELECT priority, lane FROM ring LIMIT {limit} OFFSET 1
), due AS MATERIALIZED (
    SELECT pick.id FROM lanes CROSS JOIN LATERAL (
        SELECT id FROM automate_core_outboxjob job
        WHERE status = 'ready' AND NOT suspect AND job.priority = lanes.priority AND job.lane = lanes.lane
            AND available_at BETWEEN %(floor)s AND automate_now() - %(age)s
        ORDER BY available_at, id
        LIMIT (SELECT ({limit} + count(*) - 1) / count(*) FROM lanes)
        FOR NO KEY UPDATE SKIP LOCKED) pick
    LIMIT {limit}
)
"""

# The oldest job of each lane that nobody holds, by hops from lane to lane: none that is ready lies before all of these.
OLDEST = """
WITH RECURSIVE heads AS (
    (SELECT priority, lane, available_at FROM automate_core_outboxjob
     WHERE status = 'ready' AND NOT suspect
     ORDER BY priority, lane, available_at, id LIMIT 1)
    UNION ALL
    SELECT next.* FROM heads CROSS JOIN LATERAL (
        SELECT priority, lane, available_at FROM automate_core_outboxjob job
        WHERE status = 'ready' AND NOT suspect AND (job.priority, job.lane) > (heads.priority, heads.lane)
        ORDER BY job.priority, job.lane, job.available_at, job.id LIMIT 1) next
)
SELECT least(min(available_at), automate_now()) AS at FROM heads
"""

_OLDEST_QUARANTINED = """
WITH due AS MATERIALIZED (
    SELECT id FROM automate_core_outboxjob
    WHERE status = 'ready' AND suspect AND available_at <= automate_now()
    ORDER BY available_at
    LIMIT 1
    FOR NO KEY UPDATE SKIP LOCKED
)
"""

_LEASED = """, leased AS (
    UPDATE automate_core_outboxjob job
    SET status = 'leased', token = job.token + 1, attempts = job.attempts + 1, worker = %(worker)s,
        lease_until = automate_now() + %(lease)s * interval '1 second'
    FROM due WHERE job.id = due.id
    RETURNING job.id, job.kind, job.token, job.attempts, job.event_id, job.run_id, job.lane, job.available_at
)
SELECT leased.id, kind, token, attempts, event_id, run_id, lane, available_at,
    event.source, event.endpoint_id, event.type, event.payload::text AS payload,
    event.headers::text AS headers, event.trace_id, event.received_at
FROM leased LEFT JOIN LATERAL (
    SELECT * FROM automate_core_event WHERE id = leased.event_id LIMIT 1) event ON true
ORDER BY available_at, leased.id
"""

CLAIM = _BATCH + _LEASED
CLAIM_QUARANTINED = _OLDEST_QUARANTINED + _LEASED

RENEW = """
WITH mine AS (
    SELECT job.id FROM automate_core_outboxjob job
    JOIN json_to_recordset(%(jobs)s::json) AS held(id uuid, token int) USING (id, token)
    WHERE job.status = 'leased'
    FOR NO KEY UPDATE OF job SKIP LOCKED
)
UPDATE automate_core_outboxjob job SET lease_until = automate_now() + %(lease)s * interval '1 second'
FROM mine WHERE job.id = mine.id
"""

HAND_BACK = """
UPDATE automate_core_outboxjob job
SET status = 'ready', worker = '', lease_until = NULL, attempts = greatest(job.attempts - 1, 0)
FROM json_to_recordset(%(jobs)s::json) AS held(id uuid, token int)
WHERE job.id = held.id AND job.token = held.token AND job.status = 'leased'
"""

RELEASE = """
UPDATE automate_core_outboxjob SET status = 'ready', lease_until = NULL, attempts = greatest(attempts - 1, 0)
WHERE status = 'leased' AND worker = %(worker)s
"""

# The runs of those `failed_jobs` (id, status, run_id) that are dead now fail with them.
FAIL_DEAD_RUNS = f""", ending_runs AS (
    SELECT run_id AS id, 'failed' AS status, %(error)s::jsonb AS error FROM failed_jobs WHERE status = 'dead'
), {lifecycle.END_RUNS}"""  # noqa: S608 - one of our own texts inside another

_EXPIRED = """
WITH candidates AS MATERIALIZED (
    SELECT id, run_id FROM automate_core_outboxjob WHERE status = 'leased' AND lease_until < automate_now()
    ORDER BY lease_until LIMIT 100
), runs AS MATERIALIZED (
    SELECT id FROM automate_core_executionrun WHERE id IN (SELECT run_id FROM candidates)
    ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
), expired AS MATERIALIZED (
    SELECT job.id FROM automate_core_outboxjob job JOIN candidates ON candidates.id = job.id
    WHERE job.status = 'leased' AND job.lease_until < automate_now()
        AND (job.run_id IS NULL OR job.run_id IN (SELECT id FROM runs))
    FOR NO KEY UPDATE OF job SKIP LOCKED
), failed_jobs AS (
    UPDATE automate_core_outboxjob job
    SET status = CASE WHEN attempts >= %(most)s THEN 'dead' ELSE 'ready' END, suspect = true, lease_until = NULL,
        last_error = 'worker ' || worker || ' did not renew its lease'
    FROM expired WHERE job.id = expired.id
    RETURNING job.id, job.status, job.run_id, job.worker
)
"""

_FOUND = """
SELECT (SELECT json_agg(json_build_array(worker, jobs, dead)) FROM (
        SELECT worker, count(*) AS jobs, count(*) FILTER (WHERE status = 'dead') AS dead FROM failed_jobs
        GROUP BY worker ORDER BY worker) each)::text AS lost,
    EXISTS (SELECT FROM automate_core_outboxjob
        WHERE status = 'ready' AND NOT suspect AND available_at <= automate_now()) AS ready,
    EXISTS (SELECT FROM automate_core_outboxjob
        WHERE status = 'ready' AND suspect AND available_at <= automate_now())
    OR EXISTS (SELECT FROM failed_jobs WHERE status = 'ready') AS quarantined
"""

RESCUE = _EXPIRED + FAIL_DEAD_RUNS + _FOUND

# The job that the crashed process claimed last: it works on one at a time.
_CRASHED = """
WITH candidate AS MATERIALIZED (
    SELECT id, run_id FROM automate_core_outboxjob WHERE status = 'leased' AND worker = %(worker)s
    ORDER BY lease_until DESC LIMIT 1
), runs AS MATERIALIZED (
    SELECT id FROM automate_core_executionrun WHERE id IN (SELECT run_id FROM candidate) FOR NO KEY UPDATE
), mine AS MATERIALIZED (
    SELECT job.id FROM automate_core_outboxjob job JOIN candidate ON candidate.id = job.id
    WHERE job.status = 'leased' AND job.worker = %(worker)s
    FOR NO KEY UPDATE OF job
), failed_jobs AS (
    UPDATE automate_core_outboxjob job
    SET status = CASE WHEN crashes + 1 >= %(crashes)s OR attempts >= %(most)s THEN 'dead' ELSE 'ready' END,
        crashes = crashes + 1, suspect = true, lease_until = NULL, last_error = %(reason)s,
        available_at = automate_now() + interval '1 second' * power(2, crashes)
    FROM mine WHERE job.id = mine.id
    RETURNING job.id, job.status, job.run_id
)
"""

_FAILED_JOBS = "SELECT id, status FROM failed_jobs"

CRASHED = _CRASHED + FAIL_DEAD_RUNS + _FAILED_JOBS

_STOPPED_RESPONDING = msgspec.json.encode(
    {"code": "job_dead", "message": text("The job failed permanently: its worker stopped responding on every attempt.")}
).decode()
_CRASHED_ITS_WORKER = msgspec.json.encode(
    {"code": "job_dead", "message": text("The job failed permanently: it crashed its worker on every attempt.")}
).decode()
_CLOSE_ALL = {"running_becomes": "interrupted", "kept_steps": list[uuid.UUID]()}

WAKE_DUE = f"""
WITH due_waits AS MATERIALIZED (
    SELECT id, run_id FROM automate_core_wait WHERE status = 'open' AND due_at <= automate_now()
    ORDER BY due_at LIMIT 100
), locked_runs AS MATERIALIZED (
    SELECT id FROM automate_core_executionrun WHERE id IN (SELECT run_id FROM due_waits)
    ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
), closed_waits AS (
    UPDATE automate_core_wait wait SET resolved_at = automate_now(),
        status = CASE WHEN kind IN ('callback', 'form', 'approval') THEN 'expired' ELSE 'resolved' END
    FROM due_waits JOIN locked_runs ON locked_runs.id = due_waits.run_id
    WHERE wait.id = due_waits.id AND wait.status = 'open'
    RETURNING wait.run_id
), woken_runs AS (
    UPDATE automate_core_executionrun run SET wakes = run.wakes + 1
    WHERE run.id IN (SELECT run_id FROM closed_waits)
    RETURNING run.id, run.event_id, run.workflow_id, run.priority
), advance_jobs AS ({lifecycle.ADVANCE_JOBS})
SELECT (SELECT count(*) FROM closed_waits) AS woken,
    (SELECT extract(epoch FROM min(due_at) - automate_now()) FROM automate_core_wait
     WHERE status = 'open' AND id NOT IN (SELECT id FROM due_waits)) AS seconds_to_next
"""  # noqa: S608 - one of our own texts inside another


@dataclass(frozen=True, slots=True)
class ClaimedJob:
    """A job that is ours until its lease ends: every write about it carries `id` and `token`."""

    id: uuid.UUID
    kind: str
    token: int
    attempts: int
    event_id: uuid.UUID | None
    run_id: uuid.UUID | None
    lane: int
    available_at: datetime
    source: str | None
    endpoint_id: int | None
    type: str | None
    payload: str | None
    headers: str | None
    trace_id: str | None
    received_at: datetime | None


class LostJobs(NamedTuple):
    """Jobs taken back from a worker that did not renew their leases. All but the `dead` ones are quarantined."""

    worker: str
    jobs: int
    dead: int


class Rescue(NamedTuple):
    """The result of a rescue: what each worker lost, and whether there are ready jobs and ready quarantined ones."""

    lost: list[LostJobs]
    ready: bool
    quarantined: bool

    @property
    def rescued(self) -> int:
        """How many leases had run out."""
        return sum(each.jobs for each in self.lost)

    @property
    def dead(self) -> int:
        """How many of these jobs are dead now."""
        return sum(each.dead for each in self.lost)


class OutboxStore:
    """The queue. `connection` None uses Django's; the worker hands in its own."""

    def __init__(self, connection: psycopg.Connection[Any] | None = None, *, worker: str = "") -> None:
        self.connection = connection
        self.worker = worker
        self.lease_seconds: float = setting("AUTOMATE_LEASE_SECONDS")
        self._floor, self._floor_at = LONG_AGO, 0.0
        self._newest = LONG_AGO
        self._came_empty = False
        self._lane = random.randrange(LANES)  # noqa: S311 - where its first turn begins

    def claim_batch(self, limit: int = 10, *, age: float = 0.0) -> list[ClaimedJob]:
        """Lease up to `limit` ready jobs of the best priority, an even share of each lane, passing over what others
        hold and what is suspect. There may be more when it brings fewer: a claim that brings none says that there was
        nothing. With `age`, jobs that have been ready for less than so many seconds are left to other workers.

        Each claim raises the job's token and its attempts.
        """
        if time.monotonic() >= self._floor_at:
            self._raise_floor()
        values = self._lease() | {"after": self._lane, "floor": self._floor, "age": timedelta(seconds=age)}
        # The limit stands in the text: a parameter there turns the claim into a sequential scan (docs/adr/0004).
        jobs = [ClaimedJob(*row) for row in database.run(self.connection, CLAIM.format(limit=int(limit)), values)]
        self._came_empty = not jobs
        if jobs:
            self._lane = max((job.lane for job in jobs), key=lambda lane: (lane - self._lane - 1) % LANES)
            self._newest = max(self._newest, *(job.available_at for job in jobs))
        elif self._newest > LONG_AGO:  # all that was ready is claimed
            self._floor = max(self._floor, self._newest - FLOOR_MARGIN)
        return jobs

    def claim_quarantined(self) -> ClaimedJob | None:
        """Lease the oldest quarantined job."""
        rows = database.run(self.connection, CLAIM_QUARANTINED, self._lease())
        return ClaimedJob(*rows[0]) if rows else None

    def renew(self, jobs: Iterable[ClaimedJob]) -> None:
        """Extend the leases of those jobs that are still ours. Never waits for a lock."""
        database.run(self.connection, RENEW, {"jobs": _held(jobs), "lease": self.lease_seconds})

    def hand_back(self, jobs: Iterable[ClaimedJob]) -> None:
        """Give leases back at once, with the attempt refunded: a stopping worker did nothing wrong."""
        database.run(self.connection, HAND_BACK, {"jobs": _held(jobs)})

    def release(self, worker: str) -> None:
        """Take back, with the attempts refunded, what a worker holds that was ended on purpose."""
        database.run(self.connection, RELEASE, {"worker": worker})

    def charge_crash(self, worker: str, reason: str) -> list[uuid.UUID]:
        """Charge a crash to the job that a quarantine process was working on; gives it if it is dead now."""
        limits = {"crashes": MOST_CRASHES, "most": setting("AUTOMATE_MAX_ATTEMPTS")}
        values = {"worker": worker, "reason": reason, "error": _CRASHED_ITS_WORKER, **limits, **_CLOSE_ALL}
        return [row.id for row in database.run(self.connection, CRASHED, values) if row.status == "dead"]

    def rescue(self) -> Rescue:
        """Take back jobs whose lease ran out: ready again in quarantine, or dead after too many attempts."""
        values = {"most": setting("AUTOMATE_MAX_ATTEMPTS"), "error": _STOPPED_RESPONDING, **_CLOSE_ALL}
        [row] = database.run(self.connection, RESCUE, values)
        lost = [LostJobs(*each) for each in msgspec.json.decode(row.lost or "[]")]
        found = Rescue(lost, row.ready, row.quarantined)
        if found.ready and self._came_empty:  # there is something older than where claims look
            self._floor_at = 0.0
        return found

    def wake_due(self) -> tuple[int, float | None]:
        """Resolve waits whose time has come and make their runs' jobs ready: (how many, seconds to the next)."""
        [row] = database.run(self.connection, WAKE_DUE, {})
        return row.woken, None if row.seconds_to_next is None else float(row.seconds_to_next)

    def _lease(self) -> dict[str, Any]:
        return {"worker": self.worker, "lease": self.lease_seconds}

    def _raise_floor(self) -> None:
        """Look for jobs only from shortly before the oldest that is ready now."""
        began = time.monotonic()
        [row] = database.run(self.connection, OLDEST, {})
        self._floor = row.at - FLOOR_MARGIN
        ended = time.monotonic()
        self._floor_at = ended + max(FLOOR_SECONDS, FLOOR_SHARE * (ended - began))


def _held(jobs: Iterable[ClaimedJob]) -> str:
    return msgspec.json.encode([{"id": job.id, "token": job.token} for job in jobs]).decode()

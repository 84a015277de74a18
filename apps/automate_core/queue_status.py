"""The state of the queue at this moment, for people and for machines. Ages are the database's."""

from __future__ import annotations

from typing import Any

import msgspec

from automate_core import database

STATUS = """
SELECT json_build_object(
    'workers', (SELECT coalesce(json_agg(w ORDER BY name), '[]') FROM (
        SELECT name, slots, held, extract(epoch FROM automate_now() - seen_at)::float8 AS seen_seconds_ago,
            extract(epoch FROM automate_now() - started_at)::float8 AS up_seconds
        FROM automate_core_workerstate) w),
    'leases', (SELECT count(*) FROM automate_core_outboxjob WHERE status = 'leased' AND lease_until >= automate_now()),
    'expired_leases', (SELECT count(*) FROM automate_core_outboxjob
        WHERE status = 'leased' AND lease_until < automate_now()),
    'ready', (SELECT coalesce(json_agg(r ORDER BY kind), '[]') FROM (
        SELECT kind, count(*) AS jobs, greatest(extract(epoch FROM automate_now() - min(available_at)), 0)::float8
            AS oldest_seconds
        FROM automate_core_outboxjob WHERE status = 'ready' AND NOT suspect GROUP BY kind) r),
    'suspects', (SELECT count(*) FROM automate_core_outboxjob WHERE status = 'ready' AND suspect),
    'dead', (SELECT count(*) FROM automate_core_outboxjob WHERE status = 'dead'))::text AS status
"""


class WorkerStatus(msgspec.Struct, frozen=True):
    """A worker as it last said itself."""

    name: str
    slots: int
    held: int
    seen_seconds_ago: float
    up_seconds: float


class ReadyJobs(msgspec.Struct, frozen=True):
    """How many jobs of a kind are ready, and for how long the oldest has been."""

    kind: str
    jobs: int
    oldest_seconds: float


class QueueStatus(msgspec.Struct, frozen=True):
    """`leases` are those that hold; `expired_leases` will be taken back within moments. `ready` leaves out suspects."""

    workers: list[WorkerStatus]
    leases: int
    expired_leases: int
    ready: list[ReadyJobs]
    suspects: int
    dead: int


def read_status() -> QueueStatus:
    """Ask the database, on Django's connection."""
    [row] = database.run(None, STATUS, {})
    return msgspec.json.decode(row.status, type=QueueStatus)


def as_json(status: QueueStatus) -> dict[str, Any]:
    """The same as plain values."""
    plain: dict[str, Any] = msgspec.to_builtins(status)
    return plain

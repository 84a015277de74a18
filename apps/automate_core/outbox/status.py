"""The present state of the queue. Ages are measured by the database's clock."""

from __future__ import annotations

import logging
from typing import Any

import msgspec

from automate_core import database
from automate_core.conf import setting
from automate_plugins import text

log = logging.getLogger(__name__)

OLD_SECONDS = 300  #: age at which an open transaction is reported: vacuum removes nothing that ended since it began
AGAIN_SECONDS = 300.0  #: between two warnings
ALIVE_SECONDS = 30.0  #: three of a worker's reports

_OPEN_TRANSACTIONS = """pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'
    AND pid <> pg_backend_pid() AND coalesce(backend_xmin, backend_xid) IS NOT NULL"""

STATUS = f"""
SELECT json_build_object(
    'workers', (SELECT coalesce(json_agg(w ORDER BY name), '[]') FROM (
        SELECT name, slots, held, extract(epoch FROM automate_now() - seen_at)::float8 AS seen_seconds_ago,
            extract(epoch FROM automate_now() - started_at)::float8 AS up_seconds,
            seen_at > automate_now() - %(alive)s * interval '1 second' AS is_alive, leased, lease_seconds
        FROM automate_core_workerstate, LATERAL (SELECT count(*) AS leased,
            greatest(extract(epoch FROM max(lease_until) - automate_now()), 0)::float8 AS lease_seconds
            FROM automate_core_outboxjob WHERE status = 'leased' AND worker = name) jobs) w),
    'leases', (SELECT count(*) FROM automate_core_outboxjob WHERE status = 'leased' AND lease_until >= automate_now()),
    'expired_leases', (SELECT count(*) FROM automate_core_outboxjob
        WHERE status = 'leased' AND lease_until < automate_now()),
    'ready', (SELECT coalesce(json_agg(r ORDER BY kind), '[]') FROM (
        SELECT kind, count(*) AS jobs, greatest(extract(epoch FROM automate_now() - min(available_at)), 0)::float8
            AS oldest_seconds
        FROM automate_core_outboxjob WHERE status = 'ready' AND NOT suspect GROUP BY kind) r),
    'suspects', (SELECT count(*) FROM automate_core_outboxjob WHERE status = 'ready' AND suspect),
    'dead', (SELECT count(*) FROM automate_core_outboxjob WHERE status = 'dead'),
    'oldest_transaction', (SELECT json_build_object('pid', pid, 'application', application_name,
            'seconds', extract(epoch FROM clock_timestamp() - xact_start)::float8)
        FROM {_OPEN_TRANSACTIONS} ORDER BY xact_start LIMIT 1))::text AS status
"""  # noqa: S608 - one of our own texts inside another

#: SQL: the seconds that the oldest has been open, NULL where there is none.
OLDEST_TRANSACTION_SECONDS = f"""SELECT extract(epoch FROM clock_timestamp() - min(xact_start))::float8
    FROM {_OPEN_TRANSACTIONS}"""  # noqa: S608 - our own texts

#: SQL: whether there is such a transaction.
OLD_TRANSACTION = f"""EXISTS (SELECT FROM {_OPEN_TRANSACTIONS}
    AND xact_start < clock_timestamp() - interval '{OLD_SECONDS} seconds')"""


class WorkerStatus(msgspec.Struct, frozen=True):
    """A worker by its last heartbeat; and how many jobs are leased to it at present, the last for `lease_seconds`."""

    name: str
    slots: int
    held: int
    seen_seconds_ago: float
    up_seconds: float
    is_alive: bool
    leased: int
    lease_seconds: float


class ReadyJobs(msgspec.Struct, frozen=True):
    """How many jobs of a kind are ready, and for how long the oldest has been."""

    kind: str
    jobs: int
    oldest_seconds: float


class OpenTransaction(msgspec.Struct, frozen=True):
    """A transaction that keeps vacuum from removing what ended since it began."""

    pid: int
    application: str
    seconds: float

    @property
    def is_old(self) -> bool:
        """Whether it is old enough to slow the queue down."""
        return self.seconds >= OLD_SECONDS

    def __str__(self) -> str:
        known = {"seconds": f"{self.seconds:.0f}", "pid": str(self.pid), "application": self.application}
        if self.application:
            return text(
                "A database transaction has been open for %(seconds)s s (%(application)s, pid %(pid)s).", **known
            )
        return text("A database transaction has been open for %(seconds)s s (pid %(pid)s).", **known)


class QueueStatus(msgspec.Struct, frozen=True):
    """`leases` are valid, `expired_leases` about to be rescued. `ready` leaves out quarantined jobs (`suspects`).

    `workers` includes those that were killed, for some minutes.
    `oldest_transaction` is of this database, and of the roles whose activity ours may see.
    """

    workers: list[WorkerStatus]
    leases: int
    expired_leases: int
    ready: list[ReadyJobs]
    suspects: int
    dead: int
    oldest_transaction: OpenTransaction | None = None

    @property
    def live_workers(self) -> list[WorkerStatus]:
        """Those that are alive, as far as their reports tell."""
        return [worker for worker in self.workers if worker.is_alive]


_decoder = msgspec.json.Decoder(QueueStatus)


def alive_seconds() -> float:
    """The age of a worker's last report up to which the worker counts as alive."""
    return float(max(ALIVE_SECONDS, setting("AUTOMATE_LEASE_SECONDS")))


def read_status() -> QueueStatus:
    """Ask the database, on Django's connection."""
    [row] = database.run(None, STATUS, {"alive": alive_seconds()})
    return _decoder.decode(row.status)


def as_json(status: QueueStatus) -> dict[str, Any]:
    """The status as plain values for JSON."""
    plain: dict[str, Any] = msgspec.to_builtins(status)
    return plain


def warn_of_transaction() -> None:
    """Log a warning when a transaction has been open for too long: a maintenance task."""
    oldest = read_status().oldest_transaction
    if oldest is not None and oldest.is_old:
        log.warning("%s: vacuum removes no old rows of the queue until it ends", oldest)

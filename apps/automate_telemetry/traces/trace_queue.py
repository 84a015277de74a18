"""The queue of ended runs whose traces are still to be exported.

A run enters it in the transaction that counts its end, so that the engine's own statements know nothing of it. It
leaves it once the collector has accepted its trace: it is exported at least once.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection

from automate_core import database
from automate_core.conf import setting

LEASE_SECONDS = 180.0  #: longer than an export may take

#: SQL: whether there is anything to export.
DUE = "EXISTS (SELECT FROM automate_core_traceexport WHERE due_at <= automate_now())"

_ENQUEUE = """
INSERT INTO automate_core_traceexport (run_id, due_at) SELECT {column}, automate_now() FROM {rows}
ON CONFLICT (run_id) DO NOTHING
"""

_CLAIM = """
UPDATE automate_core_traceexport SET due_at = automate_now() + %(lease)s * interval '1 second'
WHERE run_id = ANY(ARRAY(
    SELECT run_id FROM automate_core_traceexport WHERE due_at <= automate_now()
    ORDER BY due_at, run_id LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
RETURNING run_id
"""

_RELEASE = "UPDATE automate_core_traceexport SET due_at = automate_now() WHERE run_id = ANY(%(runs)s)"

_REMOVE = "DELETE FROM automate_core_traceexport WHERE run_id = ANY(%(runs)s)"

# Also what has no run any more, since retention deleted it.
_EXPIRE = """
DELETE FROM automate_core_traceexport queued WHERE run_id = ANY(%(runs)s) AND NOT EXISTS (
    SELECT FROM automate_core_executionrun run
    WHERE run.id = queued.run_id AND run.finished_at > automate_now() - %(hours)s * interval '1 hour')
RETURNING run_id
"""


def enqueueing(rows: str, column: str) -> str:
    """A statement that enqueues the runs in `column` of `rows`."""
    return _ENQUEUE.format(rows=rows, column=column)


def claim(limit: int) -> list[uuid.UUID]:
    """Lease the runs that are due first, and give their ids. Runs that ended too long ago are dropped."""
    runs = [row.run_id for row in database.run(None, _CLAIM, {"limit": limit, "lease": LEASE_SECONDS})]
    if not runs:
        return []
    hours = setting("AUTOMATE_OTLP_KEEP_HOURS")
    dropped = {row.run_id for row in database.run(None, _EXPIRE, {"runs": runs, "hours": hours})}
    return [run for run in runs if run not in dropped]


def release(runs: Collection[uuid.UUID]) -> None:
    """Make claimed runs due again."""
    database.run(None, _RELEASE, {"runs": list(runs)})


def remove(runs: Collection[uuid.UUID]) -> None:
    """Take exported runs out of the queue."""
    database.run(None, _REMOVE, {"runs": list(runs)})

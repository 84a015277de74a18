"""Waits for sub-runs: resolved when the sub-run has ended, or when no workflow could be started."""

from __future__ import annotations

import uuid

from automate_core import database
from automate_core.outbox import notify
from automate_core.outbox.lifecycle import ADVANCE_JOBS
from automate_core.runs.waits.resolution import RESOLVE_WAITS
from automate_plugins import text

MOST = 500

_NOT_STARTED = text("The workflow could not be started.")
_NOT_PUBLISHED = text("The workflow is not published.")

# A call whose dispatch job is completed without a run found no published workflow.
_RESOLVE = f"""
WITH resolvable_waits AS MATERIALIZED (
    SELECT wait.id, wait.run_id, CASE WHEN child.id IS NULL
        THEN jsonb_build_object('status', 'missing', 'error', jsonb_build_object('message',
            CASE job.status WHEN 'dead' THEN '{_NOT_STARTED}' ELSE '{_NOT_PUBLISHED}' END))
        ELSE jsonb_build_object('run', child.id, 'status', child.status, 'output', child.output, 'error', child.error)
        END AS outcome
    FROM automate_core_wait wait
    LEFT JOIN automate_core_outboxjob job ON job.event_id = (wait.data ->> 'event')::uuid
    LEFT JOIN automate_core_executionrun child ON child.parent_id = wait.run_id AND child.parent_path = wait.path
    WHERE wait.status = 'open' AND wait.kind = 'child'
        AND CASE WHEN child.id IS NULL THEN job.kind = 'dispatch' AND job.status IN ('completed', 'dead')
            ELSE child.status IN ('succeeded', 'failed', 'cancelled') END
        {{only}}
    ORDER BY wait.id LIMIT {MOST}
), {RESOLVE_WAITS}
{ADVANCE_JOBS}
RETURNING id
"""  # noqa: S608 - one of our own texts inside another
_RESOLVE_ALL = _RESOLVE.format(only="")
_RESOLVE_ONE = _RESOLVE.format(only="AND child.id = %(sub_run)s")

#: SQL: whether `resolve_waits` may have work.
DUE = "EXISTS (SELECT FROM automate_core_wait WHERE status = 'open' AND kind = 'child')"


def resolve_waits() -> float | None:
    """Resolve the waits whose sub-runs have ended, and wake the parents; returns 0 when there may be more."""
    resolved = database.run(None, _RESOLVE_ALL, {})
    if resolved:
        notify.after_commit()
    return 0.0 if len(resolved) == MOST else None


def resolve_wait_for(sub_run: uuid.UUID) -> None:
    """Resolve the wait for a sub-run that has ended, if there is one, and wake its parent."""
    if database.run(None, _RESOLVE_ONE, {"sub_run": sub_run}):
        notify.after_commit()

"""Waits for sub-runs: resolved when the sub-run has ended, or when no workflow could be started."""

from __future__ import annotations

from automate_core import database
from automate_core.outbox import notify
from automate_core.outbox.lifecycle import ADVANCE_JOBS
from automate_core.runs.cancellation import cancel_run

MOST = 500

# A call whose dispatch job is completed without a run found no published workflow.
ANSWER = f"""
WITH ended_calls AS MATERIALIZED (
    SELECT wait.id, wait.run_id, CASE WHEN child.id IS NULL
        THEN jsonb_build_object('status', 'missing', 'error', jsonb_build_object('message',
            CASE job.status WHEN 'dead' THEN 'it could not be started' ELSE 'it is not published' END))
        ELSE jsonb_build_object('run', child.id, 'status', child.status, 'output', child.output, 'error', child.error)
        END AS outcome
    FROM automate_core_wait wait
    JOIN automate_core_outboxjob job ON job.event_id = (wait.data ->> 'event')::uuid
    LEFT JOIN automate_core_executionrun child ON child.parent_id = wait.run_id AND child.parent_path = wait.path
    WHERE wait.status = 'open' AND wait.kind = 'child'
        AND CASE WHEN child.id IS NULL THEN job.kind = 'dispatch' AND job.status IN ('completed', 'dead')
            ELSE child.status IN ('succeeded', 'failed', 'cancelled') END
    ORDER BY wait.id LIMIT {MOST}
), locked_runs AS MATERIALIZED (
    SELECT id FROM automate_core_executionrun WHERE id IN (SELECT run_id FROM ended_calls)
    ORDER BY id FOR NO KEY UPDATE
), resolved_waits AS (
    UPDATE automate_core_wait wait SET status = 'resolved', outcome = ended.outcome, resolved_at = automate_now()
    FROM ended_calls ended JOIN locked_runs ON locked_runs.id = ended.run_id
    WHERE wait.id = ended.id AND wait.status = 'open'
    RETURNING wait.run_id
), woken_runs AS (
    UPDATE automate_core_executionrun run SET wakes = run.wakes + 1 WHERE run.id IN (SELECT run_id FROM resolved_waits)
    RETURNING run.id, run.event_id, run.workflow_id, run.priority
)
{ADVANCE_JOBS}
RETURNING id
"""  # noqa: S608 - one of our own texts inside another

#: SQL: whether `resolve_waits` may have work.
DUE = "EXISTS (SELECT FROM automate_core_wait WHERE status = 'open' AND kind = 'child')"

# Sub-runs whose wait was cancelled, as when a parallel branch failed.
_ORPHANS = """
SELECT child.id FROM automate_core_executionrun child
JOIN automate_core_wait wait
    ON wait.run_id = child.parent_id AND wait.path = child.parent_path AND wait.kind = 'child'
WHERE child.parent_id IS NOT NULL AND child.status IN ('queued', 'running', 'waiting') AND wait.status = 'cancelled'
"""

#: SQL: whether `cancel_orphans` has work.
ORPHANED = f"EXISTS ({_ORPHANS})"


def resolve_waits() -> float | None:
    """Resolve the waits whose sub-runs have ended, and wake the parents; returns 0 when there may be more."""
    answered = database.run(None, ANSWER, {})
    if answered:
        notify.after_commit()
    return 0.0 if len(answered) == MOST else None


def cancel_orphans() -> float | None:
    """Cancel the sub-runs whose wait was cancelled; returns 0 when there may be more."""
    orphans = [row.id for row in database.run(None, f"{_ORPHANS} ORDER BY child.id LIMIT {MOST}", {})]
    for run_id in orphans:
        cancel_run(run_id, code="cancelled", message="The step that waited for it was withdrawn.")
    return 0.0 if len(orphans) == MOST else None

"""Runs that wait for runs they started: told of the end, or that there is nobody to start."""

from __future__ import annotations

from automate_core import database, wakeups

MOST = 500

# A call whose dispatch is done and that made no run found no published workflow.
ANSWER = """
WITH ended AS MATERIALIZED (
    SELECT wait.id, wait.run_id, CASE WHEN child.id IS NULL
        THEN jsonb_build_object('status', 'missing', 'error', jsonb_build_object('message', 'it is not published'))
        ELSE jsonb_build_object('run', child.id, 'status', child.status, 'output', child.output, 'error', child.error)
        END AS outcome
    FROM automate_core_wait wait
    JOIN automate_core_outboxjob job ON job.event_id = (wait.data ->> 'event')::uuid
    LEFT JOIN automate_core_executionrun child ON child.parent_id = wait.run_id AND child.parent_path = wait.path
    WHERE wait.status = 'open' AND wait.kind = 'child'
        AND CASE WHEN child.id IS NULL THEN job.kind = 'dispatch' AND job.status IN ('completed', 'dead')
            ELSE child.status IN ('succeeded', 'failed', 'cancelled') END
    ORDER BY wait.id LIMIT {most}
), runs AS MATERIALIZED (
    SELECT id, event_id, workflow_id, priority FROM automate_core_executionrun
    WHERE id IN (SELECT run_id FROM ended) ORDER BY id FOR NO KEY UPDATE
), closed AS (
    UPDATE automate_core_wait wait SET status = 'resolved', outcome = ended.outcome, resolved_at = automate_now()
    FROM ended JOIN runs ON runs.id = ended.run_id
    WHERE wait.id = ended.id AND wait.status = 'open'
    RETURNING wait.run_id
), woken AS (
    UPDATE automate_core_executionrun run SET wakes = run.wakes + 1 WHERE run.id IN (SELECT run_id FROM closed)
)
INSERT INTO automate_core_outboxjob
    (id, kind, status, event_id, run_id, priority, lane, available_at, attempts, crashes, suspect, worker, token,
     last_error)
SELECT gen_random_uuid(), 'advance', 'ready', event_id, id, -priority, workflow_id %% 1024, automate_now(), 0, 0, false,
    '', 0, ''
FROM runs WHERE id IN (SELECT run_id FROM closed)
ON CONFLICT (run_id) WHERE kind = 'advance' AND status IN ('ready', 'leased')
DO UPDATE SET available_at = least(automate_core_outboxjob.available_at, excluded.available_at)
    WHERE automate_core_outboxjob.status = 'ready'
RETURNING id
"""

#: Whether there is anything to answer, in SQL.
DUE = "EXISTS (SELECT FROM automate_core_wait WHERE status = 'open' AND kind = 'child')"


def answer() -> float | None:
    """Answer the waits whose runs have ended, and wake those that wait. Gives 0 when there may be more."""
    answered = database.run(None, ANSWER.format(most=MOST), ())
    if answered:
        wakeups.after_commit()
    return 0.0 if len(answered) == MOST else None

"""The highest number of ready jobs and of runs that wait for people, of each hour and day, measured once a minute."""

from __future__ import annotations

from automate_core import database

#: SQL: whether it is time to look.
DUE = """NOT EXISTS (
    SELECT FROM automate_core_queuelevel
    WHERE at = date_trunc('hour', automate_now(), 'UTC') AND looked_at > automate_now() - interval '1 minute')"""

_RECORD_LEVELS = """
WITH updated_level AS (
    INSERT INTO automate_core_queuelevel AS had (at, ready, oldest_seconds, looked_at)
    SELECT date_trunc('hour', automate_now(), 'UTC'), count(*),
        coalesce(greatest(extract(epoch FROM automate_now() - min(available_at)), 0), 0), automate_now()
    FROM automate_core_outboxjob WHERE status = 'ready' AND NOT suspect AND available_at <= automate_now()
    ON CONFLICT (at) DO UPDATE
    SET ready = greatest(had.ready, excluded.ready), looked_at = excluded.looked_at,
        oldest_seconds = greatest(had.oldest_seconds, excluded.oldest_seconds)
)
INSERT INTO automate_core_runcount AS had (workflow_id, span, at, waiting)
SELECT run.workflow_id, span, date_trunc(span, automate_now(), 'UTC'), count(*)
FROM automate_core_wait wait JOIN automate_core_executionrun run ON run.id = wait.run_id
CROSS JOIN (VALUES ('hour'), ('day')) AS spans(span)
WHERE wait.status = 'open' AND wait.kind IN ('approval', 'review') AND run.cause <> 'test'
GROUP BY run.workflow_id, span
ON CONFLICT (span, at, workflow_id) DO UPDATE SET waiting = greatest(had.waiting, excluded.waiting)
"""


def record_levels() -> float | None:
    """Measure once, and store the values that are the highest of this hour or day."""
    database.run(None, _RECORD_LEVELS, {})
    return None

"""Two rules in SQL, one text each for every statement that needs them: an event was stored, and a run has ended.

The texts are parts of a WITH. Each says which rows it reads by name; the statement that contains it provides them.
"""

from __future__ import annotations

import uuid
from typing import Any

import msgspec

from automate_core import database
from automate_core.outbox import notify

#: A job to match each of the `new_events` (id, source, type). The priority is the best of the workflows that it may
#: start; the lane is a hash of what it is, so that claims take turns between kinds of events.
DISPATCH_JOBS = """
INSERT INTO automate_core_outboxjob
    (id, kind, status, event_id, priority, lane, available_at, attempts, crashes, suspect, worker, token, last_error)
SELECT automate_uuid7(), 'dispatch', 'ready', id,
    -coalesce((SELECT max(priority) FROM automate_core_activetrigger t
        WHERE t.source = new_events.source AND t.event_type IN ('', new_events.type)), 0),
    abs(hashtext(source || ' ' || type) %% 1024), automate_now(), 0, 0, false, '', 0, ''
FROM new_events
"""

#: A job to walk each of the `woken_runs` (id, event_id, workflow_id, priority); one that is there is brought forward.
ADVANCE_JOBS = """
INSERT INTO automate_core_outboxjob
    (id, kind, status, event_id, run_id, priority, lane, available_at, attempts, crashes, suspect, worker, token,
     last_error)
SELECT automate_uuid7(), 'advance', 'ready', event_id, id, -priority, workflow_id %% 1024, automate_now(), 0, 0, false,
    '', 0, ''
FROM woken_runs
ON CONFLICT (run_id) WHERE kind = 'advance' AND status IN ('ready', 'leased')
DO UPDATE SET available_at = least(automate_core_outboxjob.available_at, excluded.available_at)
    WHERE automate_core_outboxjob.status = 'ready'
"""


def finished_at(status: str) -> str:
    """The time of a run's end, in SQL, for its new status."""
    return f"CASE WHEN {status} IN ('succeeded', 'failed', 'cancelled') THEN automate_now() END"


#: The `ended_runs` (id, slug, status, error, trace_id, depth) are counted, and their ends become the `end_events` where
#: a workflow starts at them.
END_EVENTS = """uncounted_ends AS (
    INSERT INTO automate_core_endedrun (run_id) SELECT id FROM ended_runs
), end_events AS (
    INSERT INTO automate_core_event (id, source, type, delivery_key, payload, headers, trace_id, received_at)
    SELECT automate_uuid7(), 'run:' || slug, status, id::text,
        jsonb_build_object('run', id, 'workflow', slug, 'status', status, 'error', error - 'text'),
        jsonb_build_object('automate-depth', (depth + 1)::text), trace_id, automate_now()
    FROM ended_runs WHERE EXISTS (SELECT FROM automate_core_activetrigger t WHERE t.source = 'run:' || ended_runs.slug)
    ON CONFLICT (source, delivery_key, endpoint_id) WHERE delivery_key IS NOT NULL DO NOTHING
    RETURNING id, source, type
)"""

#: The `ending_runs` (id, status, error) end, where no walk ends them: with their open waits, and their open attempts
#: but those in `kept_steps`. `running_becomes` is the status of an attempt that was running.
END_RUNS = f"""finished_runs AS (
    UPDATE automate_core_executionrun run
    SET status = ending.status, error = ending.error, finished_at = {finished_at("ending.status")}, seq = run.seq + 1
    FROM ending_runs ending WHERE run.id = ending.id AND run.status IN ('queued', 'running', 'waiting')
    RETURNING run.id, run.seq, run.status, run.workflow_id, run.trace_id, run.depth, run.error, run.cause
), ended_runs AS (
    SELECT finished.*, workflow.slug FROM finished_runs finished
    JOIN automate_core_workflow workflow ON workflow.id = finished.workflow_id
    WHERE finished.cause <> 'test'
), closed_waits AS (
    UPDATE automate_core_wait wait SET status = 'cancelled', resolved_at = automate_now(), seq = finished.seq
    FROM finished_runs finished WHERE wait.run_id = finished.id AND wait.status = 'open'
), closed_steps AS (
    UPDATE automate_core_steprun step
    SET status = CASE step.status WHEN 'running' THEN %(running_becomes)s ELSE 'cancelled' END,
        finished_at = automate_now(), seq = finished.seq
    FROM finished_runs finished WHERE step.run_id = finished.id AND step.status IN ('running', 'waiting')
        AND step.id <> ALL(%(kept_steps)s::uuid[])
), {END_EVENTS}, new_events AS (SELECT * FROM end_events), dispatch_jobs AS ({DISPATCH_JOBS})
"""  # noqa: S608 - our own texts inside another

END_RUN = f"""
WITH ending_runs AS (SELECT %(run)s::uuid AS id, %(status)s::text AS status, %(error)s::jsonb AS error), {END_RUNS}
SELECT id FROM end_events
"""  # noqa: S608 - our own texts inside another

DISPATCH_AGAIN = f"""
WITH new_events AS (SELECT id, source, type FROM automate_core_event WHERE id = %(event)s) {DISPATCH_JOBS} RETURNING id
"""  # noqa: S608 - one of our own texts inside another


def end_run(
    run_id: uuid.UUID, status: str, error: dict[str, Any], *, running_becomes: str, kept_steps: list[uuid.UUID]
) -> None:
    """End a locked run that no walk ends, with all that it has open but the attempts `kept_steps`."""
    values = {
        "run": run_id,
        "status": status,
        "error": msgspec.json.encode(error).decode(),
        "running_becomes": running_becomes,
        "kept_steps": kept_steps,
    }
    if database.run(None, END_RUN, values):
        notify.after_commit()


def dispatch_again(event_id: uuid.UUID) -> uuid.UUID:
    """Make a further job to match a stored event; gives its id."""
    [row] = database.run(None, DISPATCH_AGAIN, {"event": event_id})
    notify.after_commit()
    job: uuid.UUID = row.id
    return job

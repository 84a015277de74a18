"""What follows when an event has come in and when a run has ended, in SQL: one text each, for all who write either.

The texts are parts of a WITH, put together by the statements that insert the events and end the runs.
"""

from __future__ import annotations

import uuid

from automate_core import database
from automate_core.outbox import notify

#: A job to match each of the events `handed_in` (id, source, type). The priority is the best of the workflows that it
#: may start; the lane is a hash of what it is, so that claims take turns between kinds of events.
DISPATCH = """
INSERT INTO automate_core_outboxjob
    (id, kind, status, event_id, priority, lane, available_at, attempts, crashes, suspect, worker, token, last_error)
SELECT automate_uuid7(), 'dispatch', 'ready', id,
    -coalesce((SELECT max(priority) FROM automate_core_activetrigger t
        WHERE t.source = handed_in.source AND t.event_type IN ('', handed_in.type)), 0),
    abs(hashtext(source || ' ' || type) %% 1024), automate_now(), 0, 0, false, '', 0, ''
FROM handed_in
"""

#: The runs that have `ended` (id, slug, status, error, trace_id, depth): each is counted, and its end is an event
#: where a workflow starts at it. What is `said` is to be handed in.
TOLD = """uncounted AS (
    INSERT INTO automate_core_endedrun (run_id) SELECT id FROM ended
), said AS (
    INSERT INTO automate_core_event (id, source, type, delivery_key, payload, headers, trace_id, received_at)
    SELECT automate_uuid7(), 'run:' || slug, status, id::text,
        jsonb_build_object('run', id, 'workflow', slug, 'status', status, 'error', error),
        jsonb_build_object('automate-depth', (depth + 1)::text), trace_id, automate_now()
    FROM ended WHERE EXISTS (SELECT FROM automate_core_activetrigger t WHERE t.source = 'run:' || ended.slug)
    ON CONFLICT (source, delivery_key, endpoint_id) WHERE delivery_key IS NOT NULL DO NOTHING
    RETURNING id, source, type
)"""

#: What the runs in `cut_short` (id, seq) leave open, where no worker ends it: their waits, and their attempts but those
#: in `kept`. `broken` is the state of an attempt that was running.
CLOSED = """withdrawn AS (
    UPDATE automate_core_wait wait SET status = 'cancelled', resolved_at = automate_now(), seq = cut_short.seq
    FROM cut_short WHERE wait.run_id = cut_short.id AND wait.status = 'open'
), cut AS (
    UPDATE automate_core_steprun step
    SET status = CASE step.status WHEN 'running' THEN %(broken)s ELSE 'cancelled' END,
        finished_at = automate_now(), seq = cut_short.seq
    FROM cut_short WHERE step.run_id = cut_short.id AND step.status IN ('running', 'waiting')
        AND step.id <> ALL(%(kept)s::uuid[])
)"""

#: A run that Python has ended: what it leaves open is closed, and its end is told.
END = f"""
WITH cut_short AS MATERIALIZED (
    SELECT run.id, run.seq, run.status, run.error, run.trace_id, run.depth, run.cause, workflow.slug
    FROM automate_core_executionrun run JOIN automate_core_workflow workflow ON workflow.id = run.workflow_id
    WHERE run.id = %(run)s
), ended AS (SELECT * FROM cut_short WHERE cause <> 'test'), {CLOSED}, {TOLD},
handed_in AS (SELECT * FROM said), told AS ({DISPATCH})
SELECT id FROM said
"""  # noqa: S608 - our own texts inside another

DISPATCH_AGAIN = f"""
WITH handed_in AS (SELECT id, source, type FROM automate_core_event WHERE id = %(event)s) {DISPATCH} RETURNING id
"""  # noqa: S608 - one of our own texts inside another


def end(run_id: uuid.UUID, *, broken: str, kept: list[uuid.UUID]) -> None:
    """Close what a run that is final now leaves open, but the attempts `kept`, and tell of its end."""
    if database.run(None, END, {"run": run_id, "broken": broken, "kept": kept}):
        notify.after_commit()


def dispatch_again(event_id: uuid.UUID) -> uuid.UUID:
    """A further job to match a stored event."""
    [row] = database.run(None, DISPATCH_AGAIN, {"event": event_id})
    notify.after_commit()
    job: uuid.UUID = row.id
    return job

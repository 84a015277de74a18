"""The SQL of pruning: final rows that no live run needs are deleted; rows that others have locked are skipped.

The rows of a batch are locked for update, so that a re-run or a pin waits for it and never finds half of a run.
"""

from __future__ import annotations

_LIVE = "('queued', 'running', 'waiting')"

#: Runs in the order of their ids, which is that of time.
NEXT_RUNS = """
SELECT id FROM automate_core_executionrun
WHERE status = %(status)s AND id > %(after)s AND id < %(before)s
ORDER BY id LIMIT %(limit)s
"""
NEXT_WORKFLOW_RUNS = """
SELECT id FROM automate_core_executionrun
WHERE workflow_id = %(workflow)s AND id > %(after)s AND id < %(before)s
ORDER BY id LIMIT %(limit)s
"""

RUNS_DUE = f"""
SELECT run.id, run.event_id, run.version_id, run.cause, run.retried_from_id
FROM automate_core_executionrun run
LEFT JOIN json_to_recordset(%(workflows)s::json) AS own(workflow bigint, state text, days int)
    ON own.workflow = run.workflow_id AND own.state = CASE run.cause WHEN 'test' THEN 'tests' ELSE run.status END
LEFT JOIN json_to_recordset(%(site)s::json) AS usual(state text, days int)
    ON usual.state = CASE run.cause WHEN 'test' THEN 'tests' ELSE run.status END
WHERE run.id = ANY(%(seen)s) AND run.status IN ('succeeded', 'failed', 'cancelled') AND run.kept_at IS NULL
    AND coalesce(own.days, usual.days) > 0
    AND coalesce(run.finished_at, run.created_at)
        < automate_now() - coalesce(own.days, usual.days) * interval '1 day'
    AND NOT EXISTS (SELECT FROM automate_core_executionrun caller
        WHERE caller.id = run.parent_id AND caller.status || '' IN {_LIVE})
    AND NOT EXISTS (SELECT FROM automate_core_executionrun called
        WHERE called.parent_id = run.id AND called.status || '' IN {_LIVE})
    AND NOT EXISTS (SELECT FROM automate_core_executionrun again
        WHERE again.retried_from_id = run.id AND again.status || '' IN {_LIVE})
    AND NOT EXISTS (SELECT FROM automate_core_outboxjob job
        WHERE job.run_id = run.id AND job.kind = 'advance' AND job.status IN ('ready', 'leased'))
"""  # noqa: S608 - one of our own texts inside another

LOCK_RUNS = " FOR UPDATE OF run SKIP LOCKED"

#: (kind, statement), in the order in which they are done: all that is recorded of `runs`, and then the runs.
#: A dead job whose run was run again was replayed: it goes with either.
DELETE_RUNS = (
    (
        "waits",
        """
WITH deleted_runs_waits AS (
    SELECT id FROM automate_core_wait WHERE run_id = ANY(%(runs)s)
), deleted_assignees AS (
    DELETE FROM automate_core_waitassignee WHERE wait_id IN (SELECT id FROM deleted_runs_waits)
), deleted_notifications AS (
    DELETE FROM automate_core_notification WHERE wait_id IN (SELECT id FROM deleted_runs_waits)
)
DELETE FROM automate_core_wait WHERE id IN (SELECT id FROM deleted_runs_waits)""",
    ),
    ("logs", "DELETE FROM automate_core_runlog WHERE run_id = ANY(%(runs)s)"),
    ("foreseen", "DELETE FROM automate_core_foreseeneffect WHERE run_id = ANY(%(runs)s)"),
    ("replies", "DELETE FROM automate_core_runreply WHERE run_id = ANY(%(runs)s)"),
    ("terms", "DELETE FROM automate_core_searchterm WHERE run_id = ANY(%(runs)s)"),
    ("statistics", "DELETE FROM automate_core_failedrun WHERE run_id = ANY(%(runs)s)"),
    ("statistics", "DELETE FROM automate_core_endedrun WHERE run_id = ANY(%(runs)s)"),
    ("traces", "DELETE FROM automate_core_traceexport WHERE run_id = ANY(%(runs)s)"),
    ("steps", "DELETE FROM automate_core_steprun WHERE run_id = ANY(%(runs)s)"),
    ("jobs", "DELETE FROM automate_core_outboxjob WHERE status = 'dead' AND run_id = ANY(%(replayed)s)"),
    ("drafts", "DELETE FROM automate_core_workflowversion WHERE id = ANY(%(snapshots)s) AND test IS NOT NULL"),
    ("runs", "DELETE FROM automate_core_executionrun WHERE id = ANY(%(runs)s)"),
)

_CALLER = f"""
event.source LIKE 'call:%%' AND EXISTS (SELECT FROM automate_core_executionrun caller
    WHERE caller.id = (event.headers ->> 'automate-run')::uuid AND caller.status || '' IN {_LIVE})
"""

# Of `seen`: the events that no run but `runs` belongs to, no job is owed for, that no workflow waits
# for, and that no run waits for the end of.
_EVENTS_FREE = f"""
FROM automate_core_event event
WHERE event.id = ANY(%(seen)s)
    AND NOT EXISTS (SELECT FROM automate_core_executionrun run WHERE run.event_id = event.id
        AND run.cause = 'trigger' AND run.id <> ALL(%(runs)s))
    AND NOT EXISTS (SELECT FROM automate_core_executionrun run WHERE run.event_id = event.id
        AND run.cause <> 'trigger' AND run.id <> ALL(%(runs)s))
    AND NOT EXISTS (SELECT FROM automate_core_outboxjob job WHERE job.event_id = event.id AND (
        job.status || '' IN ('ready', 'leased') OR job.status || '' = 'dead' AND NOT (
            %(failed)s > 0 AND event.received_at < automate_now() - %(failed)s * interval '1 day')))
    AND NOT EXISTS (SELECT FROM automate_core_heldevent held WHERE held.event_id = event.id)
    AND NOT ({_CALLER})
"""  # noqa: S608 - one of our own texts inside another

NEXT_EVENTS = """
SELECT id FROM automate_core_event WHERE id > %(after)s AND id < %(before)s ORDER BY id LIMIT %(limit)s
"""

# A delivery key is remembered for its days: an event that is younger is emptied, and deleted after them.
_FORGETTABLE = """
(event.delivery_key IS NULL OR %(keys)s > 0 AND event.received_at < automate_now() - %(keys)s * interval '1 day')
"""

#: Events whose last run was just deleted.
ORPHANED_EVENTS = f"SELECT event.id, {_FORGETTABLE} AS forgettable {_EVENTS_FREE}"

#: Events that started nothing, and those that were emptied and need not be remembered any more.
EVENTS_DUE = f"""
SELECT event.id, {_FORGETTABLE} AS forgettable {_EVENTS_FREE}
    AND CASE WHEN event.emptied_at IS NULL
        THEN %(unmatched)s > 0 AND event.received_at < automate_now() - %(unmatched)s * interval '1 day'
        ELSE {_FORGETTABLE} END
"""

LOCK_EVENTS = " FOR UPDATE OF event SKIP LOCKED"

DELETE_EVENTS = (
    ("jobs", "DELETE FROM automate_core_outboxjob WHERE event_id = ANY(%(all)s)"),
    ("events", "DELETE FROM automate_core_event WHERE id = ANY(%(forgettable)s)"),
    (
        "emptied",
        """
UPDATE automate_core_event SET payload = NULL, headers = '{}', subject = '', emptied_at = automate_now()
WHERE id = ANY(%(remembered)s)""",
    ),
)

#: The queue's table has no index for what is over: it is gone through by its pages, which are few.
JOBS_PAGES = "SELECT pg_relation_size('automate_core_outboxjob') / current_setting('block_size')::int AS pages"

# One that is done, but for the one that replayed a dead job, and for a call's: its caller waits for what becomes of it.
JOBS_DUE = f"""
SELECT job.id FROM automate_core_outboxjob job
WHERE job.ctid >= %(first)s::tid AND job.ctid < %(last)s::tid AND job.status || '' = 'completed'
    AND job.available_at < automate_now() - %(days)s * interval '1 day'
    AND NOT EXISTS (SELECT FROM automate_core_outboxjob dead
        WHERE dead.event_id = job.event_id AND dead.status || '' = 'dead')
    AND NOT EXISTS (SELECT FROM automate_core_event event WHERE event.id = job.event_id AND {_CALLER})
"""  # noqa: S608 - one of our own texts inside another

LOCK_JOBS = " FOR UPDATE OF job SKIP LOCKED"

DELETE_JOBS = "DELETE FROM automate_core_outboxjob WHERE id = ANY(%(jobs)s)"

# Beside its owner's, the data of re-runs, of callers and of called runs may refer to a file. The trace only narrows the
# look-up: of the runs of another sender's delivery in it, none is of the file's workflow.
_FILE_IN_USE = """
EXISTS (SELECT FROM automate_core_executionrun run WHERE run.id = stored.run_id)
    OR EXISTS (SELECT FROM automate_core_event event WHERE event.id = stored.event_id AND event.emptied_at IS NULL)
    OR EXISTS (SELECT FROM automate_core_executionrun run WHERE run.trace_id = stored.trace_id
        AND (run.workflow_id = stored.workflow_id OR run.parent_id IS NOT NULL OR run.event_id = stored.event_id))
"""

#: Those of `names` that a step's record names, or a file that passes between steps while data with it is there.
FILES_NAMED = f"""
SELECT listed AS name FROM unnest(%(names)s::text[]) AS listed_files (listed)
WHERE EXISTS (SELECT FROM automate_core_steprun step WHERE step.output_file = listed)
    OR EXISTS (SELECT FROM automate_core_steprun step WHERE step.input_file = listed)
    OR EXISTS (SELECT FROM automate_core_storedfile stored WHERE stored.file = listed AND ({_FILE_IN_USE}))
"""  # noqa: S608 - one of our own texts inside another

DELETE_STORED_FILES = "DELETE FROM automate_core_storedfile WHERE file = ANY(%(names)s)"

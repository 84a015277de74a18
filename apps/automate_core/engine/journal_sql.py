"""The statements of the journal. Writing is one statement for many checkpoints, with the parts that they need.

A checkpoint is gated, row by row, on its job (id, token, leased) and its run (not final). The results are `held`,
`lost` (the job is someone else's now: nothing of it was written) and `cancelled` (the run has ended meanwhile).
Where a status is compared as `status || ''`, its partial index is not meant to serve: it holds what was true of rows
since the last vacuum, which may be thousands for each one that still is, and the rows are known by their keys.
"""

from __future__ import annotations

import functools

from django.db import connection

from automate_core.models import WaitAssignee
from automate_core.outbox import lifecycle, notify

#: The parts in order, each with the rows that it is there for; one that has nothing to do would cost all the same.
_PARTS = (
    (
        "checkpoints",
        """checkpoints AS MATERIALIZED (
    SELECT * FROM json_to_recordset(%(checkpoints)s::json) AS c(
        job uuid, token int, run uuid, is_new boolean, workflow bigint, version bigint, event uuid, trace_id text,
        status text, output jsonb, error jsonb, wakes int, started_ago float8, disposition text, progress boolean,
        parent uuid, parent_path text, depth int, priority int, origin text, slug text, ends boolean)
)""",
    ),
    (
        "queued",
        """requested_runs AS MATERIALIZED (
    SELECT * FROM json_to_recordset(%(queued)s::json) AS q(
        job uuid, run uuid, workflow bigint, version bigint, event uuid, trace_id text, parent uuid, parent_path text,
        depth int, origin text, slot_key text, priority int, wait text, data jsonb)
)""",
    ),
    (
        "queued",
        """parent_runs AS MATERIALIZED (
    SELECT id FROM automate_core_executionrun
    WHERE id IN (SELECT parent FROM checkpoints WHERE is_new UNION ALL SELECT parent FROM requested_runs)
        AND status || '' IN ('queued', 'running', 'waiting')
    ORDER BY id FOR NO KEY UPDATE
)""",
    ),
    (
        "checkpoints",
        """locked_runs AS MATERIALIZED (
    SELECT run.id, run.status, run.seq, run.wakes FROM automate_core_executionrun run
    JOIN checkpoints ON checkpoints.run = run.id
    WHERE (SELECT count(*) FROM parent_runs) >= 0  -- parents are locked first
    ORDER BY run.id FOR NO KEY UPDATE OF run
)""",
    ),
    (
        "checkpoints",
        """held_checkpoints AS MATERIALIZED (
    SELECT checkpoints.*
    FROM (
        SELECT checkpoints.*, locked.id IS NULL AND checkpoints.is_new AS inserts_run, locked.status AS stored_status,
            coalesce(locked.seq, 0) + 1 AS seq, coalesce(locked.wakes, 0) AS wakes_now
        FROM checkpoints LEFT JOIN locked_runs locked ON locked.id = checkpoints.run
        OFFSET 0  -- joined first, by a hash: few jobs are expected below, and each would read all locked runs
    ) checkpoints
    JOIN automate_core_outboxjob job
        ON job.id = checkpoints.job AND job.token = checkpoints.token AND job.status || '' = 'leased'
    FOR NO KEY UPDATE OF job
)""",
    ),
    (
        "checkpoints",
        f"""new_runs AS (
    INSERT INTO automate_core_executionrun
        (id, workflow_id, version_id, event_id, cause, status, trace_id, output, error, created_at, started_at,
         finished_at, worker, seq, wakes, parent_id, parent_path, depth, priority, origin)
    SELECT run, workflow, version, event, 'trigger', status, trace_id, output, error,
        automate_now() - started_ago * interval '1 millisecond',
        CASE WHEN status <> 'queued' THEN automate_now() - started_ago * interval '1 millisecond' END,
        {lifecycle.finished_at("status")},
        CASE WHEN status <> 'queued' THEN %(worker)s ELSE '' END, seq, 0, parent, parent_path, depth,
        coalesce(priority, 0), coalesce(origin, '')
    FROM held_checkpoints WHERE inserts_run AND (parent IS NULL OR parent IN (SELECT id FROM parent_runs))
    ON CONFLICT (event_id, workflow_id) WHERE cause = 'trigger' DO NOTHING
    RETURNING id
)""",  # noqa: S608
    ),
    (
        "checkpoints",
        """judged_checkpoints AS MATERIALIZED (
    SELECT *, coalesce(
        run IN (SELECT id FROM new_runs) OR stored_status IN ('queued', 'running', 'waiting'), false) AS is_live
    FROM held_checkpoints
),
live_checkpoints AS MATERIALIZED (SELECT * FROM judged_checkpoints WHERE is_live)""",
    ),
    (
        "checkpoints",
        f"""updated_runs AS (
    UPDATE automate_core_executionrun run
    SET status = live.status, output = live.output, error = live.error, seq = live.seq, worker = %(worker)s,
        started_at = coalesce(run.started_at, automate_now() - live.started_ago * interval '1 millisecond'),
        finished_at = {lifecycle.finished_at("live.status")}
    FROM live_checkpoints live WHERE run.id = live.run AND NOT live.inserts_run
)""",  # noqa: S608
    ),
    (
        "steps",
        """attempts AS MATERIALIZED (
    SELECT s.*, automate_now() - s.started_ago * interval '1 millisecond' AS started_at,
        automate_now() - s.finished_ago * interval '1 millisecond' AS finished_at
    FROM json_to_recordset(%(steps)s::json) AS s(
        run uuid, id uuid, path text, attempt int, status text, input jsonb, output jsonb, error jsonb, key text,
        started_ago float8, finished_ago float8, input_file text, output_file text)
)""",
    ),
    (
        "checkpoints",
        """upserted_steps AS (
    INSERT INTO automate_core_steprun AS step
        (id, run_id, path, attempt, status, input, output, error, idempotency_key, started_at, finished_at, seq,
         input_file, output_file)
    SELECT s.id, live.run, s.path, s.attempt, s.status, s.input, s.output, s.error, s.key, s.started_at, s.finished_at,
        live.seq, s.input_file, s.output_file
    FROM attempts s JOIN live_checkpoints live ON live.run = s.run
    ON CONFLICT (run_id, path, attempt) DO UPDATE
    SET status = excluded.status, output = excluded.output, error = excluded.error,
        finished_at = excluded.finished_at, seq = excluded.seq, output_file = excluded.output_file
    WHERE step.status IN ('running', 'waiting')
)""",
    ),
    (
        "outcomes",
        """outcomes AS MATERIALIZED (
    SELECT o.*, automate_now() - o.finished_ago * interval '1 millisecond' AS finished_at
    FROM json_to_recordset(%(outcomes)s::json) AS o(
        run uuid, path text, attempt int, status text, output jsonb, error jsonb, finished_ago float8, output_file text)
)""",
    ),
    (
        "outcomes",
        """updated_steps AS (  -- of a run that has ended meanwhile, what was still running
    UPDATE automate_core_steprun step
    SET status = o.status, output = o.output, error = o.error, finished_at = o.finished_at,
        output_file = o.output_file, seq = CASE WHEN held.is_live THEN held.seq ELSE step.seq END
    FROM outcomes o JOIN judged_checkpoints held ON held.run = o.run
    WHERE step.run_id = o.run AND step.path = o.path AND step.attempt = o.attempt
        AND (step.status = 'running' OR step.status = 'waiting' AND held.is_live)
        AND (held.is_live OR held.stored_status IN ('succeeded', 'failed', 'cancelled'))
)""",
    ),
    (
        "cancelled_waits",
        """cancelled_waits AS (
    UPDATE automate_core_wait wait SET status = 'cancelled', resolved_at = automate_now(), seq = live.seq
    FROM json_to_recordset(%(cancelled_waits)s::json) AS w(run uuid, path text)
    JOIN live_checkpoints live ON live.run = w.run
    WHERE wait.run_id = w.run AND wait.path = w.path AND wait.status = 'open'
)""",
    ),
    (
        "waits",
        """new_waits AS (
    INSERT INTO automate_core_wait (id, run_id, path, kind, status, due_at, remind_at, data, created_at, seq)
    SELECT w.id, live.run, w.path, w.kind, 'open',
        coalesce(w.due_at, automate_now() + w.due_in * interval '1 second'),
        automate_now() + w.remind_in * interval '1 second', w.data, automate_now(), live.seq
    FROM json_to_recordset(%(waits)s::json) AS w(
        run uuid, id uuid, path text, kind text, due_in float8, due_at timestamptz, remind_in float8, data jsonb)
    JOIN live_checkpoints live ON live.run = w.run
    ON CONFLICT DO NOTHING
    RETURNING id
)""",
    ),
    (
        "handed_out",
        """handed_out_steps AS (
    INSERT INTO automate_core_handedoutstep (id, run_id, path, attempt, pool, params, seconds, most_claims)
    SELECT h.id, h.run, h.path, h.attempt, h.pool, h.params, h.seconds, h.most_claims
    FROM json_to_recordset(%(handed_out)s::json) AS h(
        run uuid, id uuid, path text, attempt int, pool text, params json, seconds float8, most_claims int)
    JOIN new_waits ON new_waits.id = h.id
)""",
    ),
    (
        "assignees",
        """new_assignees AS (
    INSERT INTO automate_core_waitassignee (wait_id, user_id, group_id, excluded)
    SELECT a.wait, a."user"::{user}, a."group", a.excluded
    FROM json_to_recordset(%(assignees)s::json) AS a(wait uuid, "user" text, "group" int, excluded boolean)
    JOIN new_waits ON new_waits.id = a.wait
)""",
    ),
    (
        "logs",
        """new_logs AS (
    INSERT INTO automate_core_runlog (id, run_id, path, attempt, level, message, at, seq)
    SELECT l.id, live.run, l.path, l.attempt, l.level, l.message,
        automate_now() - l.ago * interval '1 millisecond', live.seq
    FROM json_to_recordset(%(logs)s::json) AS l(
        run uuid, id uuid, path text, attempt int, level text, message text, ago float8)
    JOIN live_checkpoints live ON live.run = l.run
    ON CONFLICT (id) DO NOTHING
)""",
    ),
    (
        "queued",
        """queued_runs AS (
    INSERT INTO automate_core_executionrun
        (id, workflow_id, version_id, event_id, cause, status, trace_id, created_at, worker, seq, wakes, parent_id,
         parent_path, depth, slot_key, admitted, priority, origin)
    SELECT q.run, q.workflow, q.version, q.event, 'trigger', CASE WHEN q.wait IS NULL THEN 'queued' ELSE 'waiting' END,
        q.trace_id, automate_now(), '', 1, 0, q.parent, q.parent_path, q.depth, q.slot_key, q.slot_key IS NULL,
        q.priority, q.origin
    FROM requested_runs q JOIN held_checkpoints held ON held.job = q.job
    WHERE q.parent IS NULL OR q.parent IN (SELECT id FROM parent_runs)
    ON CONFLICT (event_id, workflow_id) WHERE cause = 'trigger' DO NOTHING
    RETURNING id, workflow_id, event_id, priority, status
)""",
    ),
    (
        "queued",
        """initial_waits AS (
    INSERT INTO automate_core_wait (id, run_id, path, kind, status, data, created_at, seq)
    SELECT automate_uuid7(), queued_runs.id, '', q.wait, 'open', q.data, automate_now(), 1
    FROM requested_runs q JOIN queued_runs ON queued_runs.id = q.run
    WHERE q.wait IS NOT NULL
)""",
    ),
    (
        "queued",
        f"""woken_runs AS (SELECT id, event_id, workflow_id, priority FROM queued_runs WHERE status = 'queued'),
new_jobs AS ({lifecycle.ADVANCE_JOBS})""",  # noqa: S608
    ),
    (
        "search_terms",
        """new_search_terms AS (
    INSERT INTO automate_core_searchterm (run_id, name, value)
    SELECT t.run, t.name, t.value
    FROM json_to_recordset(%(search_terms)s::json) AS t(run uuid, name text, value text)
    JOIN (SELECT id FROM new_runs UNION ALL SELECT id FROM queued_runs) stored ON stored.id = t.run
    ON CONFLICT (run_id, name) DO NOTHING
)""",
    ),
    (
        "ends",
        f"""ended_runs AS (SELECT run AS id, slug, status, error, trace_id, depth FROM live_checkpoints WHERE ends),
{lifecycle.END_EVENTS}""",  # noqa: S608
    ),
    (
        "effects",
        """dry_effects AS (
    INSERT INTO automate_core_foreseeneffect (run_id, path, attempt, effects)
    SELECT live.run, e.path, e.attempt, e.effects
    FROM json_to_recordset(%(effects)s::json) AS e(run uuid, path text, attempt int, effects jsonb)
    JOIN live_checkpoints live ON live.run = e.run
    ON CONFLICT (run_id, path, attempt) DO NOTHING
)""",
    ),
    (
        "replies",
        f"""new_replies AS (
    INSERT INTO automate_core_runreply (event_id, run_id, path, attempt, created_at)
    SELECT live.event, live.run, r.path, r.attempt, automate_now()
    FROM json_to_recordset(%(replies)s::json) AS r(run uuid, path text, attempt int)
    JOIN live_checkpoints live ON live.run = r.run
    WHERE live.event IS NOT NULL
    ON CONFLICT (event_id) DO NOTHING
    RETURNING pg_notify('{notify.REPLY_CHANNEL}', event_id::text)
)""",  # noqa: S608
    ),
    (
        "calls",
        """call_events AS (
    INSERT INTO automate_core_event (id, source, type, delivery_key, payload, headers, trace_id, received_at, subject)
    SELECT c.id, c.source, '', c.key, c.payload, c.headers, live.trace_id, automate_now(), c.subject
    FROM json_to_recordset(%(calls)s::json) AS c(
        run uuid, id uuid, source text, key text, payload jsonb, headers jsonb, subject text)
    JOIN live_checkpoints live ON live.run = c.run
    ON CONFLICT (source, delivery_key, endpoint_id) WHERE delivery_key IS NOT NULL DO NOTHING
    RETURNING id, source, type
)""",
    ),
    (
        "checkpoints",
        f"new_events AS (TABLE end_events UNION ALL TABLE call_events), dispatch_jobs AS ({lifecycle.DISPATCH_JOBS})",
    ),
    (
        "checkpoints",
        """settled_jobs AS (
    UPDATE automate_core_outboxjob job
    SET kind = CASE WHEN held.run IS NULL THEN job.kind ELSE 'advance' END,
        run_id = held.run,
        status = CASE
            WHEN held.disposition = 'hold' THEN 'leased'
            WHEN held.is_live AND held.disposition = 'park' AND held.wakes_now > held.wakes THEN 'ready'
            ELSE 'completed' END,
        attempts = CASE WHEN held.progress THEN 0 ELSE job.attempts END,
        suspect = job.suspect AND NOT held.progress,
        lease_until = CASE WHEN held.disposition = 'hold' THEN job.lease_until END
    FROM judged_checkpoints held
    WHERE job.id = held.job AND NOT (
        held.disposition = 'hold' AND job.run_id IS NOT DISTINCT FROM held.run AND job.kind = 'advance'
        AND (job.attempts = 0 AND NOT job.suspect OR NOT held.progress))  -- nothing would change
)""",
    ),
)

# Empty rows for what other parts read, where the part itself is left out.
_INSTEAD = {
    "queued": """parent_runs AS (SELECT NULL::uuid AS id WHERE false),
queued_runs AS (SELECT NULL::uuid AS id WHERE false)""",
    "ends": "end_events AS (SELECT NULL::uuid AS id, NULL::text AS source, NULL::text AS type WHERE false)",
    "calls": "call_events AS (SELECT NULL::uuid AS id, NULL::text AS source, NULL::text AS type WHERE false)",
}

# One row for all, and one for each job that is not held: almost none.
_RESULTS = """
SELECT NULL::uuid AS job, NULL::text AS result,
    EXISTS (SELECT FROM end_events UNION ALL SELECT FROM call_events) AS emitted
UNION ALL
SELECT checkpoints.job, CASE WHEN held.job IS NULL THEN 'lost' ELSE 'cancelled' END, false
FROM checkpoints
LEFT JOIN judged_checkpoints held ON held.job = checkpoints.job
WHERE held.job IS NULL OR held.run IS NOT NULL AND NOT held.is_live
"""


@functools.cache
def write(rows: frozenset[str]) -> str:
    """The statement for checkpoints that have rows of those names, beside `checkpoints` and `steps`.

    `queued` also stands for new runs that have a parent.
    """
    user = WaitAssignee._meta.get_field("user").db_type(connection)
    instead = [text for name, text in _INSTEAD.items() if name not in rows]
    parts = [text.replace("{user}", str(user)) for name, text in _PARTS if name in {"checkpoints", "steps", *rows}]
    return "WITH " + ", ".join([*instead, *parts]) + _RESULTS


READ = """
SELECT run.id, run.workflow_id, run.version_id, run.event_id, run.status, run.wakes, run.trace_id, run.parent_id,
    run.depth, run.slot_key, run.vars::text AS vars, run.cause, run.inherited_keys::text AS inherited_keys,
    (SELECT json_agg(latest)::text FROM (
        SELECT DISTINCT ON (path) path, attempt, status, output, error, input_file, output_file, idempotency_key AS key,
            CASE WHEN status IN ('running', 'waiting') THEN input END AS input,
            count(*) FILTER (WHERE status = 'failed') OVER (PARTITION BY path) AS failures
        FROM automate_core_steprun WHERE run_id = run.id ORDER BY path, attempt DESC) latest) AS steps
FROM automate_core_executionrun run WHERE run.id = ANY(%(runs)s)
"""

# The latest wait of each path; of a callback the answer, if one came before the run did.
WAITS = """
SELECT run.id, run.status, run.wakes, waits.path, waits.kind, waits.status AS state, waits.outcome::text AS outcome
FROM automate_core_executionrun run
LEFT JOIN LATERAL (
    SELECT DISTINCT ON (path) path, kind, status, outcome FROM automate_core_wait WHERE run_id = run.id
    ORDER BY path, (kind = 'callback' AND status = 'resolved') DESC, id DESC
) waits ON true
WHERE run.id = ANY(%(runs)s)
"""

PUBLISHED = """
SELECT DISTINCT version_id AS id FROM automate_core_activetrigger ORDER BY version_id DESC LIMIT %(most)s
"""

DEFINITION = """
SELECT definition::text, test::text FROM automate_core_workflowversion WHERE id = %(version)s
"""

"""The statements of the journal. Writing is one statement for many checkpoints, with the parts that they need.

A checkpoint is gated, row by row, on its job (id, token, leased) and its run (not final). The answers are `held`,
`lost` (the job is someone else's now: nothing of it was written) and `cancelled` (the run has ended meanwhile).
Where a status is compared as `status || ''`, its partial index is not meant to serve: it holds what was true of rows
since the last vacuum, which may be thousands for each one that still is, and the rows are known by their keys.
"""

from __future__ import annotations

import functools

from django.db import connection

from automate_core.models import WaitAssignee
from automate_core.outbox import lifecycle

#: The parts in order, each with the rows that it is there for; one that has nothing to do would cost all the same.
_PARTS = (
    (
        "checkpoints",
        """asked AS MATERIALIZED (
    SELECT * FROM json_to_recordset(%(checkpoints)s::json) AS c(
        job uuid, token int, run uuid, is_new boolean, workflow bigint, version bigint, event uuid, trace_id text,
        status text, output jsonb, error jsonb, wakes int, started_ago float8, outcome text, progress boolean,
        parent uuid, parent_path text, depth int, priority int, origin text, slug text, ends boolean)
)""",
    ),
    (
        "queued",
        """asked_queued AS MATERIALIZED (
    SELECT * FROM json_to_recordset(%(queued)s::json) AS q(
        job uuid, run uuid, workflow bigint, version bigint, event uuid, trace_id text, parent uuid, parent_path text,
        depth int, origin text, slot_key text, priority int, wait text, data jsonb)
)""",
    ),
    (
        "queued",
        """callers AS MATERIALIZED (
    SELECT id FROM automate_core_executionrun
    WHERE id IN (SELECT parent FROM asked WHERE is_new UNION ALL SELECT parent FROM asked_queued)
        AND status || '' IN ('queued', 'running', 'waiting')
    ORDER BY id FOR NO KEY UPDATE
)""",
    ),
    (
        "checkpoints",
        """known AS MATERIALIZED (
    SELECT run.id, run.status, run.seq, run.wakes FROM automate_core_executionrun run
    JOIN asked ON asked.run = run.id
    WHERE (SELECT count(*) FROM callers) >= 0  -- callers are locked first
    ORDER BY run.id FOR NO KEY UPDATE OF run
)""",
    ),
    (
        "checkpoints",
        """gate AS MATERIALIZED (
    SELECT asked.*, known.id IS NULL AND asked.is_new AS is_made, known.status AS was,
        coalesce(known.seq, 0) + 1 AS seq, coalesce(known.wakes, 0) AS wakes_now
    FROM asked
    JOIN automate_core_outboxjob job
        ON job.id = asked.job AND job.token = asked.token AND job.status || '' = 'leased'
    LEFT JOIN known ON known.id = asked.run
    FOR NO KEY UPDATE OF job
)""",
    ),
    (
        "checkpoints",
        """made AS (
    INSERT INTO automate_core_executionrun
        (id, workflow_id, version_id, event_id, cause, status, trace_id, output, error, created_at, started_at,
         finished_at, worker, seq, wakes, parent_id, parent_path, depth, priority, origin)
    SELECT run, workflow, version, event, 'trigger', status, trace_id, output, error,
        automate_now() - started_ago * interval '1 millisecond',
        CASE WHEN status <> 'queued' THEN automate_now() - started_ago * interval '1 millisecond' END,
        CASE WHEN status IN ('succeeded', 'failed') THEN automate_now() END,
        CASE WHEN status <> 'queued' THEN %(worker)s ELSE '' END, seq, 0, parent, parent_path, depth,
        coalesce(priority, 0), coalesce(origin, '')
    FROM gate WHERE is_made AND (parent IS NULL OR parent IN (SELECT id FROM callers))
    ON CONFLICT (event_id, workflow_id) WHERE cause = 'trigger' DO NOTHING
    RETURNING id
)""",
    ),
    (
        "checkpoints",
        """live AS MATERIALIZED (
    SELECT * FROM gate WHERE run IN (SELECT id FROM made) OR was IN ('queued', 'running', 'waiting')
)""",
    ),
    (
        "checkpoints",
        """moved AS (
    UPDATE automate_core_executionrun run
    SET status = live.status, output = live.output, error = live.error, seq = live.seq, worker = %(worker)s,
        started_at = coalesce(run.started_at, automate_now() - live.started_ago * interval '1 millisecond'),
        finished_at = CASE WHEN live.status IN ('succeeded', 'failed') THEN automate_now() END
    FROM live WHERE run.id = live.run AND NOT live.is_made
)""",
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
        """stepped AS (
    INSERT INTO automate_core_steprun AS step
        (id, run_id, path, attempt, status, input, output, error, idempotency_key, started_at, finished_at, seq,
         input_file, output_file)
    SELECT s.id, live.run, s.path, s.attempt, s.status, s.input, s.output, s.error, s.key, s.started_at, s.finished_at,
        live.seq, s.input_file, s.output_file
    FROM attempts s JOIN live ON live.run = s.run
    ON CONFLICT (run_id, path, attempt) DO UPDATE
    SET status = excluded.status, output = excluded.output, error = excluded.error,
        finished_at = excluded.finished_at, seq = excluded.seq, output_file = excluded.output_file
    WHERE step.status IN ('running', 'waiting')
)""",
    ),
    (
        "checkpoints",
        """concluded AS (
    UPDATE automate_core_steprun step
    SET status = s.status, output = s.output, error = s.error, finished_at = s.finished_at, output_file = s.output_file
    FROM attempts s JOIN gate ON gate.run = s.run AND gate.was IN ('succeeded', 'failed', 'cancelled')
    WHERE step.run_id = s.run AND step.path = s.path AND step.attempt = s.attempt AND step.status = 'running'
)""",
    ),
    (
        "cancelled_waits",
        """cancelled_waits AS (
    UPDATE automate_core_wait wait SET status = 'cancelled', resolved_at = automate_now(), seq = live.seq
    FROM json_to_recordset(%(cancelled_waits)s::json) AS w(run uuid, path text) JOIN live ON live.run = w.run
    WHERE wait.run_id = w.run AND wait.path = w.path AND wait.status = 'open'
)""",
    ),
    (
        "waits",
        """parked AS (
    INSERT INTO automate_core_wait (id, run_id, path, kind, status, due_at, remind_at, data, created_at, seq)
    SELECT w.id, live.run, w.path, w.kind, 'open',
        coalesce(w.due_at, automate_now() + w.due_in * interval '1 second'),
        automate_now() + w.remind_in * interval '1 second', w.data, automate_now(), live.seq
    FROM json_to_recordset(%(waits)s::json) AS w(
        run uuid, id uuid, path text, kind text, due_in float8, due_at timestamptz, remind_in float8, data jsonb)
    JOIN live ON live.run = w.run
    ON CONFLICT DO NOTHING
    RETURNING id
)""",
    ),
    (
        "assignees",
        """assigned AS (
    INSERT INTO automate_core_waitassignee (wait_id, user_id, group_id, excluded)
    SELECT a.wait, a."user"::{user}, a."group", a.excluded
    FROM json_to_recordset(%(assignees)s::json) AS a(wait uuid, "user" text, "group" int, excluded boolean)
    JOIN parked ON parked.id = a.wait
)""",
    ),
    (
        "logs",
        """logged AS (
    INSERT INTO automate_core_runlog (id, run_id, path, attempt, level, message, at, seq)
    SELECT l.id, live.run, l.path, l.attempt, l.level, l.message,
        automate_now() - l.ago * interval '1 millisecond', live.seq
    FROM json_to_recordset(%(logs)s::json) AS l(
        run uuid, id uuid, path text, attempt int, level text, message text, ago float8)
    JOIN live ON live.run = l.run
    ON CONFLICT (id) DO NOTHING
)""",
    ),
    (
        "queued",
        """queued AS (
    INSERT INTO automate_core_executionrun
        (id, workflow_id, version_id, event_id, cause, status, trace_id, created_at, worker, seq, wakes, parent_id,
         parent_path, depth, slot_key, admitted, priority, origin)
    SELECT q.run, q.workflow, q.version, q.event, 'trigger', CASE WHEN q.wait IS NULL THEN 'queued' ELSE 'waiting' END,
        q.trace_id, automate_now(), '', 1, 0, q.parent, q.parent_path, q.depth, q.slot_key, q.slot_key IS NULL,
        q.priority, q.origin
    FROM asked_queued q JOIN gate ON gate.job = q.job
    WHERE q.parent IS NULL OR q.parent IN (SELECT id FROM callers)
    ON CONFLICT (event_id, workflow_id) WHERE cause = 'trigger' DO NOTHING
    RETURNING id, workflow_id, event_id, priority, status
)""",
    ),
    (
        "queued",
        """kept AS (
    INSERT INTO automate_core_wait (id, run_id, path, kind, status, data, created_at, seq)
    SELECT automate_uuid7(), queued.id, '', q.wait, 'open', q.data, automate_now(), 1
    FROM asked_queued q JOIN queued ON queued.id = q.run
    WHERE q.wait IS NOT NULL
)""",
    ),
    (
        "queued",
        """owed AS (
    INSERT INTO automate_core_outboxjob
        (id, kind, status, event_id, run_id, priority, lane, available_at, attempts, crashes, suspect, worker, token,
         last_error)
    SELECT automate_uuid7(), 'advance', 'ready', event_id, id, -priority, workflow_id %% 1024, automate_now(), 0, 0,
        false, '', 0, ''
    FROM queued WHERE status = 'queued'
)""",
    ),
    (
        "terms",
        """termed AS (
    INSERT INTO automate_core_searchterm (run_id, name, value)
    SELECT t.run, t.name, t.value
    FROM json_to_recordset(%(terms)s::json) AS t(run uuid, name text, value text)
    JOIN (SELECT id FROM made UNION ALL SELECT id FROM queued) anew ON anew.id = t.run
    ON CONFLICT (run_id, name) DO NOTHING
)""",
    ),
    (
        "ends",
        "ended AS (SELECT run AS id, slug, status, error, trace_id, depth FROM live WHERE ends), " + lifecycle.TOLD,  # noqa: S608
    ),
    (
        "effects",
        """foreseen AS (
    INSERT INTO automate_core_foreseeneffect (run_id, path, attempt, effects)
    SELECT live.run, e.path, e.attempt, e.effects
    FROM json_to_recordset(%(effects)s::json) AS e(run uuid, path text, attempt int, effects jsonb)
    JOIN live ON live.run = e.run
    ON CONFLICT (run_id, path, attempt) DO NOTHING
)""",
    ),
    (
        "calls",
        """called AS (
    INSERT INTO automate_core_event (id, source, type, delivery_key, payload, headers, trace_id, received_at, subject)
    SELECT c.id, c.source, '', c.key, c.payload, c.headers, live.trace_id, automate_now(), c.subject
    FROM json_to_recordset(%(calls)s::json) AS c(
        run uuid, id uuid, source text, key text, payload jsonb, headers jsonb, subject text)
    JOIN live ON live.run = c.run
    ON CONFLICT (source, delivery_key, endpoint_id) WHERE delivery_key IS NOT NULL DO NOTHING
    RETURNING id, source, type
)""",
    ),
    (
        "checkpoints",
        f"handed_in AS (TABLE said UNION ALL TABLE called), told AS ({lifecycle.DISPATCH})",
    ),
    (
        "checkpoints",
        """settled AS (
    UPDATE automate_core_outboxjob job
    SET kind = CASE WHEN gate.run IS NULL THEN job.kind ELSE 'advance' END,
        run_id = gate.run,
        status = CASE
            WHEN gate.outcome = 'hold' THEN 'leased'
            WHEN live.job IS NOT NULL AND live.outcome = 'park' AND live.wakes_now > live.wakes THEN 'ready'
            ELSE 'completed' END,
        attempts = CASE WHEN gate.progress THEN 0 ELSE job.attempts END,
        suspect = job.suspect AND NOT gate.progress,
        lease_until = CASE WHEN gate.outcome = 'hold' THEN job.lease_until END
    FROM gate LEFT JOIN live ON live.job = gate.job
    WHERE job.id = gate.job AND NOT (
        gate.outcome = 'hold' AND job.run_id IS NOT DISTINCT FROM gate.run AND job.kind = 'advance'
        AND (job.attempts = 0 AND NOT job.suspect OR NOT gate.progress))  -- nothing would change
)""",
    ),
)

# What others refer to, where the part is not there.
_INSTEAD = {
    "queued": "callers AS (SELECT NULL::uuid AS id WHERE false), queued AS (SELECT NULL::uuid AS id WHERE false)",
    "ends": "said AS (SELECT NULL::uuid AS id, NULL::text AS source, NULL::text AS type WHERE false)",
    "calls": "called AS (SELECT NULL::uuid AS id, NULL::text AS source, NULL::text AS type WHERE false)",
}

_VERDICTS = """
SELECT asked.job, EXISTS (SELECT FROM said UNION ALL SELECT FROM called) AS told, CASE
    WHEN gate.job IS NULL THEN 'lost'
    WHEN gate.run IS NULL OR live.job IS NOT NULL THEN 'held'
    ELSE 'cancelled' END AS verdict
FROM asked LEFT JOIN gate ON gate.job = asked.job LEFT JOIN live ON live.job = asked.job
"""


@functools.cache
def write(rows: frozenset[str]) -> str:
    """The statement for checkpoints that have rows of those names, beside `checkpoints` and `steps`.

    `queued` also stands for new runs that have a caller.
    """
    user = WaitAssignee._meta.get_field("user").db_type(connection)
    instead = [text for name, text in _INSTEAD.items() if name not in rows]
    parts = [text.replace("{user}", str(user)) for name, text in _PARTS if name in {"checkpoints", "steps", *rows}]
    return "WITH " + ", ".join([*instead, *parts]) + _VERDICTS


READ = """
SELECT run.id, run.workflow_id, run.version_id, run.event_id, run.status, run.wakes, run.trace_id, run.parent_id,
    run.depth, run.slot_key, run.vars::text AS vars, run.cause,
    (SELECT json_agg(latest)::text FROM (
        SELECT DISTINCT ON (path) path, attempt, status, output, error, input_file, output_file,
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
SELECT definition::text, test::text AS terms FROM automate_core_workflowversion WHERE id = %(version)s
"""

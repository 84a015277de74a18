"""Ids made by SQL are in the order of time as all others are, and what was made otherwise is put right.

Events that told of the end of a run whose job had died, dead jobs, and the waits of runs that were to start later had
random ids: such an event was the newest for ever and was never let go, and a dead job was replayed twice. Jobs of calls
and of ended runs had no priority and a lane of their own. Each batch is a transaction; workers may go on beside it.
"""

import itertools

from django.db import migrations, transaction

# The id of RFC 9562, section 5.7, with the fraction of the millisecond behind it, as `automate_core.ids.uuid7` has it.
UUID7 = """
CREATE FUNCTION automate_uuid7(at timestamptz DEFAULT clock_timestamp()) RETURNS uuid
LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
    SELECT encode(
        int8send(((made.us / 1000) << 16) | 28672 | ((made.us % 1000) * 4096 / 1000))
            || substring(uuid_send(gen_random_uuid()) FROM 9), 'hex')::uuid
    FROM (SELECT (extract(epoch FROM at) * 1000000)::bigint AS us) made
$$
"""

BATCH = 500

EVENTS = "SELECT id FROM automate_core_event WHERE substr(id::text, 15, 1) = '4'"
# A worker that matches such an event at this moment would start runs of what is not there any more: its token is spent.
REPAIR_EVENTS = (
    """SELECT id FROM automate_core_executionrun
        WHERE cause = 'trigger' AND event_id = ANY(%(ids)s) OR cause <> 'trigger' AND event_id = ANY(%(ids)s)
        ORDER BY id FOR NO KEY UPDATE""",
    "SELECT id FROM automate_core_outboxjob WHERE event_id = ANY(%(ids)s) ORDER BY id FOR NO KEY UPDATE",
    """WITH anew AS MATERIALIZED (
        SELECT id AS was, automate_uuid7(received_at) AS id FROM automate_core_event WHERE id = ANY(%(ids)s)
    ), runs AS (
        UPDATE automate_core_executionrun run SET event_id = anew.id FROM anew
        WHERE run.cause = 'trigger' AND run.event_id = anew.was
    ), others AS (
        UPDATE automate_core_executionrun run SET event_id = anew.id FROM anew
        WHERE run.cause <> 'trigger' AND run.event_id = anew.was
    ), matching AS (
        UPDATE automate_core_outboxjob job SET event_id = anew.id,
            status = CASE WHEN job.kind = 'dispatch' AND job.status = 'leased' THEN 'ready' ELSE job.status END,
            token = job.token + CASE WHEN job.kind = 'dispatch' AND job.status = 'leased' THEN 1 ELSE 0 END,
            lease_until = CASE WHEN job.kind = 'dispatch' THEN NULL ELSE job.lease_until END
        FROM anew WHERE job.event_id = anew.was
    ), replays AS (
        UPDATE automate_core_event again SET replay_of = anew.id FROM anew
        WHERE again.replay_of = anew.was AND again.id <> ALL(%(ids)s)
    )
    UPDATE automate_core_event event SET id = anew.id,
        replay_of = coalesce((SELECT other.id FROM anew other WHERE other.was = event.replay_of), event.replay_of)
    FROM anew WHERE event.id = anew.was""",
)

DEAD_JOBS = "SELECT id FROM automate_core_outboxjob WHERE status = 'dead' AND substr(id::text, 15, 1) = '4'"
REPAIR_DEAD_JOBS = (
    """UPDATE automate_core_outboxjob job SET id = automate_uuid7(least(job.available_at,
        CASE job.kind WHEN 'dispatch' THEN (SELECT received_at FROM automate_core_event WHERE id = job.event_id)
            ELSE (SELECT created_at FROM automate_core_executionrun WHERE id = job.run_id) END))
    WHERE job.id = ANY(%(ids)s) AND job.status = 'dead'""",
)

WAITS = """
SELECT id FROM automate_core_wait wait WHERE kind IN ('slot', 'paused') AND substr(id::text, 15, 1) = '4'
    AND EXISTS (SELECT FROM automate_core_executionrun run
        WHERE run.id = wait.run_id AND run.status IN ('queued', 'running', 'waiting'))
"""
REPAIR_WAITS = ("UPDATE automate_core_wait SET id = automate_uuid7(created_at) WHERE id = ANY(%(ids)s)",)

JOBS = """
SELECT job.id FROM automate_core_outboxjob job JOIN automate_core_event event ON event.id = job.event_id
WHERE job.kind = 'dispatch' AND job.status = 'ready' AND (event.source LIKE 'call:%%' OR event.source LIKE 'run:%%')
"""
REPAIR_JOBS = (
    """UPDATE automate_core_outboxjob job
    SET lane = abs(hashtext(event.source || ' ' || event.type) %% 1024),
        priority = -coalesce((SELECT max(priority) FROM automate_core_activetrigger t
            WHERE t.source = event.source AND t.event_type IN ('', event.type)), 0)
    FROM automate_core_event event
    WHERE event.id = job.event_id AND job.id = ANY(%(ids)s) AND job.status = 'ready'""",
)


def repair(apps, schema_editor):
    """Whatever is wrong, in batches. What is right is left alone: it may be run again."""
    connection = schema_editor.connection
    for found, statements in (
        (EVENTS, REPAIR_EVENTS), (DEAD_JOBS, REPAIR_DEAD_JOBS), (WAITS, REPAIR_WAITS), (JOBS, REPAIR_JOBS)
    ):  # fmt: skip
        with connection.cursor() as cursor:
            cursor.execute(found, {})
            ids = [row[0] for row in cursor.fetchall()]
        for batch in itertools.batched(ids, BATCH):
            with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement, {"ids": list(batch)})


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("automate_core", "0002_clock_and_storage")]

    operations = [
        migrations.RunSQL(UUID7, "DROP FUNCTION automate_uuid7(timestamptz)"),
        migrations.RunPython(repair, migrations.RunPython.noop, elidable=True),
    ]

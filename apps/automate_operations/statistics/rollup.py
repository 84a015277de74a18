"""Counting ended runs: by hour and by day, each once.

The end of a run writes an `EndedRun` in the same transaction. Here these rows are deleted and their runs added up in
one transaction: nothing is counted twice, and nothing is lost. One process does it at a time.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction

from automate_core import database
from automate_core.models import FailedRun, FailureCount, RunCount, RunTime
from automate_core.trace_context import trace_export
from automate_operations.queries.working_time import working_time
from automate_operations.statistics import failures
from automate_operations.statistics.buckets import BUCKET_OF

BATCH = 5_000
_ONE_AT_A_TIME = "hashtextextended('automate statistics', 0)"

#: SQL: whether there is anything to count.
DUE = "EXISTS (SELECT FROM automate_core_endedrun)"

_COLUMNS = "run.id, run.workflow_id, run.status, run.started_at, run.finished_at"
# With LIMIT 1 the rows are looked up by key, whatever the planner thinks of how many there are.
_NEXT_ENDED_RUNS = f"""
WITH counted_ids AS MATERIALIZED (
    DELETE FROM automate_core_endedrun WHERE run_id IN (
        SELECT run_id FROM automate_core_endedrun ORDER BY run_id LIMIT {BATCH})
    RETURNING run_id
), ended_runs AS MATERIALIZED (
    SELECT {_COLUMNS}, coalesce(event.received_at, run.created_at) AS since
    FROM counted_ids
    CROSS JOIN LATERAL (SELECT * FROM automate_core_executionrun WHERE id = counted_ids.run_id LIMIT 1) run
    LEFT JOIN LATERAL (
        SELECT received_at FROM automate_core_event WHERE run.cause = 'trigger' AND id = run.event_id LIMIT 1
    ) event ON true
)"""  # noqa: S608 - our own texts
_ALL_ENDED_RUNS = f"""
WITH ended_runs AS MATERIALIZED (
    SELECT {_COLUMNS}, coalesce(event.received_at, run.created_at) AS since
    FROM automate_core_executionrun run
    LEFT JOIN automate_core_event event ON run.cause = 'trigger' AND event.id = run.event_id
    WHERE run.cause <> 'test' AND run.finished_at >= %(since)s
)"""  # noqa: S608 - our own texts

# What ended before that day and nobody has counted yet is still to be counted.
_FORGET_UNCOUNTED = """
WITH forgotten_runs AS (
    DELETE FROM automate_core_endedrun ended USING automate_core_executionrun run
    WHERE run.id = ended.run_id AND run.finished_at >= %(since)s
    RETURNING ended.run_id
)
"""

# Gives the failures, and beside each how many runs were counted; where nothing failed, one row with that alone.
_ADD_UP = f"""
, hourly_counts AS MATERIALIZED (
    SELECT workflow_id, date_trunc('hour', finished_at, 'UTC') AS hour, status,
        CASE WHEN started_at IS NOT NULL AND status <> 'cancelled'
            THEN {BUCKET_OF.format(working_time("ended_runs"))} END AS took,
        CASE WHEN started_at IS NOT NULL THEN {BUCKET_OF.format("started_at - since")} END AS queued, count(*) AS runs
    FROM ended_runs GROUP BY 1, 2, 3, 4, 5
), updated_counts AS (
    INSERT INTO automate_core_runcount AS had (workflow_id, span, at, succeeded, failed, cancelled)
    SELECT workflow_id, span, date_trunc(span, hour, 'UTC'),
        coalesce(sum(runs) FILTER (WHERE status = 'succeeded'), 0),
        coalesce(sum(runs) FILTER (WHERE status = 'failed'), 0),
        coalesce(sum(runs) FILTER (WHERE status = 'cancelled'), 0)
    FROM hourly_counts CROSS JOIN (VALUES ('hour'), ('day')) AS spans(span)
    GROUP BY 1, 2, 3
    ON CONFLICT (span, at, workflow_id) DO UPDATE
    SET succeeded = had.succeeded + excluded.succeeded, failed = had.failed + excluded.failed,
        cancelled = had.cancelled + excluded.cancelled
), updated_times AS (
    INSERT INTO automate_core_runtime AS had (workflow_id, span, at, measure, bucket, count)
    SELECT workflow_id, span, date_trunc(span, hour, 'UTC'), measure, bucket, sum(runs)
    FROM hourly_counts CROSS JOIN (VALUES ('hour'), ('day')) AS spans(span)
    CROSS JOIN LATERAL (VALUES ('took', took), ('queued', queued)) AS measured(measure, bucket)
    WHERE bucket IS NOT NULL
    GROUP BY 1, 2, 3, 4, 5
    ON CONFLICT (span, measure, at, workflow_id, bucket) DO UPDATE SET count = had.count + excluded.count
)
SELECT totals.runs, failed.*
FROM (SELECT count(*) AS runs FROM ended_runs) totals
LEFT JOIN (
    SELECT ended.id, ended.workflow_id, ended.finished_at, run.error ->> 'code' AS code,
        left(run.error ->> 'message', 2000) AS message, coalesce(step.path, run.error ->> 'step', '') AS path
    FROM ended_runs ended
    CROSS JOIN LATERAL (SELECT error FROM automate_core_executionrun WHERE id = ended.id LIMIT 1) run
    LEFT JOIN LATERAL (
        SELECT path FROM automate_core_steprun
        WHERE run_id = ended.id AND right('/' || path, length(run.error ->> 'step') + 1) = '/' || (run.error ->> 'step')
        ORDER BY status = 'failed' DESC, length(path) DESC, path DESC LIMIT 1
    ) step ON true
    WHERE ended.status = 'failed'
) failed ON true
"""  # noqa: S608 - our own texts


def count_ended_runs() -> float | None:
    """Count a batch of ended runs. Gives 0 when there may be more."""
    with transaction.atomic(durable=True):
        [row] = database.run(None, f"SELECT pg_try_advisory_xact_lock({_ONE_AT_A_TIME}) AS ours", {})
        if not row.ours:
            return None  # somebody counts at this moment
        rows = database.run(None, _NEXT_ENDED_RUNS + _queued_traces() + _ADD_UP, {})
        failures.add_failures(rows)
    return 0.0 if rows[0].runs == BATCH else None


def _queued_traces() -> str:
    """The part of the statement that enqueues what it counts for the export of its traces; empty without an export."""
    queued = trace_export().enqueueing("ended_runs", "id")
    return f", queued_traces AS ({queued})" if queued else ""


def rebuild_statistics(since: dt.datetime) -> None:
    """Count all runs that ended since the beginning of that day (UTC) again, in place of their former counts.

    Counts of earlier days stay, also of deleted runs.
    """
    since = since.astimezone(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    with _counting_paused(), transaction.atomic(durable=True):
        # One snapshot: a run that ends meanwhile is counted later.
        database.run(None, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", {})
        queued = trace_export().enqueueing("forgotten_runs", "run_id") or "SELECT FROM forgotten_runs"
        database.run(None, _FORGET_UNCOUNTED + queued, {"since": since})
        RunTime.objects.filter(at__gte=since).delete()
        RunCount.objects.filter(at__gte=since).update(succeeded=0, failed=0, cancelled=0)
        FailedRun.objects.filter(run__finished_at__gte=since).delete()
        FailureCount.objects.filter(at__gte=since).delete()
        failures.add_failures(database.run(None, _ALL_ENDED_RUNS + _ADD_UP, {"since": since}))
        RunCount.objects.filter(at__gte=since, succeeded=0, failed=0, cancelled=0, waiting=0).delete()


@contextmanager
def _counting_paused() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT pg_advisory_lock({_ONE_AT_A_TIME})")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT pg_advisory_unlock({_ONE_AT_A_TIME})")

"""Figures beside a long history: claims beside a million completed jobs, and the run list over a million runs."""

from __future__ import annotations

import hashlib
import json
import statistics
import time
import urllib.request
from collections.abc import Iterator

import psycopg

from bench.measure import clear, figure, percentile, signed_in, wait_until_finished
from bench.stage import Stage

COMPLETED_JOBS = 1_000_000
CLAIM_RATE = 200
CLAIM_SECONDS = 30
RUNS = (10_000, 1_000_000)
REQUESTS = 40
PAGES = {  # the list as it opens; tabs; what searches find by; and what no run matches
    "": "",
    "_waiting": "?show=waiting",
    "_attention": "?show=attention",
    "_workflow": "?workflow=kept-7",
    "_workflow_waiting": "?workflow=kept-7&show=waiting",
    "_named": "?q=Kept+7",
    "_trace": "?q=" + hashlib.md5(b"7", usedforsecurity=False).hexdigest(),
    "_trace_beginning": "?q=" + hashlib.md5(b"7", usedforsecurity=False).hexdigest()[:12],
    "_id_end": "?q=00000007",
    "_nothing": "?q=there+is+none",
}

JOBS = """
INSERT INTO automate_core_outboxjob
    (id, kind, status, event_id, priority, lane, available_at, attempts, crashes, suspect, worker, token, last_error)
SELECT gen_random_uuid(), 'dispatch', 'completed', gen_random_uuid(), 0, n % 1024,
    now() - interval '30 days' * (1 - n / {count}::float8), 1, 0, false, 'seed', 1, ''
FROM generate_series(1, {count}) AS n
"""

# Copies of a workflow, of the run that it really made, which stays the newest, and of the three steps of that run. Ids
# are of version 7, in the order of their times, as they are in life.
KEPT_WORKFLOWS = """
INSERT INTO automate_core_workflow
SELECT copy.* FROM generate_series(1, 64) AS n, automate_core_workflow w
CROSS JOIN LATERAL jsonb_populate_record(
    w, jsonb_build_object('id', 2000000 + n, 'slug', 'kept-' || n, 'name', 'Kept ' || n)) AS copy
WHERE w.slug = 'three'
ON CONFLICT DO NOTHING
"""
_ID = "(lpad(to_hex(1700000000000 + n), 12, '0') || '7{part}8' || lpad(to_hex(n), 15, '0'))::uuid"
_RUN_ID = _ID.format(part="000")
_STEP_ID = _ID.format(part="' || lpad(to_hex(part), 3, '0') || '")
KEPT_RUNS = f"""
INSERT INTO automate_core_executionrun
SELECT copy.* FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
JOIN automate_core_executionrun run ON run.id = (SELECT id FROM automate_core_executionrun ORDER BY id DESC LIMIT 1)
CROSS JOIN LATERAL (SELECT now() - interval '30 days' + n * interval '2 seconds' AS made) at
CROSS JOIN LATERAL jsonb_populate_record(run, jsonb_build_object(
    'id', {_RUN_ID}, 'workflow_id', 2000001 + (hashint8(n) & 63), 'event_id', gen_random_uuid(),
    'trace_id', md5(n::text), 'created_at', made, 'started_at', made,
    'finished_at', made + interval '1 second',
    'status', CASE WHEN n %% 1000 = 1 THEN 'waiting' WHEN n %% 20 = 2 THEN 'failed' ELSE 'succeeded' END,
    'error', CASE WHEN n %% 20 = 2 THEN '{{"step": "third", "message": "The other side answered 503"}}'::jsonb END
)) AS copy
"""  # noqa: S608 - two of our own texts
KEPT_STEPS = f"""
INSERT INTO automate_core_steprun
SELECT copy.* FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
CROSS JOIN (
    SELECT step, row_number() OVER (ORDER BY id) AS part FROM automate_core_steprun step
    WHERE run_id = (SELECT id FROM automate_core_executionrun ORDER BY id DESC LIMIT 1)) template
CROSS JOIN LATERAL jsonb_populate_record(
    template.step, jsonb_build_object('id', {_STEP_ID}, 'run_id', {_RUN_ID})) AS copy
"""  # noqa: S608 - two of our own texts


# --- claims -----------------------------------------------------------------------------------------------------------


def claim(on: Stage, runs: int) -> Iterator[dict[str, object]]:
    """How long claims take beside completed jobs, 200 a second coming in: the worker's own, those that bring nothing
    included."""
    with psycopg.connect(on.cluster.url, autocommit=True) as connection:
        connection.execute(JOBS.format(count=on.scaled(COMPLETED_JOBS)))  # type: ignore[call-overload]
        connection.execute("VACUUM ANALYZE automate_core_outboxjob")
    seconds = max(5.0, CLAIM_SECONDS * min(1, on.scale))
    values = [percentile(_claims(on, seconds), 0.99) for _ in range(runs)]
    yield figure("claim_ms_p99_1m", "ms", values)
    with psycopg.connect(on.cluster.url) as old:
        old.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        old.execute("SELECT count(*) FROM automate_core_workflow")
        took = _claims(on, on.minutes * 60 + seconds, last=seconds)
    yield figure("claim_ms_p99_old_xmin", f"ms, a transaction of {on.minutes:g} minutes", [percentile(took, 0.99)])
    clear(on)


def _claims(on: Stage, seconds: float, last: float = 0) -> list[float]:
    """The milliseconds of each claim of a worker under load for a time, or in the last part of it."""
    with on.web(), on.timed_worker() as path:
        on.load("pure", connections=1, count=200)  # warm
        began = time.time()
        on.load("pure", rate=CLAIM_RATE, seconds=seconds)
        ended = time.time()
    since = max(began, ended - last) if last else began
    claims = json.loads(path.read_text())
    return [milliseconds for at, milliseconds in claims if since <= at <= ended]


# --- the run list -----------------------------------------------------------------------------------------------------


def lists(on: Stage, runs: int) -> Iterator[dict[str, object]]:
    """The whole run list page by HTTP as a superuser, first without and then with tabs and searches."""
    with on.web(), on.worker():
        on.load("three", connections=1, count=1)
        wait_until_finished(on, 1)
    there = 0
    for count in RUNS:
        wanted = on.scaled(count)
        with psycopg.connect(on.cluster.url, autocommit=True) as connection:
            for statement in (KEPT_WORKFLOWS, KEPT_RUNS, KEPT_STEPS):
                connection.execute(statement, {"first": there + 1, "last": wanted})
            connection.execute("VACUUM ANALYZE automate_core_executionrun, automate_core_steprun")
        there = wanted
        with on.web():
            browser = signed_in(on)
            for name, query in PAGES.items():
                values = [_milliseconds(on, browser, query) for _ in range(runs)]
                yield figure(f"list{name}_ms_1e{len(str(count)) - 1}", "ms", values)
    clear(on)


def _milliseconds(on: Stage, browser: urllib.request.OpenerDirector, query: str) -> float:
    """The median of many requests of one page."""
    times = []
    for _ in range(REQUESTS):
        began = time.perf_counter()
        page = browser.open(f"http://127.0.0.1:{on.port}/admin/automate_core/executionrun/{query}").read()
        times.append((time.perf_counter() - began) * 1000)
        if b"da-list-card" not in page:
            raise RuntimeError("that is not the run list")
    return statistics.median(times)

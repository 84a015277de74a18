"""The run list over a million runs: its pages by HTTP, and how PostgreSQL finds what they show."""

from __future__ import annotations

import datetime as dt
import hashlib
import statistics
import time
import urllib.request
from collections.abc import Iterator

import psycopg

from bench.measure import clear, figure, one_run, signed_in
from bench.stage import Stage

RUNS = (10_000, 1_000_000)
REQUESTS = 40
LIST = "/admin/automate_core/executionrun/"
_TRACE = hashlib.md5(b"7", usedforsecurity=False).hexdigest()
PAGES = {  # the list as it opens; tabs; filters by index and without; what searches find by; what no run matches
    "": "",
    "_waiting": "?show=waiting",
    "_attention": "?show=attention",
    "_cancelled": "?status=cancelled",
    "_workflow": "?workflow=kept-7",
    "_workflow_waiting": "?workflow=kept-7&show=waiting",
    "_30_days": "?since=30d",
    "_term": "?term=order_no:A-50",
    "_trace": f"?trace={_TRACE}",
    "_trace_beginning": f"?trace={_TRACE[:12]}",
    "_id_end": "?run=00000007",
    "_longer": "?longer=50s",
    "_longer_than_any": "?longer=1h",
    "_schedule": "?origin=schedule",
    "_approval": "?reason=approval",
    "_error": "?error=503",
    "_error_of_none": "?error=certificate",
    "_version": "?version=1",
    "_search_named": "?q=Kept+7",
    "_search_term": "?q=A-50",
    "_search_nothing": "?q=there+is+none",
    "_deep": "?after={middle}",
    "_deep_workflow": "?workflow=kept-7&after={middle}",
}

# Copies of a workflow, of the run that it really made, which stays the newest, and of the three steps of that run. Ids
# are of version 7, with the times of the runs; every tenth run is found by an order number, every waiting one waits.
KEPT_WORKFLOWS = """
INSERT INTO automate_core_workflow
SELECT copy.* FROM generate_series(1, 64) AS n, automate_core_workflow w
CROSS JOIN LATERAL jsonb_populate_record(
    w, jsonb_build_object('id', 2000000 + n, 'slug', 'kept-' || n, 'name', 'Kept ' || n)) AS copy
WHERE w.slug = 'three'
ON CONFLICT DO NOTHING
"""
_MADE = "(%(now)s::timestamptz - interval '30 days' + n * interval '2.592 seconds')"
_STAMP = f"lpad(to_hex((extract(epoch FROM {_MADE}) * 1000)::bigint), 12, '0')"
_ID = f"({_STAMP} || '7{{part}}8' || lpad(to_hex(n), 15, '0'))::uuid"
_RUN_ID = _ID.format(part="000")
_STEP_ID = _ID.format(part="' || lpad(to_hex(part), 3, '0') || '")
_NEWEST = "(SELECT id FROM automate_core_executionrun ORDER BY id DESC LIMIT 1)"
KEPT_RUNS = f"""
INSERT INTO automate_core_executionrun
SELECT copy.* FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
JOIN automate_core_executionrun run ON run.id = {_NEWEST}
CROSS JOIN LATERAL (SELECT {_MADE} AS made) at
CROSS JOIN LATERAL jsonb_populate_record(run, jsonb_build_object(
    'id', {_RUN_ID}, 'workflow_id', 2000001 + (hashint8(n) & 63), 'event_id', gen_random_uuid(),
    'trace_id', md5(n::text), 'created_at', made, 'started_at', made,
    'finished_at', made + interval '1 second' * (1 + n %% 50),
    'origin', CASE WHEN n %% 500 = 3 THEN 'schedule' ELSE 'webhook' END,
    'status', CASE WHEN n %% 1000 = 1 THEN 'waiting' WHEN n %% 20 = 2 THEN 'failed' ELSE 'succeeded' END,
    'error', CASE WHEN n %% 20 = 2 THEN '{{"step": "third", "message": "The other side answered 503"}}'::jsonb END
)) AS copy
"""  # noqa: S608 - our own texts
KEPT_STEPS = f"""
INSERT INTO automate_core_steprun
SELECT copy.* FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
CROSS JOIN (
    SELECT step, row_number() OVER (ORDER BY id) AS part FROM automate_core_steprun step
    WHERE run_id = {_NEWEST}) template
CROSS JOIN LATERAL jsonb_populate_record(
    template.step, jsonb_build_object('id', {_STEP_ID}, 'run_id', {_RUN_ID})) AS copy
"""  # noqa: S608 - our own texts
KEPT_TERMS = f"""
INSERT INTO automate_core_searchterm (run_id, name, value)
SELECT {_RUN_ID}, 'order_no', 'A-' || n
FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n WHERE n %% 10 = 0
"""  # noqa: S608 - our own texts
KEPT_WAITS = f"""
INSERT INTO automate_core_wait (id, run_id, path, kind, status, created_at, seq)
SELECT gen_random_uuid(), {_RUN_ID}, 'third', CASE WHEN n %% 3000 = 1 THEN 'approval' ELSE 'retry' END, 'open', now(), 1
FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n WHERE n %% 1000 = 1
"""  # noqa: S608 - our own texts


# --- the run list -----------------------------------------------------------------------------------------------------


def lists(on: Stage, runs: int) -> Iterator[dict[str, object]]:
    """The whole run list page by HTTP as a superuser, as it opens and filtered; then what PostgreSQL does."""
    one_run(on)
    there = 0
    for count in RUNS:
        wanted = on.scaled(count)
        with psycopg.connect(on.cluster.url, autocommit=True) as connection:
            seed(connection, there + 1, wanted)
            statement = "SELECT id FROM automate_core_executionrun ORDER BY id OFFSET %s LIMIT 1"
            [middle] = connection.execute(statement, [wanted // 2]).fetchone()  # type: ignore[misc]
        pages = {name: query.format(middle=middle) for name, query in PAGES.items()}
        there = wanted
        with on.web():
            browser = signed_in(on)
            for name, query in pages.items():
                values = [milliseconds(on, browser, f"{LIST}{query}", b"da-list-card") for _ in range(runs)]
                yield figure(f"list{name}_ms_1e{len(str(count)) - 1}", "ms", values)
    found = on.script("bench.run_plans", *(query.lstrip("?") for query in pages.values()))
    for name, plan in zip(pages, found, strict=True):
        yield figure(f"plan{name}_ms_1e{len(str(count)) - 1}", ", ".join(plan["scans"]), [plan["milliseconds"]])
    clear(on)


def seed(connection: psycopg.Connection, first: int, last: int, *, whole: bool = True) -> None:
    """The runs of those numbers, with what belongs to them; else without their steps and terms, which take longest."""
    now = dt.datetime.now(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    more = (KEPT_STEPS, KEPT_TERMS) if whole else ()
    for statement in (KEPT_WORKFLOWS, *more, KEPT_WAITS, KEPT_RUNS):
        connection.execute(statement, {"now": now, "first": first, "last": last})
    for table in ("executionrun", "steprun", "searchterm", "wait"):
        connection.execute(f"VACUUM ANALYZE automate_core_{table}")


def milliseconds(on: Stage, browser: urllib.request.OpenerDirector, address: str, mark: bytes) -> float:
    """The median of many requests of one page, which has that mark."""
    times = []
    for _ in range(REQUESTS):
        began = time.perf_counter()
        page = browser.open(f"http://127.0.0.1:{on.port}{address}").read()
        times.append((time.perf_counter() - began) * 1000)
        if mark not in page:
            raise RuntimeError(f"that is not the page at {address}")
    return statistics.median(times)

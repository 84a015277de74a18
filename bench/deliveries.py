"""Figures from the delivery on: accepting, whole runs, latency, memory, and the floors beneath them."""

from __future__ import annotations

import re
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator

import psycopg

from automate_site.embedded_postgres import binaries
from bench.load import BODY
from bench.measure import WARM, clear, figure, percentile, rss_mb, wait_until_finished, wait_until_idle, warm_up
from bench.stage import Stage
from bench.workers import spent_by

ACCEPT_SECONDS = 5
PURE_RUNS = 6_000
HTTP_RUNS = 2_500
PACED_SECONDS = 10
FIRST_SECONDS = 5


def accepts(on: Stage, runs: int) -> Iterator[dict[str, object]]:
    for connections in (1, 16, 64):
        values = []
        for _ in range(runs):
            with on.web():
                warm_up(on)
                result = on.load("pure", connections=connections, seconds=ACCEPT_SECONDS)
                values.append(result["statuses"]["202"] / result["seconds"])
            clear(on)
        yield figure(f"accepts_per_s_c{connections}", "deliveries/s", values)


def completed(on: Stage, runs: int, slug: str, count: int) -> list[float]:
    """Runs per second from the first POST to the last run's end, with web, worker and load sharing the machine."""
    values = []
    for _ in range(runs):
        with on.web(), on.worker():
            warm_up(on, slug)
            wait_until_idle(on)
            started: float = on.load(slug, connections=16, count=count)["started_at"]
            last = wait_until_finished(on, count + WARM)
            values.append(count / (last - started))
        clear(on)
    return values


def finish_times(on: Stage, runs: int) -> Iterator[dict[str, object]]:
    """From the POST to the commit that ends the run, at an even 30 a second."""
    took = []
    for _ in range(runs):
        with on.web(), on.worker():
            took.append(finish_ms(on))
        clear(on)
    yield figure("finish_ms_p50_at_30", "ms", [statistics.median(each) for each in took])
    yield figure("finish_ms_p95_at_30", "ms", [percentile(each, 0.95) for each in took])


def after_start(on: Stage, runs: int) -> Iterator[dict[str, object]]:
    """The longest of those times in the first seconds of a worker, from the moment that it says it is ready."""
    longest = []
    for _ in range(runs):
        with on.web():
            with on.worker():
                warm_up(on)  # the web process is warm, the worker is not
                wait_until_idle(on)
            with on.ready_worker():
                longest.append(max(paced_ms(on, FIRST_SECONDS)))
        clear(on)
    yield figure("finish_ms_max_after_start", "ms", longest)


def finish_ms(on: Stage) -> list[float]:
    """Of each delivery, web and worker being there."""
    warm_up(on)
    wait_until_idle(on)  # else what a start takes would delay the first deliveries
    return paced_ms(on, PACED_SECONDS)


def paced_ms(on: Stage, seconds: float, *, rate: int = 30) -> list[float]:
    """Of each of so many deliveries a second."""
    sent = on.load("pure", rate=rate, seconds=seconds)["sent"]
    wait_until_idle(on)
    with psycopg.connect(on.cluster.url) as connection:
        ended = dict(
            connection.execute(
                "SELECT event.delivery_key, extract(epoch FROM pg_xact_commit_timestamp(run.xmin))::float8"
                " FROM automate_core_executionrun run JOIN automate_core_event event ON event.id = run.event_id"
                " WHERE run.status = 'succeeded'"
            ).fetchall()
        )
    return [(ended[key] - at) * 1000 for key, at in sent.items()]


def memory(on: Stage, runs: int) -> Iterator[dict[str, object]]:
    values = []
    for _ in range(runs):
        with on.web() as web, on.worker() as worker:
            on.load("pure", connections=1, count=20)
            wait_until_idle(on)
            values.append(sum(rss_mb(process.pid) for process in (web, worker)))
        clear(on)
    yield figure("rss_mb_idle", "MB, web and worker", values)


INSERTS = """
WITH event AS (
    INSERT INTO automate_core_event (id, source, type, delivery_key, payload, headers, trace_id)
    VALUES (gen_random_uuid(), 'floor', 'issues', gen_random_uuid()::text, {payload}, '{{}}', repeat('a', 32))
    RETURNING id)
INSERT INTO automate_core_outboxjob
    (id, kind, status, event_id, priority, attempts, crashes, suspect, worker, token, last_error)
SELECT gen_random_uuid(), 'dispatch', 'ready', id, 0, 0, 0, false, '', 0, '' FROM event
"""


def floor_psycopg(on: Stage, runs: int) -> Iterator[dict[str, object]]:
    """The same two rows by bare psycopg, one connection, one commit each."""
    values = []
    statement = INSERTS.format(payload="%s::jsonb")
    for _ in range(runs):
        with psycopg.connect(on.cluster.url, autocommit=True, prepare_threshold=1) as connection:
            until, done = time.perf_counter() + ACCEPT_SECONDS, 0
            while time.perf_counter() < until:
                connection.execute(statement, (BODY.decode(),))
                done += 1
            values.append(done / ACCEPT_SECONDS)
        clear(on)
    yield figure("floor_psycopg_per_s", "commits/s, 1 connection", values)


RUN_INSERTS = """
WITH event AS (
    INSERT INTO automate_core_event (id, source, type, delivery_key, payload, headers, trace_id)
    VALUES (gen_random_uuid(), 'floor', 'issues', gen_random_uuid()::text, {payload}, '{{}}', repeat('a', 32))
    RETURNING id
), run AS (
    INSERT INTO automate_core_executionrun
        (id, workflow_id, version_id, event_id, cause, status, trace_id, started_at, finished_at, worker, seq, wakes)
    SELECT gen_random_uuid(), 1, 1, id, 'trigger', 'succeeded', repeat('a', 32), now(), now(), 'floor', 1, 0 FROM event
    RETURNING id, event_id
), job AS (
    INSERT INTO automate_core_outboxjob
        (id, kind, status, event_id, run_id, priority, attempts, crashes, suspect, worker, token, last_error)
    SELECT gen_random_uuid(), 'advance', 'completed', event_id, id, 0, 0, 0, false, 'floor', 1, '' FROM run
)
INSERT INTO automate_core_steprun
    (id, run_id, path, attempt, status, input, output, idempotency_key, started_at, finished_at, seq)
SELECT gen_random_uuid(), run.id, path, 1, 'succeeded', '{{"number": 7, "title": "Telemetry stream drops"}}',
    '{{"number": 7, "title": "Telemetry stream drops"}}', repeat('k', 64), now(), now(), 1
FROM run, (VALUES ('first'), ('route'), ('route/seven/hit')) AS steps(path)
"""


def floor_pgbench(on: Stage, runs: int) -> Iterator[dict[str, object]]:
    """By pgbench, 16 connections: the same two rows, and all rows of a pure run in one statement."""
    for name, statement in (("floor_pgbench", INSERTS), ("floor_pgbench_run", RUN_INSERTS)):
        rates, cpu = map(list, zip(*(_pgbench(on, statement) for _ in range(runs)), strict=True))
        yield figure(f"{name}_per_s", "commits/s, 16 connections", rates)
        yield figure(f"{name}_cpu_ms", "ms of PostgreSQL's CPU per commit", cpu)


def _pgbench(on: Stage, statement: str) -> tuple[float, float]:
    """(commits per second, milliseconds of PostgreSQL's processor time per commit)."""
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(statement.format(payload="'" + BODY.decode() + "'::jsonb").strip() + ";\n")
        script.flush()
        command = [str(binaries() / "pgbench"), "-n", "-f", script.name, "-c", "16", "-j", "2", "-M", "prepared",
                   "-T", str(ACCEPT_SECONDS), on.cluster.url]  # fmt: skip
        [before] = spent_by(on, [])[1:]
        done = subprocess.run(command, capture_output=True, text=True)
        time.sleep(1)  # until the sessions have ended, and count as the server's
        [after] = spent_by(on, [])[1:]
    if done.returncode:
        raise RuntimeError(f"pgbench failed: {done.stderr[:500]}")
    clear(on)
    number = int(re.search(r"actually processed: (\d+)", done.stdout)[1])  # type: ignore[index]
    rate = float(re.search(r"tps = ([\d.]+)", done.stdout)[1])  # type: ignore[index]
    return rate, (after - before) * 1000 / number


def pure(on: Stage, runs: int) -> Iterator[dict[str, object]]:
    yield figure("runs_per_s_pure", "runs/s", completed(on, runs, "pure", on.scaled(PURE_RUNS)))


def http(on: Stage, runs: int) -> Iterator[dict[str, object]]:
    with on.echo():
        yield figure("runs_per_s_http", "runs/s", completed(on, runs, "http", on.scaled(HTTP_RUNS)))

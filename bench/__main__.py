"""`make bench`: every figure, median of some runs, one JSON line each."""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import django
import psycopg

from automate_site.embedded_postgres import binaries
from bench.load import BODY
from bench.stage import Stage, stage

ACCEPT_SECONDS = 5
PURE_RUNS = 6_000
HTTP_RUNS = 2_500
PACED_SECONDS = 10


def accepts(on: Stage, runs: int) -> Iterator[dict[str, object]]:
    for connections in (1, 16, 64):
        values = []
        for _ in range(runs):
            with on.web():
                result = on.load("pure", connections=connections, seconds=ACCEPT_SECONDS)
                values.append(result["statuses"]["202"] / result["seconds"])
            _clear(on)
        yield figure(f"accepts_per_s_c{connections}", "deliveries/s", values)


def completed(on: Stage, runs: int, slug: str, count: int) -> list[float]:
    """Runs per second from the first POST to the last run's end, with web, worker and load sharing the machine."""
    values = []
    for _ in range(runs):
        with on.web(), on.worker():
            started = time.time()
            on.load(slug, connections=16, count=count)
            last = _wait_until_finished(on, count)
            values.append(count / (last - started))
        _clear(on)
    return values


def finish_times(on: Stage, runs: int) -> Iterator[dict[str, object]]:
    """From the POST to the commit that ends the run, at an even 30 a second."""
    p50, p95 = [], []
    for _ in range(runs):
        with on.web(), on.worker():
            on.load("pure", connections=1, count=60)  # warm
            sent = on.load("pure", rate=30, seconds=PACED_SECONDS)["sent"]
            _wait_until_finished(on, len(sent) + 60)
            with psycopg.connect(on.cluster.url) as connection:
                ended = dict(
                    connection.execute(
                        "SELECT event.delivery_key, extract(epoch FROM pg_xact_commit_timestamp(run.xmin))::float8"
                        " FROM automate_core_executionrun run JOIN automate_core_event event ON event.id = run.event_id"
                    ).fetchall()
                )
        took = sorted((ended[key] - at) * 1000 for key, at in sent.items())
        p50.append(statistics.median(took))
        p95.append(took[int(len(took) * 0.95)])
        _clear(on)
    yield figure("finish_ms_p50_at_30", "ms", p50)
    yield figure("finish_ms_p95_at_30", "ms", p95)


def memory(on: Stage, runs: int) -> Iterator[dict[str, object]]:
    values = []
    for _ in range(runs):
        with on.web() as web, on.worker() as worker:
            on.load("pure", connections=1, count=20)
            time.sleep(1)
            values.append(sum(_rss_mb(process.pid) for process in (web, worker)))
        _clear(on)
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
        _clear(on)
    yield figure("floor_psycopg_per_s", "commits/s, 1 connection", values)


def floor_pgbench(on: Stage, runs: int) -> Iterator[dict[str, object]]:
    """The same two rows by pgbench, 16 connections."""
    values = []
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(INSERTS.format(payload="'" + BODY.decode() + "'::jsonb").strip() + ";\n")
        script.flush()
        command = [str(binaries() / "pgbench"), "-n", "-f", script.name, "-c", "16", "-j", "2", "-M", "prepared",
                   "-T", str(ACCEPT_SECONDS), on.cluster.url]  # fmt: skip
        for _ in range(runs):
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError(f"pgbench failed: {done.stderr}")
            values.append(float(re.search(r"tps = ([\d.]+)", done.stdout)[1]))  # type: ignore[index]
            _clear(on)
    yield figure("floor_pgbench_per_s", "commits/s, 16 connections", values)


def pure(on: Stage, runs: int) -> Iterator[dict[str, object]]:
    yield figure("runs_per_s_pure", "runs/s", completed(on, runs, "pure", PURE_RUNS))


def http(on: Stage, runs: int) -> Iterator[dict[str, object]]:
    with on.echo():
        yield figure("runs_per_s_http", "runs/s", completed(on, runs, "http", HTTP_RUNS))


FIGURES: dict[str, Callable[[Stage, int], Iterator[dict[str, object]]]] = {
    "accepts": accepts,
    "pure": pure,
    "http": http,
    "finish": finish_times,
    "memory": memory,
    "psycopg": floor_psycopg,
    "pgbench": floor_pgbench,
}


def figure(name: str, unit: str, values: list[float]) -> dict[str, object]:
    median, least, most = statistics.median(values), min(values), max(values)
    return {
        "figure": name, "unit": unit, "median": round(median, 2), "min": round(least, 2), "max": round(most, 2),
        "runs": len(values),
    }  # fmt: skip


def _wait_until_finished(on: Stage, count: int) -> float:
    """When the last of `count` runs was committed as succeeded, on the wall clock."""
    with psycopg.connect(on.cluster.url, autocommit=True) as connection:
        until = time.monotonic() + 120
        while time.monotonic() < until:
            left = connection.execute(
                "SELECT count(*) FROM automate_core_outboxjob WHERE status IN ('ready', 'leased')"
            ).fetchone()[0]  # type: ignore[index]
            if left == 0:
                break
            time.sleep(0.05)
        done, last = connection.execute(
            "SELECT count(*), extract(epoch FROM max(pg_xact_commit_timestamp(xmin)))::float8"
            " FROM automate_core_executionrun WHERE status = 'succeeded'"
        ).fetchone()  # type: ignore[misc]
    if done != count:
        raise RuntimeError(f"{done} of {count} runs succeeded")
    return float(last)


def _clear(on: Stage) -> None:
    """An empty queue and empty tables before the next measurement, as after an install."""
    with psycopg.connect(on.cluster.url, autocommit=True) as connection:
        connection.execute(
            "TRUNCATE automate_core_event, automate_core_outboxjob, automate_core_executionrun,"
            " automate_core_steprun, automate_core_wait, automate_core_runlog CASCADE"
        )


def _rss_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 1024  # type: ignore[index]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("figures", nargs="*", help=f"some of {', '.join(FIGURES)}; default: all")
    parser.add_argument("--runs", type=int, default=5, help="measurements per figure (5)")
    options = parser.parse_args()
    unknown = set(options.figures) - set(FIGURES)
    if unknown:
        parser.error(f"no such figure: {', '.join(sorted(unknown))}")
    with stage() as on:
        with psycopg.connect(on.cluster.url) as connection:
            server = connection.execute("SHOW server_version").fetchone()[0]  # type: ignore[index]
        software = f"Python {platform.python_version()}, PostgreSQL {server}, Django {django.__version__}"
        versions = {"figure": "versions", "unit": f"{software}, {os.cpu_count()} cores"}
        print(json.dumps({**versions, "median": None, "min": None, "max": None, "runs": 0}))
        for name, measure in FIGURES.items():
            if not options.figures or name in options.figures:
                for line in measure(on, options.runs):
                    print(json.dumps(line))
                    sys.stdout.flush()


if __name__ == "__main__":
    main()

"""Figures of what is beside a run: the export of its trace, and lines that its steps log.

As a script it exports the traces of the runs that are there, as often as it is told, and prints the milliseconds of
processor time for each 1,000 runs: of its own process and of its PostgreSQL session, as JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import django

from bench.measure import clear, figure, wait_until_finished
from bench.stage import Stage
from bench.workers import queued, several, warm_up

EXPORTED_RUNS = 1_000
LOGGED_RUNS = 1_000
LOGGING = ("silent", "lines", "slow-silent", "slow-lines")


def exports(on: Stage, runs: int) -> Iterator[dict[str, object]]:
    """Of runs of three effectful steps, sent to a collector that takes everything."""
    count = on.scaled(EXPORTED_RUNS)
    with on.web(), on.worker():
        on.load("three", connections=4, count=count)
        wait_until_finished(on, count)
    on.environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://127.0.0.1:{on.echo_port}"
    with on.echo():
        spent = on.script("bench.exporting", count, runs)
    del on.environment["OTEL_EXPORTER_OTLP_ENDPOINT"]
    clear(on)
    yield figure("trace_export_cpu_ms_1000", "ms of CPU of the worker for 1,000 traces", [own for own, _ in spent])
    yield figure("trace_export_postgres_cpu_ms_1000", "ms of CPU of PostgreSQL", [other for _, other in spent])


def logs(on: Stage, runs: int) -> Iterator[dict[str, object]]:
    """Runs of one step that logs five lines, beside such that logs none; it returns at once, or after half a second."""
    count = on.scaled(LOGGED_RUNS)
    spent: dict[str, list[float]] = {slug: [] for slug in LOGGING}
    with on.web():
        for _ in range(runs):
            with several(on, 1) as pids:
                warm_up(on)
                for slug in LOGGING:
                    spent[slug].append(sum(queued(on, pids, slug, count)))
    for slug in LOGGING:
        yield figure(f"run_cpu_ms_{slug.replace('-', '_')}", "ms of CPU per run, worker and PostgreSQL", spent[slug])


def main(count: int, runs: int) -> None:
    django.setup()
    from django.db import connection

    from automate_core import database
    from automate_telemetry.traces.trace_export import TraceExporter

    exporter = TraceExporter()
    connection.ensure_connection()
    session = Path(f"/proc/{connection.connection.info.backend_pid}/schedstat")
    spent = []
    for _ in range(runs + 1):
        database.run(None, "DELETE FROM automate_core_traceexport", ())
        database.run(None, "INSERT INTO automate_core_traceexport (run_id, due_at)"
                     " SELECT id, automate_now() FROM automate_core_executionrun", ())  # fmt: skip
        own, other = time.process_time(), int(session.read_text().split()[0])
        while exporter.run_once() is not None:
            pass
        spent.append(((time.process_time() - own) * 1e6 / count,
                      (int(session.read_text().split()[0]) - other) / 1e3 / count))  # fmt: skip
        [row] = database.run(None, "SELECT count(*) AS left FROM automate_core_traceexport", ())
        if row.left:
            raise RuntimeError(f"{row.left} traces were not exported")
    print(json.dumps(spent[1:]))  # the first one imports


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "automate_site.settings")
    main(int(sys.argv[1]), int(sys.argv[2]))

"""The overview over a million runs: counting them anew, and its page by HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterator

import psycopg

from bench.measure import clear, figure, one_run, signed_in
from bench.run_list import RUNS, milliseconds, seed
from bench.stage import Stage


def overview(on: Stage, runs: int) -> Iterator[dict[str, object]]:
    """The whole page as a superuser, for each of its periods."""
    one_run(on)
    with psycopg.connect(on.cluster.url, autocommit=True) as connection:
        seed(connection, 1, on.scaled(RUNS[-1]), whole=False)
        began = time.perf_counter()
        on.manage("automate_rollup", "--rebuild")
        yield figure("rebuild_s_1e6", "s", [time.perf_counter() - began])
        connection.execute("VACUUM ANALYZE automate_core_runcount, automate_core_runtime, automate_core_failurecount")
    with on.web():
        browser = signed_in(on)
        for name in ("24h", "7d", "30d"):
            values = [milliseconds(on, browser, f"/admin/?period={name}", b"da-kpis") for _ in range(runs)]
            yield figure(f"overview_ms_{name}", "ms", values)
    clear(on)

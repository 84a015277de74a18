"""Figures of pruning: how fast old runs go, and how long new ones take meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterator

import psycopg

from bench import run_list
from bench.deliveries import finish_ms
from bench.measure import clear, figure, one_run, percentile
from bench.stage import Stage

OLD_RUNS = 100_000

POLICY = """
INSERT INTO automate_core_sitepolicy (id, succeeded, failed, cancelled, tests, unmatched) VALUES (1, 1, 1, 1, 1, 1)
ON CONFLICT DO NOTHING
"""
GONE = "SELECT (SELECT count(*) FROM automate_core_executionrun) + (SELECT count(*) FROM automate_core_steprun)"


def prune(on: Stage, runs: int) -> Iterator[dict[str, object]]:
    """The command alone without rests, then with its usual ones beside deliveries: 0.1 % of the runs wait, and stay."""
    alone, beside = [], []
    for _ in range(runs):
        _seed(on)
        before, began = _rows(on), time.monotonic()
        on.manage("automate_prune", "--share", "100")
        alone.append((before - _rows(on)) / (time.monotonic() - began))
        clear(on)
        _seed(on)
        with on.web(), on.worker(), on.started("automate_prune") as pruning:
            took = finish_ms(on)
            if pruning.poll() is not None:
                raise RuntimeError("it was done before the deliveries were: seed more")
        beside.append(percentile(took, 0.95))
        clear(on)
    yield figure("pruned_rows_per_s", "rows/s, runs and their steps", alone)
    yield figure("finish_ms_p95_at_30_pruning", "ms", beside)


def _seed(on: Stage) -> None:
    one_run(on)
    with psycopg.connect(on.cluster.url, autocommit=True) as connection:
        run_list.seed(connection, 1, on.scaled(OLD_RUNS))
        connection.execute(POLICY)


def _rows(on: Stage) -> int:
    with psycopg.connect(on.cluster.url, autocommit=True) as connection:
        return int(connection.execute(GONE).fetchone()[0])  # type: ignore[index]

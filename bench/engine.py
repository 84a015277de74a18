"""Figures of the worker and of what a run costs: from a full queue, in the database, in memory, in matching."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import psycopg

from bench.measure import (
    WARM,
    clear,
    ends_of_runs,
    figure,
    forget_peak,
    peak_rss_mb,
    rss_mb,
    wait_until_finished,
    warm_up,
)
from bench.stage import Stage

NOOP_RUNS = 5_000
THREE_STEP_RUNS = 3_000
COST_RUNS = 300
COST_RATE = 60
ITEMS = 5_000
WORKFLOWS = (10, 10_000)


def noop(on: Stage, runs: int) -> Iterator[dict[str, object]]:
    yield figure("noop_drained_per_s", "runs/s", _drained(on, runs, "noop", on.scaled(NOOP_RUNS)))


def three_steps(on: Stage, runs: int) -> Iterator[dict[str, object]]:
    yield figure("three_step_per_s", "runs/s", _drained(on, runs, "three", on.scaled(THREE_STEP_RUNS)))


def _drained(on: Stage, runs: int, slug: str, count: int) -> list[float]:
    """Runs a second between the first end and the last, one worker at a queue that was full when it came.

    Those that ended with the first, in the same commit, are not counted: they were begun before.
    """
    values = []
    for _ in range(runs):
        with on.web():
            on.load(slug, connections=16, count=count)
        with on.worker():
            last = wait_until_finished(on, count)
        ends = ends_of_runs(on)
        values.append(sum(end > ends[0] for end in ends) / (last - ends[0]))
        clear(on)
    return values


# --- what a run costs the database ------------------------------------------------------------------------------------


def costs(on: Stage, runs: int) -> Iterator[dict[str, object]]:
    """Of a pure run that comes alone, from the POST on: what web and worker spend with such runs, less what they
    spend in the same time without."""
    spent: list[list[float]] = []
    count = on.scaled(COST_RUNS)
    _execute(on, "ALTER DATABASE automate SET log_statement = 'all'")
    try:
        for _ in range(runs):
            idle, busy = _spent(on, 0, count / COST_RATE), _spent(on, count, count / COST_RATE)
            spent.append([(more - less) / count for more, less in zip(busy, idle, strict=True)])
    finally:
        _execute(on, "ALTER DATABASE automate RESET log_statement")
    queries, transactions, wal = map(list, zip(*spent, strict=True))
    yield figure("queries_per_run", "statements", queries)
    yield figure("transactions_per_run", "commits", transactions)
    yield figure("wal_bytes_per_run", "bytes", wal)


def _spent(on: Stage, count: int, seconds: float) -> list[float]:
    """(statements, transactions, WAL bytes) of web and worker from their start to their end, with some runs between.

    Their sessions report what they did when they end.
    """
    clear(on)
    _execute(on, "CHECKPOINT")
    before = _counters(on)
    with on.web(), on.worker():
        warm_up(on)  # it also writes the pages that are whole in the WAL once
        if count:
            on.load("pure", rate=COST_RATE, seconds=seconds)
        else:
            time.sleep(seconds)
        time.sleep(1.5)
    after = _counters(on)
    wait_until_finished(on, count + WARM)
    return [now - then for now, then in zip(after, before, strict=True)]


def _counters(on: Stage) -> list[float]:
    log = (on.cluster.home / "log").read_text(errors="replace")
    statements = len(re.findall(r"LOG:  (?:statement|execute [^:\n]+): ", log))
    with _quiet(on) as connection:
        row = connection.execute(
            "SELECT xact_commit + xact_rollback, pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8"
            " FROM pg_stat_database WHERE datname = current_database()"
        ).fetchone()
    return [statements, *map(float, row)]  # type: ignore[arg-type]


def _execute(on: Stage, statement: str) -> None:
    with _quiet(on) as connection:
        connection.execute(statement)  # type: ignore[call-overload]


def _quiet(on: Stage) -> psycopg.Connection:
    """A connection whose own statements are not counted."""
    return psycopg.connect(on.cluster.url, autocommit=True, options="-c log_statement=none")


# --- memory and matching ----------------------------------------------------------------------------------------------


def for_each(on: Stage, runs: int) -> Iterator[dict[str, object]]:
    """The most resident memory during a loop of many items, above what it was before, after a small one."""
    values = []
    clear(on)  # what came of other figures after they had been counted
    for _ in range(runs):
        with on.web(), on.worker() as worker:
            on.load("items", connections=1, count=1, items=20)
            wait_until_finished(on, 1)
            before = rss_mb(worker.pid)
            forget_peak(worker.pid)
            on.load("items", connections=1, count=1, items=on.scaled(ITEMS))
            wait_until_finished(on, 2)
            values.append(peak_rss_mb(worker.pid) - before)
        clear(on)
    yield figure("foreach_5000_rss_mb", "MB", values)


def match(on: Stage, runs: int) -> Iterator[dict[str, object]]:
    """Matching a batch of ten events, each of which starts one workflow, among few and many active ones."""
    for count in WORKFLOWS:
        values = on.script("bench.matching", count, runs)
        yield figure(f"match_ms_{count}", "ms a batch of 10 events", values)

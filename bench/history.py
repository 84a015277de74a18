"""Figures beside a long history: claims beside a million completed jobs."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import psycopg

from bench.measure import clear, figure, percentile, wait_until_idle
from bench.stage import Stage

COMPLETED_JOBS = 1_000_000
CLAIM_RATE = 200
CLAIM_SECONDS = 30

JOBS = """
INSERT INTO automate_core_outboxjob
    (id, kind, status, event_id, priority, lane, available_at, attempts, crashes, suspect, worker, token, last_error)
SELECT gen_random_uuid(), 'dispatch', 'completed', gen_random_uuid(), 0, n % 1024,
    now() - interval '30 days' * (1 - n / {count}::float8), 1, 0, false, 'seed', 1, ''
FROM generate_series(1, {count}) AS n
"""


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
        wait_until_idle(on)
        began = time.time()
        on.load("pure", rate=CLAIM_RATE, seconds=seconds)
        ended = time.time()
    since = max(began, ended - last) if last else began
    claims = json.loads(path.read_text())
    return [milliseconds for at, milliseconds in claims if since <= at <= ended]

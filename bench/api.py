"""The REST API: starts of runs, and the list of runs among a million."""

from __future__ import annotations

import base64
import statistics
import time
import urllib.request
from collections.abc import Iterator

import psycopg

from bench.deliveries import ACCEPT_SECONDS
from bench.measure import clear, figure, one_run
from bench.run_list import REQUESTS, RUNS, seed
from bench.stage import Stage

PAGES = {  # a page as it comes; the largest; filters by index and without; a search; a page in the middle
    "": "",
    "_100": "?limit=100",
    "_workflow_waiting": "?workflow=kept-7&status=waiting",
    "_longer": "?longer=50s",
    "_search_term": "?search=A-50",
    "_deep": "?cursor={middle}",
}


def starts(on: Stage, runs: int) -> Iterator[dict[str, object]]:
    """Starts per second with a 202, each with an idempotency key of its own, with a stopped worker."""
    token = on.token("workflow:view", "workflow:run")
    values = []
    for _ in range(runs):
        with on.web():
            result = on.load("pure", connections=16, seconds=ACCEPT_SECONDS, token=token)
            values.append(result["statuses"]["202"] / result["seconds"])
        clear(on)
    yield figure("api_start_per_s", "starts/s, 16 connections", values)


def lists(on: Stage, runs: int) -> Iterator[dict[str, object]]:
    """A page of the API's list of runs by HTTP, with a token of a superuser."""
    token = on.token("workflow:view", "workflow:view_payload")
    one_run(on)
    count = on.scaled(RUNS[-1])
    with psycopg.connect(on.cluster.url, autocommit=True) as connection:
        seed(connection, 1, count)
        statement = "SELECT id FROM automate_core_executionrun ORDER BY id OFFSET %s LIMIT 1"
        [middle] = connection.execute(statement, [count // 2]).fetchone()  # type: ignore[misc]
    cursor = base64.urlsafe_b64encode(str(middle).encode()).decode().rstrip("=")
    with on.web():
        for name, query in PAGES.items():
            values = [milliseconds(on, token, query.format(middle=cursor)) for _ in range(runs)]
            yield figure(f"api_list{name}_ms_1e{len(str(count)) - 1}", "ms", values)
    clear(on)


def milliseconds(on: Stage, token: str, query: str) -> float:
    """The median of many requests of one page that has runs."""
    address = f"http://127.0.0.1:{on.port}/api/v1/runs{query}"
    request = urllib.request.Request(address, headers={"Authorization": f"Bearer {token}"})
    times = []
    for _ in range(REQUESTS):
        began = time.perf_counter()
        page = urllib.request.urlopen(request).read()  # noqa: S310 - loopback
        times.append((time.perf_counter() - began) * 1000)
        if b'"trace_id"' not in page:
            raise RuntimeError(f"there are no runs at {address}")
    return statistics.median(times)

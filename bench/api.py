"""The REST API: starts of runs."""

from __future__ import annotations

from collections.abc import Iterator

from bench.deliveries import ACCEPT_SECONDS
from bench.measure import clear, figure
from bench.stage import Stage


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

"""`make bench` and `make bench-long`: every figure, median of some runs, one JSON line each."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Iterator

import django
import psycopg

from bench import (
    api,
    building,
    deliveries,
    engine,
    exporting,
    flood,
    history,
    inbox,
    overview,
    pruning,
    rendering,
    run_list,
    watching,
    workers,
)
from bench.stage import Stage, stage

type Measure = Callable[[Stage, int], Iterator[dict[str, object]]]

FIGURES: dict[str, Measure] = {
    "accepts": deliveries.accepts,
    "starts": api.starts,
    "pure": deliveries.pure,
    "http": deliveries.http,
    "finish": deliveries.finish_times,
    "start": deliveries.after_start,
    "flood": flood.flood,
    "memory": deliveries.memory,
    "psycopg": deliveries.floor_psycopg,
    "pgbench": deliveries.floor_pgbench,
    "noop": engine.noop,
    "three": engine.three_steps,
    "workers": workers.workers,
    "costs": engine.costs,
    "foreach": engine.for_each,
    "match": engine.match,
    "exports": exporting.exports,
    "logs": exporting.logs,
    "renders": rendering.renders,
    "builder": building.builder,
    "watch": watching.watching,
}
LONG: dict[str, Measure] = {
    "claim": history.claim,
    "list": run_list.lists,
    "api": api.lists,
    "inbox": inbox.inbox,
    "prune": pruning.prune,
    "overview": overview.overview,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("figures", nargs="*", help=f"some of {', '.join([*FIGURES, *LONG])}; default: all but the long")
    parser.add_argument("--long", action="store_true", help=f"the long ones: {', '.join(LONG)}")
    parser.add_argument("--runs", type=int, default=5, help="measurements per figure (5)")
    parser.add_argument("--scale", type=float, default=1, help="share of the sizes, to see that all works (1)")
    parser.add_argument("--minutes", type=float, default=10, help="age of the old transaction beside claims (10)")
    parser.add_argument("--workers", type=int, default=1, help="worker processes beside each other (1)")
    options = parser.parse_args()
    wanted = options.figures or list(LONG if options.long else FIGURES)
    if unknown := set(wanted) - {*FIGURES, *LONG}:
        parser.error(f"no such figure: {', '.join(sorted(unknown))}")
    with stage(scale=options.scale, minutes=options.minutes, workers=options.workers) as on:
        with psycopg.connect(on.cluster.url) as connection:
            server = connection.execute("SHOW server_version").fetchone()[0]  # type: ignore[index]
        software = f"Python {platform.python_version()}, PostgreSQL {server}, Django {django.__version__}"
        scale = "" if options.scale == 1 else f", sizes at {options.scale:g} of what the names say"
        several = "" if options.workers == 1 else f", {options.workers} workers"
        versions = {"figure": "versions", "unit": f"{software}, {os.cpu_count()} cores{scale}{several}"}
        print(json.dumps({**versions, "median": None, "min": None, "max": None, "runs": 0}))
        for name, measure in {**FIGURES, **LONG}.items():
            if name in wanted:
                for line in measure(on, options.runs):
                    print(json.dumps(line))
                    sys.stdout.flush()


if __name__ == "__main__":
    main()

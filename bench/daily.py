"""A model of many events a day, made from what one run costs here: bytes, WAL and processor time.

`python -m bench.daily --events 100000000` measures pure runs (webhook, set, branch, set, with a delivery of 1 KB) from
the POST to the end, and prints what a day with so many would take. Lines with `"computed": true` are products of the
measured ones, not measurements.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator

import psycopg

from bench import workers
from bench.measure import WARM, clear, cpu_seconds, wait_until_finished, warm_up
from bench.stage import Stage, stage

RUNS = 10_000
DAY = 86_400
PEAK = 3  #: the busiest hour has so many times the even rate
BUSY = 0.6  #: share of a core that is used at the peak; the rest is for vacuum, screens and restarts
TABLES = ("event", "outboxjob", "executionrun", "steprun", "runlog", "searchterm", "endedrun")
SIZES = """
SELECT relname, pg_table_size(oid)::float8, pg_indexes_size(oid)::float8 FROM pg_class
WHERE relname = ANY(%s) AND relkind = 'r'
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.daily", description=__doc__)
    parser.add_argument("--events", type=int, default=100_000_000, help="events a day, each of which starts one run")
    parser.add_argument("--runs", type=int, default=RUNS, help=f"runs that are measured ({RUNS})")
    parser.add_argument("--days", type=int, default=30, help="days that runs are kept (30)")
    options = parser.parse_args()
    with stage() as on:
        spent = _measured(on, options.runs)
    for name, value in spent.items():
        print(json.dumps({"figure": name, "value": round(value, 4)}))
    for line in _model(spent, options.events, options.days):
        print(json.dumps({**line, "computed": True}))


def _measured(on: Stage, count: int) -> dict[str, float]:
    """Per run."""
    with on.web() as web, workers.several(on, 1) as pids:
        warm_up(on)
        wait_until_finished(on, WARM)
        clear(on)
        before, wal = [cpu_seconds(web.pid), *workers.spent_by(on, pids)], _wal(on)
        on.load("pure", connections=16, count=count)
        wait_until_finished(on, count)
        after = [cpu_seconds(web.pid), *workers.spent_by(on, pids)]
        values = {f"{name}_cpu_ms": (now - then) * 1000 / count
                  for name, then, now in zip(("web", "worker", "postgres"), before, after, strict=True)}  # fmt: skip
        values["wal_bytes"] = (_wal(on) - wal) / count
    with psycopg.connect(on.cluster.url, autocommit=True) as connection:
        names = [f"automate_core_{table}" for table in TABLES]
        for name in names:
            connection.execute(f"VACUUM {name}")
        for name, table, indexes in connection.execute(SIZES, [names]):
            short = name.removeprefix("automate_core_")
            values |= {f"{short}_table_bytes": table / count, f"{short}_index_bytes": indexes / count}
    return values


def _wal(on: Stage) -> float:
    with psycopg.connect(on.cluster.url, autocommit=True) as connection:
        row = connection.execute("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8").fetchone()
        return float(row[0])  # type: ignore[index]


def _model(spent: dict[str, float], events: int, days: int) -> Iterator[dict[str, object]]:
    stored = sum(value for name, value in spent.items() if name.endswith(("_table_bytes", "_index_bytes")))
    even = events / DAY
    yield {"figure": "events_per_s", "even": round(even), "peak": round(even * PEAK)}
    yield {"figure": "bytes_per_run", "value": round(stored)}
    yield {
        "figure": "gb_per_day",
        "stored": round(stored * events / 1e9),
        "wal": round(spent["wal_bytes"] * events / 1e9),
    }
    yield {"figure": "tb_kept", "days": days, "value": round(stored * events * days / 1e12, 1)}
    yield {"figure": "wal_mb_per_s", "even": round(spent["wal_bytes"] * even / 1e6),
           "peak": round(spent["wal_bytes"] * even * PEAK / 1e6)}  # fmt: skip
    for name in ("web", "worker", "postgres"):
        cores = spent[f"{name}_cpu_ms"] / 1000 * even
        yield {"figure": f"{name}_cores", "even": round(cores, 1), "peak": round(cores * PEAK / BUSY)}


if __name__ == "__main__":
    main()

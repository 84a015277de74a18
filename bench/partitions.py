"""An experiment: are events, runs, steps and log lines better partitioned by time? One JSON line per figure.

`python -m bench.partitions --rows 1000000` makes a scratch database, fills the tables as they are, copies them into 12,
60 and 365 partitions each, and compares. Times are the processor time of the session's own backend, which other work on
the machine disturbs least. docs/adr/0014 says what follows.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import statistics
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg

from automate_site.embedded_postgres import Cluster, temporary_cluster
from bench import partition_tables as tables
from bench.load import BODY
from bench.partition_migration import Migration

SETTINGS = {"max_wal_size": "4GB", "max_locks_per_transaction": "1024", "maintenance_work_mem": "256MB"}
COUNTS = (12, 60, 365)
BATCH = 16
ROUNDS = 120
WARM_ROUNDS = 10
LOOKS = 15

#: What screens ask, as they ask it: planned each time.
SCREENS = {
    "runs_newest": "SELECT id, workflow_id, status FROM automate_core_executionrun WHERE cause <> 'test'"
    " ORDER BY id DESC LIMIT 51",
    "runs_waiting": "SELECT id, workflow_id FROM automate_core_executionrun"
    " WHERE cause <> 'test' AND status = 'waiting' ORDER BY id DESC LIMIT 51",
    "runs_of_workflow": "SELECT id, status FROM automate_core_executionrun WHERE workflow_id = 7"
    " ORDER BY id DESC LIMIT 51",
    "runs_in_the_middle": "SELECT id, status FROM automate_core_executionrun WHERE cause <> 'test' AND id < '{run}'"
    " ORDER BY id DESC LIMIT 51",
    "run_by_id": "SELECT * FROM automate_core_executionrun WHERE id = '{run}'",
    "run_by_trace": "SELECT id FROM automate_core_executionrun WHERE trace_id = '{trace}' ORDER BY id DESC LIMIT 51",
    "runs_of_event": "SELECT id FROM automate_core_executionrun WHERE event_id = '{event}' AND cause = 'trigger'",
    "steps_of_run": "SELECT * FROM automate_core_steprun WHERE run_id = '{run}' ORDER BY id",
    "step_by_id": "SELECT * FROM automate_core_steprun WHERE id = '{step}'",
    "logs_of_run": "SELECT * FROM automate_core_runlog WHERE run_id = '{run}' ORDER BY seq LIMIT 200",
    "events_of_endpoint": "SELECT id, type FROM automate_core_event WHERE endpoint_id = 3 ORDER BY id DESC LIMIT 51",
    "events_with_runs": "SELECT event.id, run.id"
    " FROM (SELECT id FROM automate_core_event ORDER BY id DESC LIMIT 51) event"
    " LEFT JOIN automate_core_executionrun run ON run.event_id = event.id AND run.cause = 'trigger'",
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.partitions", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="events; as many runs, twice the steps (1000000)")
    parser.add_argument("--counts", type=int, nargs="*", default=list(COUNTS), help="partitions a table (12 60 365)")
    parser.add_argument("--migrate", type=int, default=0, help="also migrate the tables into so many partitions")
    options = parser.parse_args()
    made = temporary_cluster()
    cluster = Cluster(made.folder, durable=False, settings=SETTINGS)
    try:
        cluster.start()
        os.environ |= {"DATABASE_URL": cluster.url, "DJANGO_SETTINGS_MODULE": "automate_site.settings",
                       "AUTOMATE_DATA": str(made.folder / "site")}  # fmt: skip
        for line in _figures(cluster, options.rows, options.counts, options.migrate):
            print(json.dumps(line), flush=True)
    finally:
        cluster.destroy()


def _figures(cluster: Cluster, rows: int, counts: list[int], migrated: int) -> Iterator[dict[str, object]]:
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    with psycopg.connect(cluster.url, autocommit=True) as connection:
        began = time.monotonic()
        tables.make_plain(connection, rows, BODY.decode())
        yield {"figure": "seeded", "tables": tables.PLAIN, "seconds": round(time.monotonic() - began, 1)}
        yield {"figure": "sizes", "tables": tables.PLAIN, **tables.sizes(connection)}
        yield {"figure": "foreign_keys", "tables": tables.PLAIN, "number": tables.foreign_keys(connection)}
        schemas = [tables.PLAIN]
        for count in counts:
            began = time.monotonic()
            schemas.append(tables.make_partitioned(connection, count))
            yield {"figure": "copied", "tables": schemas[-1], "seconds": round(time.monotonic() - began, 1)}
        for schema in schemas:
            yield from _of_session(cluster, schema, lambda session: session.screens(rows))
        for schema in schemas:
            yield from _of_session(cluster, schema, Session.hot_path)
        if migrated:
            schemas.append(f"p{migrated}")
            yield from _migration(cluster, Migration(connection, migrated), rows)
    for schema in schemas:
        yield from _of_session(cluster, schema, Session.retention)


def _migration(cluster: Cluster, migration: Migration, rows: int) -> Iterator[dict[str, object]]:
    yield migration.expand()
    for line in _of_session(cluster, tables.PLAIN, Session.hot_path):  # now with triggers
        yield {**line, "tables": f"{tables.PLAIN}, copied by triggers"}
    yield migration.backfill()
    tables.analyze(migration.connection, migration.schema)
    yield migration.swap()
    yield migration.finish()
    yield from _of_session(cluster, migration.schema, lambda session: session.screens(rows))
    yield from _of_session(cluster, migration.schema, Session.hot_path)


def _of_session(
    cluster: Cluster, schema: str, figures: Callable[[Session], Iterator[dict[str, object]]]
) -> Iterator[dict[str, object]]:
    with Session(cluster, schema) as session:
        yield from figures(session)


class Session:
    """A connection like a worker's, whose tables are those of one schema."""

    def __init__(self, cluster: Cluster, schema: str) -> None:
        from automate_core.database import WORKER_OPTIONS

        self.schema = schema
        self.is_plain = schema == tables.PLAIN
        options = {**WORKER_OPTIONS, "search_path": f"{schema},public"}
        self.connection = psycopg.connect(
            cluster.url,
            autocommit=True,
            prepare_threshold=1,
            options=" ".join(f"-c {k}={v}" for k, v in options.items()),
        )
        self.stat = Path(f"/proc/{self.connection.info.backend_pid}/schedstat")

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *error: object) -> None:
        self.connection.close()

    def figure(self, name: str, **values: object) -> dict[str, object]:
        return {"figure": name, "tables": self.schema, **values}

    def cpu_ms(self, call: Callable[[], Any]) -> tuple[float, Any]:
        before = int(self.stat.read_text().split()[0])
        result = call()
        return (int(self.stat.read_text().split()[0]) - before) / 1e6, result

    def screens(self, rows: int) -> Iterator[dict[str, object]]:
        run, event, trace = self.connection.execute(
            "SELECT id, event_id, trace_id FROM plain.automate_core_executionrun ORDER BY id OFFSET %s LIMIT 1",
            [rows // 2],
        ).fetchone()  # type: ignore[misc]
        [step] = self.connection.execute(
            "SELECT id FROM plain.automate_core_steprun WHERE run_id = %s LIMIT 1", [run]
        ).fetchone()  # type: ignore[misc]
        self.connection.execute("SET enable_seqscan = on")
        for name, statement in SCREENS.items():
            text = statement.format(run=run, event=event, trace=trace, step=step)
            plans = [self._explain(text) for _ in range(LOOKS)]
            whole = [self.cpu_ms(functools.partial(self._rows, text))[0] for _ in range(LOOKS)]
            planning, execution = (statistics.median(each) for each in zip(*plans, strict=True))
            yield self.figure(name, cpu_ms=round(statistics.median(whole), 3), planning_ms=round(planning, 3),
                              execution_ms=round(execution, 3))  # fmt: skip

    def _rows(self, text: str) -> list[Any]:
        return self.connection.execute(text, prepare=False).fetchall()

    def _explain(self, text: str) -> tuple[float, float]:
        found = self.connection.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {text}", prepare=False).fetchone()
        plan = found[0][0]  # type: ignore[index]
        return plan["Planning Time"], plan["Execution Time"]

    def hot_path(self) -> Iterator[dict[str, object]]:
        """The real statements, in batches of 16: events stored, claimed, and their runs of two steps written."""
        from automate_core.engine import journal_sql
        from automate_core.outbox.ingest import INGEST, IngestBatch, NewEvent
        from automate_core.outbox.store import CLAIM, LONG_AGO

        ingest, write = INGEST, journal_sql.write(frozenset())
        if not self.is_plain:
            ingest, write = _with_event_keys(ingest), _with_run_keys(write)
        spent: dict[str, list[float]] = {"ingest": [], "claim": [], "checkpoint": [], "duplicates": []}
        for _ in range(WARM_ROUNDS + ROUNDS):
            events = [NewEvent(source="webhook:seed", type="issues", payload=BODY.decode(), endpoint_id=1,
                               delivery_key=str(uuid.uuid4())) for _ in range(BATCH)]  # fmt: skip
            document = IngestBatch(events).document()
            self._spend(spent, "ingest", ingest, {"events": document})
            again = IngestBatch(events).document()
            found = self._spend(spent, "duplicates", ingest, {"events": again})
            if found:
                raise RuntimeError("duplicates were stored")
            values = {"worker": "bench", "lease": 60, "after": 0, "floor": LONG_AGO, "age": timedelta()}
            jobs = self._spend(spent, "claim", CLAIM.format(limit=BATCH), values)
            written = self._spend(spent, "checkpoint", write, _checkpoints(jobs))
            if any(row[0] for row in written):  # a job that is not held
                raise RuntimeError(f"not all were held: {written}")
        for name, values_ms in spent.items():
            steady = values_ms[WARM_ROUNDS:]
            yield self.figure(name, cpu_ms_per_row=round(statistics.median(steady) / BATCH, 4), batch=BATCH)

    def _spend(self, spent: dict[str, list[float]], name: str, statement: str, values: dict[str, Any]) -> list[Any]:
        milliseconds, rows = self.cpu_ms(lambda: self.connection.execute(statement, values).fetchall())
        spent[name].append(milliseconds)
        return list(rows)

    def retention(self) -> Iterator[dict[str, object]]:
        """The oldest twelfth: deleted in batches of 1,000 runs, and vacuumed; or dropped."""
        oldest = tables.bounds(self.connection, 12)[0]
        wal = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8"
        [before] = self.connection.execute(wal).fetchone()  # type: ignore[misc]
        began = time.monotonic()
        if self.is_plain:
            cpu, rows = self.cpu_ms(lambda: sum(self._delete_batches(oldest)))
        else:
            cpu, rows = self.cpu_ms(lambda: self._drop_oldest(int(self.schema[1:]) // 12))
        seconds = time.monotonic() - began
        [after] = self.connection.execute(wal).fetchone()  # type: ignore[misc]
        yield self.figure("retention", cpu_ms=round(cpu, 1), seconds=round(seconds, 2), rows=rows,
                          wal_mb=round((after - before) / 1e6, 1))  # fmt: skip

    def _delete_batches(self, oldest: uuid.UUID) -> Iterator[int]:
        run = self.connection.execute
        while True:
            oldest_runs = run(
                "SELECT id FROM automate_core_executionrun WHERE id < %s ORDER BY id LIMIT 1000", [oldest]
            )
            ids = [row[0] for row in oldest_runs]
            if not ids:
                break
            yield run("DELETE FROM automate_core_steprun WHERE run_id = ANY(%s)", [ids]).rowcount
            yield run("DELETE FROM automate_core_runlog WHERE run_id = ANY(%s)", [ids]).rowcount
            yield run("DELETE FROM automate_core_event WHERE id IN (SELECT event_id FROM automate_core_executionrun"
                      " WHERE id = ANY(%s))", [ids]).rowcount  # fmt: skip
            yield run("DELETE FROM automate_core_executionrun WHERE id = ANY(%s)", [ids]).rowcount
        for table in tables.KEYS:
            run(f"VACUUM automate_core_{table}")

    def _drop_oldest(self, count: int) -> int:
        """Detach and drop, once what must stay is copied; the narrow tables lose their rows by DELETE."""
        kept = 0
        for number in range(count):
            kept += self.connection.execute(
                f"CREATE TABLE kept_{number} AS SELECT * FROM {self.schema}.automate_core_executionrun_{number}"
                " WHERE status NOT IN ('succeeded', 'failed', 'cancelled') OR kept_at IS NOT NULL"
            ).rowcount
            run = f"SELECT id FROM {self.schema}.automate_core_executionrun_{number}"
            event = f"SELECT id FROM {self.schema}.automate_core_event_{number}"
            self.connection.execute(f"DELETE FROM run_key WHERE run_id IN ({run})")
            self.connection.execute(f"DELETE FROM event_key WHERE event_id IN ({event})")
            for table in tables.KEYS:
                self.connection.execute(f"DROP TABLE {self.schema}.automate_core_{table}_{number}")
        return -kept


def _checkpoints(jobs: list[Any]) -> dict[str, str]:
    """Parameters of the journal for runs that begin and end in one checkpoint."""
    from automate_core.ids import uuid7

    checkpoints, steps = [], []
    for job in jobs:
        run = str(uuid7())
        checkpoints.append(
            {"job": str(job[0]), "token": job[2], "run": run, "is_new": True, "workflow": 1, "version": 1,
             "event": str(job[4]), "trace_id": "a" * 32, "status": "succeeded", "wakes": 0, "started_ago": 1.0,
             "disposition": "complete", "progress": True, "parent_path": "", "depth": 0, "origin": "webhook",
             "slug": "seed", "ends": False}
        )  # fmt: skip
        steps += [
            {"run": run, "id": str(uuid7()), "path": path, "attempt": 1, "status": "succeeded", "key": uuid.uuid4().hex,
             "input": {"number": 7, "title": "Telemetry stream drops"}, "output": {"ok": True}, "started_ago": 1.0,
             "finished_ago": 0.5}
            for path in ("first", "route/hit")
        ]  # fmt: skip
    return {"checkpoints": json.dumps(checkpoints), "steps": json.dumps(steps), "worker": "bench"}


def _with_event_keys(statement: str) -> str:
    """The statement that stores events, with their delivery keys in a narrow table."""
    keys = """event_keys AS (
    INSERT INTO event_key (source, delivery_key, endpoint_id, event_id)
    SELECT source, delivery_key, endpoint_id, id FROM incoming WHERE delivery_key IS NOT NULL
    ON CONFLICT DO NOTHING RETURNING event_id
), accepted AS ("""
    conflict = "ON CONFLICT (source, delivery_key, endpoint_id) WHERE delivery_key IS NOT NULL DO NOTHING"
    known = "WHERE delivery_key IS NULL OR id IN (SELECT event_id FROM event_keys)"
    return statement.replace("accepted AS (", keys, 1).replace(conflict, known, 1)


def _with_run_keys(statement: str) -> str:
    """The statement of the journal, with (event, workflow) in a narrow table."""
    keys = """run_keys AS (
    INSERT INTO run_key (event_id, workflow_id, run_id)
    SELECT event, workflow, run FROM held_checkpoints WHERE inserts_run
    ON CONFLICT DO NOTHING RETURNING run_id
), new_runs AS ("""
    conflict = "ON CONFLICT (event_id, workflow_id) WHERE cause = 'trigger' DO NOTHING"
    before, after = statement.split("new_runs AS (", 1)
    after = after.replace(conflict, "AND run IN (SELECT run_id FROM run_keys)", 1)
    return before + keys + after


if __name__ == "__main__":
    main()

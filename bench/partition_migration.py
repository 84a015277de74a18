"""The migration of the partition experiment: what a site would do to partition its tables while it runs.

*Expand* makes the partitioned tables, the narrow tables and triggers that copy what is written meanwhile. *Backfill*
copies what was there, in batches, newest first. *Swap* exchanges the tables under one lock. Retention rests meanwhile.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

from bench import partition_tables as tables

BATCH_ROWS = 5_000  #: events, or runs with their steps and log lines
OLD = "old"

#: By what a trigger finds the copy of a row.
_KEYS = {"event": "id", "executionrun": "id", "steprun": "run_id, path, attempt", "runlog": "run_id, id"}
_OF_RUNS = ("executionrun", "steprun", "runlog")

_COPY = """
CREATE FUNCTION {schema}.copy_{table}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO {schema}.automate_core_{table} SELECT NEW.*
    ON CONFLICT ({key}) DO UPDATE SET {updates};
    {narrow}
    RETURN NEW;
END $$;
CREATE TRIGGER copy_{table} AFTER INSERT OR UPDATE ON plain.automate_core_{table}
    FOR EACH ROW EXECUTE FUNCTION {schema}.copy_{table}();
"""
_NARROW = {
    "event": "INSERT INTO {schema}.event_key SELECT NEW.source, NEW.delivery_key, NEW.endpoint_id, NEW.id"
    " WHERE NEW.delivery_key IS NOT NULL ON CONFLICT DO NOTHING;",
    "executionrun": "INSERT INTO {schema}.run_key SELECT NEW.event_id, NEW.workflow_id, NEW.id"
    " WHERE NEW.cause = 'trigger' AND NEW.event_id IS NOT NULL ON CONFLICT DO NOTHING;",
}
_BACKFILL_NARROW = {
    "event": "INSERT INTO {schema}.event_key SELECT source, delivery_key, endpoint_id, id"
    " FROM plain.automate_core_event WHERE delivery_key IS NOT NULL AND {range} ON CONFLICT DO NOTHING",
    "executionrun": "INSERT INTO {schema}.run_key SELECT event_id, workflow_id, id"
    " FROM plain.automate_core_executionrun"
    " WHERE cause = 'trigger' AND event_id IS NOT NULL AND {range} ON CONFLICT DO NOTHING",
}


class Migration:
    """From the tables as they are into `count` partitions each. Each step gives figures."""

    def __init__(self, connection: psycopg.Connection, count: int) -> None:
        self.connection = connection
        self.schema = f"p{count}"
        self._count = count
        self._stat = Path(f"/proc/{connection.info.backend_pid}/schedstat")

    def expand(self) -> dict[str, object]:
        """Make what the other steps fill; writes are copied from here on."""
        began = time.monotonic()
        tables.make_empty(self.connection, self.schema, self._count)
        self.connection.execute(
            f"CREATE UNIQUE INDEX ON {self.schema}.automate_core_runlog (run_id, id)"
        )  # for the triggers
        for table, key in _KEYS.items():
            self.connection.execute(
                _COPY.format(
                    schema=self.schema,
                    table=table,
                    key=key,
                    updates=", ".join(f"{name} = excluded.{name}" for name in self._columns(table)),
                    narrow=_NARROW.get(table, "").format(schema=self.schema),
                )
            )
        return {"figure": "expand", "tables": self.schema, "seconds": round(time.monotonic() - began, 2)}

    def backfill(self) -> dict[str, object]:
        """Copy all rows: newest first, a batch a transaction."""
        began, cpu, wal = time.monotonic(), self._cpu(), self._wal()
        rows, longest, batches = 0, 0.0, 0
        for names in (("event",), _OF_RUNS):
            for low, high in self._ranges(names[0]):
                started = time.monotonic()
                with self.connection.transaction():
                    rows += sum(self._copy(name, low, high) for name in names)
                longest, batches = max(longest, time.monotonic() - started), batches + 1
        seconds = time.monotonic() - began
        return {"figure": "backfill", "tables": self.schema, "rows": rows, "seconds": round(seconds, 1),
                "cpu_s": round(self._cpu() - cpu, 1), "wal_gb": round((self._wal() - wal) / 1e9, 2),
                "batches": batches, "longest_batch_ms": round(longest * 1000)}  # fmt: skip

    def swap(self) -> dict[str, object]:
        """Exchange the tables, as a release would, and exchange them back, as the experiment goes on."""
        self.connection.execute(f"CREATE SCHEMA {OLD}")
        held = []
        for moves in (((tables.PLAIN, OLD), (self.schema, tables.PLAIN)),
                      ((tables.PLAIN, self.schema), (OLD, tables.PLAIN))):  # fmt: skip
            with self.connection.transaction():
                self.connection.execute("SET LOCAL lock_timeout = '1s'")
                self.connection.execute(
                    f"LOCK TABLE {', '.join(f'plain.automate_core_{name}' for name in _KEYS)} IN ACCESS EXCLUSIVE MODE"
                )
                began = time.monotonic()
                for source, target in moves:
                    for name in _KEYS:
                        self.connection.execute(f"ALTER TABLE {source}.automate_core_{name} SET SCHEMA {target}")
            held.append(time.monotonic() - began)
        return {"figure": "swap", "tables": self.schema, "lock_held_ms": round(held[0] * 1000, 1)}

    def finish(self) -> dict[str, object]:
        """Compare both, and stop copying."""
        wrong = {}
        for name in _KEYS:
            counts = [
                self.connection.execute(f"SELECT count(*) FROM {schema}.automate_core_{name}").fetchone()[0]  # type: ignore[index]
                for schema in (tables.PLAIN, self.schema)
            ]
            if counts[0] != counts[1]:
                wrong[name] = counts
            self.connection.execute(f"DROP TRIGGER copy_{name} ON plain.automate_core_{name}")
        if wrong:
            raise RuntimeError(f"the copies differ: {wrong}")
        return {"figure": "compared", "tables": self.schema}

    def _columns(self, table: str) -> list[str]:
        rows = self.connection.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped",
            [f"plain.automate_core_{table}"],
        )
        return [row[0] for row in rows]

    def _ranges(self, table: str) -> Iterator[tuple[uuid.UUID | None, uuid.UUID | None]]:
        """(first id, id behind the last) of each batch; None where it has no end."""
        high: uuid.UUID | None = None
        while True:
            found = self.connection.execute(
                f"SELECT id FROM plain.automate_core_{table} WHERE %(high)s::uuid IS NULL OR id < %(high)s"
                " ORDER BY id DESC OFFSET %(rows)s LIMIT 1",
                {"high": high, "rows": BATCH_ROWS - 1},
            ).fetchone()
            low = None if found is None else found[0]
            yield low, high
            if low is None:
                return
            high = low

    def _copy(self, table: str, low: uuid.UUID | None, high: uuid.UUID | None) -> int:
        key = tables.KEYS[table]
        limits = [f"{key} >= '{low}'"] * (low is not None) + [f"{key} < '{high}'"] * (high is not None)
        condition = " AND ".join(limits) or "true"
        rows = self.connection.execute(
            f"INSERT INTO {self.schema}.automate_core_{table}"
            f" SELECT * FROM plain.automate_core_{table} WHERE {condition} ON CONFLICT DO NOTHING"
        ).rowcount
        if table in _BACKFILL_NARROW:
            self.connection.execute(_BACKFILL_NARROW[table].format(schema=self.schema, range=condition))
        return rows

    def _cpu(self) -> float:
        return int(self._stat.read_text().split()[0]) / 1e9

    def _wal(self) -> float:
        row: Any = self.connection.execute(
            "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8"
        ).fetchone()
        return float(row[0])

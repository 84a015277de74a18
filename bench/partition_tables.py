"""The tables of the partition experiment: copies of events, runs, steps and log lines in schemas of their own.

One schema has them as they are, others range-partitioned on a time-ordered id. Steps and log lines are partitioned by
the id of their run: a unique key must contain the partition key, and theirs is (run, path, attempt).
"""

from __future__ import annotations

import datetime as dt
import re
import uuid
from collections.abc import Iterator

import psycopg

KEYS = {"event": "id", "executionrun": "id", "steprun": "run_id", "runlog": "run_id"}
DAYS = 360
PLAIN = "plain"

#: What the unique indexes over other columns become.
NARROW = """
CREATE TABLE {schema}.event_key (
    source text, delivery_key text, endpoint_id bigint, event_id uuid, PRIMARY KEY (source, delivery_key, endpoint_id));
CREATE TABLE {schema}.run_key (event_id uuid, workflow_id bigint, run_id uuid, PRIMARY KEY (event_id, workflow_id));
"""
NARROW_ROWS = """
INSERT INTO {schema}.event_key SELECT source, delivery_key, endpoint_id, id FROM plain.automate_core_event;
INSERT INTO {schema}.run_key SELECT event_id, workflow_id, id FROM plain.automate_core_executionrun;
"""

_AT = f"'{{now}}'::timestamptz - interval '{DAYS} days' + n * interval '{DAYS} days' / {{rows}}"
_MILLISECONDS = f"(extract(epoch FROM {_AT}) * 1000)"
_ID = f"(lpad(to_hex({_MILLISECONDS}::bigint), 12, '0') || '7{{part}}8' || lpad(to_hex(n), 15, '0'))::uuid"
_ROWS = "generate_series(1, {rows}::bigint) AS n"
SEED = (
    f"""INSERT INTO plain.automate_core_event
    (id, source, endpoint_id, type, delivery_key, payload, headers, trace_id, received_at, subject)
SELECT {_ID.replace("{part}", "00e")}, 'webhook:seed', 1 + n % 8, 'issues', 'key-' || n, '{{payload}}'::jsonb,
    '{{}}', md5(n::text), {_AT}, '' FROM {_ROWS}""",
    f"""INSERT INTO plain.automate_core_executionrun
    (id, workflow_id, version_id, event_id, cause, origin, status, trace_id, created_at, started_at, finished_at,
     worker, seq, wakes)
SELECT {_ID.replace("{part}", "000")}, 1 + n % 64, 1, {_ID.replace("{part}", "00e")}, 'trigger', 'webhook',
    CASE WHEN n % 1000 = 1 THEN 'waiting' WHEN n % 20 = 2 THEN 'failed' ELSE 'succeeded' END, md5(n::text), {_AT},
    {_AT}, {_AT}, 'seed', 2, 0 FROM {_ROWS}""",
    f"""INSERT INTO plain.automate_core_steprun
    (id, run_id, path, attempt, status, input, output, idempotency_key, started_at, finished_at, seq)
SELECT {_ID.replace("{part}", "' || part || '")}, {_ID.replace("{part}", "000")}, path, 1, 'succeeded',
    '{{"number": 7, "title": "Telemetry stream drops"}}'::jsonb, '{{"ok": true}}'::jsonb, md5(n::text), {_AT}, {_AT}, 2
FROM {_ROWS}, (VALUES ('first', '001'), ('route/hit', '003')) AS steps(path, part)""",
    f"""INSERT INTO plain.automate_core_runlog (id, run_id, path, attempt, level, message, at, seq)
SELECT {_ID.replace("{part}", "002")}, {_ID.replace("{part}", "000")}, 'first', 1, 'info', 'Noted', {_AT}, 2
FROM {_ROWS} WHERE n % 2 = 0""",
)  # `\{{` of the JSON texts survives one format


def bounds(connection: psycopg.Connection, count: int) -> list[uuid.UUID]:
    """The `count` - 1 ids between that many partitions of the seeded time."""
    rows = connection.execute(
        "SELECT (lpad(to_hex((extract(epoch FROM now() - make_interval(days => %(days)s)"
        " + n * make_interval(days => %(days)s) / %(count)s) * 1000)::bigint), 12, '0')"
        " || '70008000000000000000')::uuid"
        " FROM generate_series(1, %(count)s - 1) AS n",
        {"days": DAYS, "count": count},
    )
    return [row[0] for row in rows]


def make_plain(connection: psycopg.Connection, rows: int, payload: str) -> None:
    """The tables as they are, filled."""
    connection.execute(f"CREATE SCHEMA {PLAIN}")
    _queue(connection, PLAIN)
    for table in KEYS:
        connection.execute(
            f"CREATE TABLE {PLAIN}.automate_core_{table} (LIKE public.automate_core_{table} INCLUDING DEFAULTS)"
        )
    now = dt.datetime.now(dt.UTC).isoformat()
    for statement in SEED:
        text = statement.replace("{now}", now).replace("{rows}", str(rows)).replace("{{", "{").replace("}}", "}")
        connection.execute(text.replace("'{payload}'", "'" + payload.replace("'", "''") + "'"))
    for table in KEYS:  # after the rows, which is faster
        for definition, _unique in _definitions(connection, f"automate_core_{table}"):
            connection.execute(definition.replace(" ON public.", f" ON {PLAIN}."))
    analyze(connection, PLAIN)


def make_partitioned(connection: psycopg.Connection, count: int) -> str:
    """The same rows in that many partitions a table; the schema's name."""
    schema = f"p{count}"
    _make_parents(connection, schema, count)
    for table, key in KEYS.items():
        name = f"automate_core_{table}"
        connection.execute(f"INSERT INTO {schema}.{name} SELECT * FROM {PLAIN}.{name}")
        _make_indexes(connection, schema, name, key)  # after the rows, which is faster
    connection.execute(NARROW_ROWS.format(schema=schema))
    analyze(connection, schema)
    return schema


def make_empty(connection: psycopg.Connection, schema: str, count: int) -> None:
    """Tables of that many partitions, with their indexes and without rows."""
    _make_parents(connection, schema, count)
    for table, key in KEYS.items():
        _make_indexes(connection, schema, f"automate_core_{table}", key)


def _make_parents(connection: psycopg.Connection, schema: str, count: int) -> None:
    connection.execute(f"CREATE SCHEMA {schema}")
    limits = ["MINVALUE", *(f"'{each}'" for each in bounds(connection, count)), "MAXVALUE"]
    for table, key in KEYS.items():
        name = f"automate_core_{table}"
        connection.execute(
            f"CREATE TABLE {schema}.{name} (LIKE public.{name} INCLUDING DEFAULTS) PARTITION BY RANGE ({key})"
        )
        for number in range(count):
            connection.execute(
                f"CREATE TABLE {schema}.{name}_{number} PARTITION OF {schema}.{name}"
                f" FOR VALUES FROM ({limits[number]}) TO ({limits[number + 1]})"
            )
    _queue(connection, schema)
    connection.execute(NARROW.format(schema=schema))


def _make_indexes(connection: psycopg.Connection, schema: str, name: str, key: str) -> None:
    for statement in _indexes(connection, name, key):
        connection.execute(statement.replace(f"ON public.{name}", f"ON {schema}.{name}"))


def _indexes(connection: psycopg.Connection, name: str, key: str) -> Iterator[str]:
    """The definitions of a table's indexes. Those that cannot be unique without the partition key are not."""
    for definition, unique in _definitions(connection, name):
        columns = re.search(r"USING \w+ \((.*?)\)(?: WHERE|$| INCLUDE)", definition)
        if unique and not (columns and key in columns[1].split(", ")):
            definition = definition.replace("CREATE UNIQUE INDEX", "CREATE INDEX")
            if "delivery_key" in definition:
                continue  # the narrow table answers this; screens need runs by their event
        yield re.sub(r"INDEX \S+ ON", "INDEX ON", definition)


def _definitions(connection: psycopg.Connection, name: str) -> list[tuple[str, bool]]:
    """The definitions of a table's indexes, and whether they are unique."""
    return connection.execute(
        "SELECT pg_get_indexdef(indexrelid), indisunique FROM pg_index WHERE indrelid = %s::regclass",
        [f"public.{name}"],
    ).fetchall()


def _queue(connection: psycopg.Connection, schema: str) -> None:
    connection.execute(
        f"CREATE TABLE {schema}.automate_core_outboxjob (LIKE public.automate_core_outboxjob INCLUDING ALL)"
    )


def analyze(connection: psycopg.Connection, schema: str) -> None:
    """Vacuum and analyze its tables."""
    for table in KEYS:
        connection.execute(f"VACUUM ANALYZE {schema}.automate_core_{table}")


def sizes(connection: psycopg.Connection) -> dict[str, object]:
    """Rows and gigabytes of the tables as they are, with their indexes."""
    rows, size = connection.execute(
        "SELECT sum(reltuples)::bigint, sum(pg_total_relation_size(oid))::bigint FROM pg_class"
        " WHERE relnamespace = %s::regnamespace AND relname = ANY(%s)",
        [PLAIN, [f"automate_core_{table}" for table in KEYS]],
    ).fetchone()  # type: ignore[misc]
    return {"rows": rows, "gb": round(size / 1e9, 2)}


def foreign_keys(connection: psycopg.Connection) -> int:
    """How many foreign keys the site's schema has from or to these tables."""
    [number] = connection.execute(
        "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND (conrelid = ANY(%(tables)s::regclass[])"
        " OR confrelid = ANY(%(tables)s::regclass[]))",
        {"tables": [f"public.automate_core_{table}" for table in KEYS]},
    ).fetchone()  # type: ignore[misc]
    return int(number)

"""A history of every state that jobs, runs, steps and waits went through, written by PostgreSQL itself.

What the tables hold in the end cannot show that a job was claimed twice at once or that a final state was left for a
while: triggers of the tests write each change down, in the order in which the rows were changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import class_row

TABLES = {"job": "outboxjob", "run": "executionrun", "step": "steprun", "wait": "wait"}

INSTALL = """
CREATE TABLE fault_history (
    position bigserial PRIMARY KEY, kind text NOT NULL, id uuid NOT NULL, before jsonb, after jsonb NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(), clock timestamptz NOT NULL DEFAULT automate_now());
CREATE FUNCTION fault_history_write() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    kept text[] := ARRAY['status', 'token', 'attempts', 'crashes', 'worker', 'suspect', 'lease_until', 'run_id', 'seq',
        'workflow_id', 'slot_key', 'admitted'];
    before jsonb := CASE WHEN TG_OP = 'UPDATE' THEN (
        SELECT jsonb_object_agg(key, value) FROM jsonb_each(to_jsonb(OLD)) WHERE key = ANY(kept)) END;
BEGIN
    INSERT INTO fault_history (kind, id, before, after) SELECT TG_ARGV[0], NEW.id, before, (
        SELECT jsonb_object_agg(key, value) FROM jsonb_each(to_jsonb(NEW)) WHERE key = ANY(kept));
    RETURN NULL;
END $$;
""" + "".join(
    f"CREATE TRIGGER fault_history AFTER INSERT OR UPDATE ON automate_core_{table}"
    f" FOR EACH ROW EXECUTE FUNCTION fault_history_write('{kind}');\n"
    for kind, table in TABLES.items()
)

REMOVE = (
    "".join(f"DROP TRIGGER IF EXISTS fault_history ON automate_core_{table};\n" for table in TABLES.values())
    + "DROP FUNCTION IF EXISTS fault_history_write; DROP TABLE IF EXISTS fault_history;"
)


@dataclass(frozen=True, slots=True)
class Change:
    """A row before (None when it was made) and after. `clock` is what leases were judged by at that moment."""

    position: int
    kind: str
    id: Any
    before: dict[str, Any] | None
    after: dict[str, Any]
    at: Any
    clock: Any

    @property
    def claims(self) -> bool:
        """Whether this is a worker taking a job."""
        return self.kind == "job" and self.before is not None and self.after["token"] != self.before["token"]


def changes(connection: psycopg.Connection[Any], kind: str) -> Iterator[Change]:
    """All changes of one kind of rows, in order."""
    with connection.cursor(row_factory=class_row(Change)) as cursor:
        yield from cursor.execute("SELECT * FROM fault_history WHERE kind = %s ORDER BY position", [kind])

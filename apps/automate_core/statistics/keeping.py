"""How long statistics are kept: days as the setting says; hours and failures for two months, as far as screens look."""

from __future__ import annotations

from collections.abc import Iterator

from automate_core import database
from automate_core.conf import setting

HOURS_KEPT_DAYS = 62
BATCH = 5_000

_BEFORE = "automate_now() - interval '{} days'"
_RUN_BEFORE = (
    "(lpad(to_hex((extract(epoch FROM {}) * 1000)::bigint), 12, '0') || '70008000000000000000')::uuid"  # RFC 9562
)
_MEASURED = "measure IN ('took', 'queued')"  # the column between, in the index
_DELETE = """
WITH old AS (
    SELECT {key} FROM automate_core_{table} WHERE {which} LIMIT {most} FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM automate_core_{table} WHERE {key} IN (SELECT {key} FROM old) RETURNING 1
)
SELECT count(*) AS rows FROM gone
"""


def due() -> str:
    """SQL: whether there is something that is too old."""
    return " OR ".join(f"EXISTS (SELECT FROM automate_core_{table} WHERE {which})" for table, _, which in _too_old())


def prune() -> float | None:
    """Let go of a batch of each; gives 0 when there may be more."""
    gone = [
        database.run(None, _DELETE.format(table=table, key=key, which=which, most=BATCH), {})[0].rows
        for table, key, which in _too_old()
    ]
    return 0.0 if BATCH in gone else None


def _too_old() -> Iterator[tuple[str, str, str]]:
    """(table, its key, which of its rows), each found by an index."""
    before = _BEFORE.format(HOURS_KEPT_DAYS)
    yield "runcount", "id", f"span = 'hour' AND at < {before}"
    yield "runtime", "id", f"span = 'hour' AND {_MEASURED} AND at < {before}"
    yield "failurecount", "id", f"at < {before}"
    yield "failedrun", "run_id", f"run_id < {_RUN_BEFORE.format(before)}"
    yield "failuregroup", "id", f"last_at < {before}"
    yield "queuelevel", "at", f"at < {before}"
    if days := max(int(setting("AUTOMATE_STATISTICS_DAYS")), 0):
        day = _BEFORE.format(max(days, HOURS_KEPT_DAYS))
        yield "runcount", "id", f"span = 'day' AND at < {day}"
        yield "runtime", "id", f"span = 'day' AND {_MEASURED} AND at < {day}"

"""Pools as an operator sees them: who performs, what waits, since when, and in which versions."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from automate_core import database
from automate_core.engine.effects.executor_pools import PoolError, code_version, declared_pools, live_consumers

_BACKLOG = """
SELECT pool, count(*) FILTER (WHERE claimed_at IS NULL) AS waiting, count(claimed_at) AS performing,
    coalesce(extract(epoch FROM automate_now() - min(created_at) FILTER (WHERE claimed_at IS NULL)), 0)::float8 AS age,
    min(created_at) FILTER (WHERE claimed_at IS NULL) AS oldest_at,
    count(*) FILTER (WHERE refused_at > automate_now() - interval '1 minute') AS refused
FROM automate_core_handedoutstep GROUP BY pool
"""


@dataclass(frozen=True, kw_only=True)
class PoolState:
    """A declared pool, or one that steps wait for although it is not declared.

    `consumers` is None where the executor does not report them. `waiting` steps have no performer yet, the oldest since
    `oldest_at`, for `age` seconds. `refused` counts refusals by performers of another version within the last minute.
    """

    name: str
    executor: str
    is_local: bool
    consumers: int | None
    slots: int
    versions: tuple[str, ...]
    waiting: int
    performing: int
    age: float
    oldest_at: dt.datetime | None
    refused: int

    @property
    def is_declared(self) -> bool:
        """Whether the settings declare it."""
        return bool(self.executor)

    @property
    def is_unserved(self) -> bool:
        """Whether no consumer performs its steps."""
        return not self.is_declared or (not self.is_local and self.consumers == 0)

    @property
    def is_mixed(self) -> bool:
        """Whether a consumer has another code version than this process."""
        return any(version != code_version() for version in self.versions)


def read_pools() -> list[PoolState]:
    """All pools by name; two queries. Raises PoolError and psycopg.Error."""
    declared = declared_pools()
    backlog = {row.pool: row for row in database.run(None, _BACKLOG, {})}
    served = live_consumers()
    states = []
    for name in sorted({*declared, *backlog}):
        pool, waiting, serving = declared.get(name), backlog.get(name), served.get(name)
        reports = pool is not None and not pool.is_local and pool.executor.reports_consumers
        states.append(
            PoolState(
                name=name,
                executor=str(pool.executor.name) if pool else "",
                is_local=pool is not None and pool.is_local,
                consumers=(int(serving.consumers) if serving else 0) if reports else None,
                slots=int(serving.slots) if serving else 0,
                versions=tuple(serving.versions) if serving else (),
                waiting=waiting.waiting if waiting else 0,
                performing=waiting.performing if waiting else 0,
                age=waiting.age if waiting else 0.0,
                oldest_at=waiting.oldest_at if waiting else None,
                refused=waiting.refused if waiting else 0,
            )
        )
    return states


def read_unserved_pools() -> list[PoolState]:
    """Pools without consumers that steps wait for; one query where no step is handed out. Raises psycopg.Error."""
    if not database.run(None, "SELECT id FROM automate_core_handedoutstep LIMIT 1", {}):
        return []
    try:
        return [state for state in read_pools() if state.is_unserved and state.waiting]
    except PoolError:
        return []


def unserved_pools() -> list[str]:
    """Names of these pools. Raises psycopg.Error."""
    return [state.name for state in read_unserved_pools()]

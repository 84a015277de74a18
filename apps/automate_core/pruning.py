"""What is kept for some days and then let go: counts of refused deliveries, and the ledger of model calls.

Both are deleted in small transactions, oldest first; whoever looks at the same time takes other rows.
"""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.db import connection, transaction

from automate_core.conf import setting

BATCH = 5_000
LEAST_USAGE_DAYS = 62  #: budgets add up the days of a month

_BEFORE = "(automate_now() AT TIME ZONE 'UTC')::date - {days}"
_DELETE = """
DELETE FROM {table} WHERE id IN (
    SELECT id FROM {table} WHERE day < {before} ORDER BY day LIMIT {batch} FOR UPDATE SKIP LOCKED)
"""


def refusals_due() -> str:
    """SQL: whether there are counts of refusals that are too old."""
    return _due("automate_core_refuseddeliveries", _days("AUTOMATE_REFUSED_DAYS"))


def usage_due() -> str:
    """SQL: whether there are model calls that are too old."""
    return _due("automate_llm_llmusage", _usage_days())


def prune_refusals() -> float | None:
    """Let go of a batch; gives 0 when there may be more."""
    return _prune("automate_core_refuseddeliveries", _days("AUTOMATE_REFUSED_DAYS"))


def prune_usage() -> float | None:
    """Let go of a batch; gives 0 when there may be more."""
    return _prune("automate_llm_llmusage", _usage_days())


def _days(name: str) -> int:
    value: Any = setting(name)
    return max(int(value), 0)


def _usage_days() -> int:
    days = _days("AUTOMATE_LLM_USAGE_DAYS") if apps.is_installed("automate_llm") else 0
    return max(days, LEAST_USAGE_DAYS) if days else 0


def _due(table: str, days: int) -> str:
    """0 days are for ever."""
    return f"EXISTS (SELECT FROM {table} WHERE day < {_BEFORE.format(days=days)})" if days else "false"


def _prune(table: str, days: int) -> float | None:
    if not days:
        return None
    statement = _DELETE.format(table=table, before=_BEFORE.format(days=days), batch=BATCH)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
        return 0.0 if cursor.rowcount >= BATCH else None

"""Waits for a connection: when it works again, all its waiting steps continue in one transaction.

A worker opens such a wait when the connection needs a person. When the connection was repaired before the wait was
stored, the maintenance task resolves it.
"""

from __future__ import annotations

from typing import Any

from django.db import transaction

from automate_connectors.models import Connection
from automate_core import database
from automate_core.outbox import notify
from automate_core.outbox.lifecycle import ADVANCE_JOBS
from automate_core.runs.waits.resolution import RESOLVE_WAITS

_RESUME = f"""
WITH resolvable_waits AS MATERIALIZED (
    SELECT wait.id, wait.run_id, jsonb_build_object('outcome', 'reconnected') AS outcome FROM automate_core_wait wait
    WHERE wait.status = 'open' AND wait.kind = 'reconnect' AND {{which}}
), {RESOLVE_WAITS}, advance_jobs AS ({ADVANCE_JOBS})
SELECT count(*) AS resumed FROM resolved_waits
"""  # noqa: S608 - one of our own texts inside another

_THIS_ONE = "wait.data->>'connection' = %(slug)s"
_MENDED = """NOT EXISTS (
    SELECT FROM automate_connectors_connection c
    WHERE c.slug = wait.data->>'connection' AND c.health = 'reconnect')"""

#: SQL: whether `resolve_missed_waits` has work.
DUE = f"""EXISTS (
    SELECT FROM automate_core_wait wait WHERE wait.kind = 'reconnect' AND wait.status = 'open' AND {_MENDED})"""


def resume_waiting_steps(sender: Any, connection: Connection, **_: Any) -> None:
    """Resolve all waits for this connection. A receiver of `health.recovered`, in its transaction."""
    with transaction.atomic():
        database.run(None, _RESUME.format(which=_THIS_ONE), {"slug": connection.slug})
    notify.after_commit()


def resolve_missed_waits() -> float | None:
    """Resolve waits whose connection was repaired or deleted before they were stored: a maintenance task."""
    with transaction.atomic():
        database.run(None, _RESUME.format(which=_MENDED), {})
    notify.after_commit()
    return None

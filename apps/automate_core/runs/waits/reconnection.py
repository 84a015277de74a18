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

# Runs are locked in the order of their ids, which is from parent to child: an id is made after its parent's.
_RESUME = f"""
WITH resolvable_waits AS MATERIALIZED (
    SELECT wait.id, wait.run_id FROM automate_core_wait wait
    WHERE wait.status = 'open' AND wait.kind = 'reconnect' AND {{which}}
), locked_runs AS MATERIALIZED (
    SELECT id, seq FROM automate_core_executionrun WHERE id IN (SELECT run_id FROM resolvable_waits)
    ORDER BY id FOR NO KEY UPDATE
), resolved_waits AS (
    UPDATE automate_core_wait wait
    SET status = 'resolved', resolved_at = automate_now(), seq = locked_runs.seq + 1,
        outcome = jsonb_build_object('outcome', 'reconnected')
    FROM resolvable_waits resolvable JOIN locked_runs ON locked_runs.id = resolvable.run_id
    WHERE wait.id = resolvable.id AND wait.status = 'open'
    RETURNING wait.run_id
), woken_runs AS (
    UPDATE automate_core_executionrun run SET wakes = run.wakes + 1, seq = run.seq + 1
    WHERE run.id IN (SELECT run_id FROM resolved_waits)
    RETURNING run.id, run.event_id, run.workflow_id, run.priority
), advance_jobs AS ({ADVANCE_JOBS})
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

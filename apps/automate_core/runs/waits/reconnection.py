"""Steps that wait for a connection: once it works again, or may, all of them go on in one transaction.

Who opens such a wait read that the connection needs a person. If somebody mended it before the wait was written, the
chore finds it.
"""

from __future__ import annotations

from typing import Any

from django.db import transaction

from automate_connectors.models import Connection
from automate_core import database
from automate_core.outbox import notify
from automate_core.outbox.store import ADVANCE

# Runs are locked in the order of their ids, which is from parent to child: an id is made after its parent's.
_RESUME = f"""
WITH parked AS MATERIALIZED (
    SELECT wait.id, wait.run_id FROM automate_core_wait wait
    WHERE wait.status = 'open' AND wait.kind = 'reconnect' AND {{which}}
), runs AS MATERIALIZED (
    SELECT id, seq FROM automate_core_executionrun WHERE id IN (SELECT run_id FROM parked)
    ORDER BY id FOR NO KEY UPDATE
), closed AS (
    UPDATE automate_core_wait wait
    SET status = 'resolved', resolved_at = automate_now(), seq = runs.seq + 1,
        outcome = jsonb_build_object('outcome', 'reconnected')
    FROM parked JOIN runs ON runs.id = parked.run_id
    WHERE wait.id = parked.id AND wait.status = 'open'
    RETURNING wait.run_id
), woken AS (
    UPDATE automate_core_executionrun run SET wakes = run.wakes + 1, seq = run.seq + 1
    WHERE run.id IN (SELECT run_id FROM closed)
    RETURNING run.id, run.event_id, run.workflow_id, run.priority
), advance AS ({ADVANCE})
SELECT count(*) AS resumed FROM closed
"""  # noqa: S608 - one of our own texts inside another

_THIS_ONE = "wait.data->>'connection' = %(slug)s"
_MENDED = """NOT EXISTS (
    SELECT FROM automate_connectors_connection c
    WHERE c.slug = wait.data->>'connection' AND c.health = 'reconnect')"""

#: SQL: whether `release` has something to do.
DUE = f"""EXISTS (
    SELECT FROM automate_core_wait wait WHERE wait.kind = 'reconnect' AND wait.status = 'open' AND {_MENDED})"""


def resume(sender: Any, connection: Connection, **_: Any) -> None:
    """Have every step go on that waits for this connection. A receiver of `health.recovered`, in its transaction."""
    with transaction.atomic():
        database.run(None, _RESUME.format(which=_THIS_ONE), {"slug": connection.slug})
    notify.after_commit()


def release() -> float | None:
    """The same for steps whose connection was mended, or removed, while they were being parked."""
    with transaction.atomic():
        database.run(None, _RESUME.format(which=_MENDED), {})
    notify.after_commit()
    return None

"""Resolution of waits: lock the run, close the wait and wake the run, in one transaction.

Rows are locked in one order everywhere: parent run, run, waits, job.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

from automate_core import database
from automate_core.models import ExecutionRun, Wait
from automate_core.outbox import notify
from automate_core.outbox.lifecycle import ADVANCE_JOBS
from automate_core.states import WAIT_EDGES, WaitStatus, move
from automate_governance.redaction.redactor import MIN_STRONG_LENGTH, redact

WAKE = f"""
WITH woken_runs AS (
    UPDATE automate_core_executionrun SET wakes = wakes + 1
    WHERE id = ANY(%(runs)s) AND status IN ('queued', 'running', 'waiting')
    RETURNING id, event_id, workflow_id, priority
)
{ADVANCE_JOBS}"""  # noqa: S608 - one of our own texts inside another

#: Parts of a WITH: the open `resolvable_waits` (id, run_id, outcome) become the `resolved_waits`, and their runs the
#: `woken_runs`. Runs are locked in the order of their ids, from parent to child: an id is made after its parent's.
RESOLVE_WAITS = """locked_runs AS MATERIALIZED (
    SELECT id, seq FROM automate_core_executionrun WHERE id IN (SELECT run_id FROM resolvable_waits)
    ORDER BY id FOR NO KEY UPDATE
), resolved_waits AS (
    UPDATE automate_core_wait wait
    SET status = 'resolved', outcome = resolvable.outcome, resolved_at = automate_now(), seq = locked_runs.seq + 1
    FROM resolvable_waits resolvable JOIN locked_runs ON locked_runs.id = resolvable.run_id
    WHERE wait.id = resolvable.id AND wait.status = 'open'
    RETURNING wait.run_id
), woken_runs AS (
    UPDATE automate_core_executionrun run SET wakes = run.wakes + 1, seq = run.seq + 1
    WHERE run.id IN (SELECT run_id FROM resolved_waits)
    RETURNING run.id, run.event_id, run.workflow_id, run.priority
)"""


def lock_run(run_id: uuid.UUID) -> ExecutionRun | None:
    """Lock a run after its parent; None when it was deleted. Call it in a transaction."""
    runs = ExecutionRun.objects.select_for_update(no_key=True)
    parent = ExecutionRun.objects.filter(pk=run_id).values_list("parent", flat=True).first()
    if parent is not None:
        runs.filter(pk=parent).first()
    return runs.filter(pk=run_id).first()


def resolve_wait(wait: Wait, run: ExecutionRun, outcome: Any) -> None:
    """Resolve an open wait of a locked run, and wake the run."""
    run.seq += 1
    run.save(update_fields=["seq"])
    outcome = redact(outcome, patterns=False, at_least=MIN_STRONG_LENGTH)
    wait.status, wait.outcome, wait.seq = move(WAIT_EDGES, wait.status, WaitStatus.RESOLVED), outcome, run.seq
    wait.resolved_at = database.AutomateNow()
    wait.save(update_fields=["status", "outcome", "resolved_at", "seq"])
    wait.refresh_from_db(fields=["resolved_at"])
    wake_runs([run.pk])


def wake_runs(run_ids: Iterable[uuid.UUID]) -> None:
    """Create a job for each of these locked runs, or make its job due now. Ended runs stay as they are."""
    database.run(None, WAKE, {"runs": list(run_ids)})
    notify.after_commit()

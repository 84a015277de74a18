"""Concurrency limits: which of the runs that share a key may run, decided in the database under a lock.

A run of a limited workflow is created waiting, not admitted, with an open wait of kind `slot` whose data is `{"limit":
n, "policy": ...}`. Code that creates or ends such a run calls `admit_after_commit`; `admit_all` finds the runs that a
crash left waiting.
"""

from __future__ import annotations

import uuid
from functools import partial

from django.db import connection, transaction
from django.db.models import QuerySet

from automate_core import database
from automate_core.definition.document import DefinitionError
from automate_core.definition.parsing import parse
from automate_core.engine.program import compile_limit
from automate_core.events.scope import event_scope
from automate_core.expressions.json_path import TemplateError
from automate_core.models import ExecutionRun, Wait
from automate_core.runs.cancellation import cancel_run
from automate_core.runs.waits import resolution
from automate_core.states import FINAL_RUN_STATES, RunStatus, WaitStatus
from automate_plugins import text

BATCH = 100

SKIPPED = ("skipped", text("Not run: the concurrency limit was reached."))
SUPERSEDED = ("superseded", text("Cancelled: a newer run replaced it."))

# Keys whose newest waiting run can be admitted or has a policy other than `queue`.
# Skips from key to key by the index `runs_in_slots`: the number of waiting runs does not matter.
_KEYS = """
WITH RECURSIVE keys AS (
    (SELECT workflow_id, slot_key FROM automate_core_executionrun
     WHERE slot_key IS NOT NULL AND status IN ('queued', 'running', 'waiting')
     ORDER BY workflow_id, slot_key LIMIT 1)
    UNION ALL
    SELECT following.workflow_id, following.slot_key FROM keys, LATERAL (
        SELECT workflow_id, slot_key FROM automate_core_executionrun
        WHERE slot_key IS NOT NULL AND status IN ('queued', 'running', 'waiting')
            AND (workflow_id, slot_key) > (keys.workflow_id, keys.slot_key)
        ORDER BY workflow_id, slot_key LIMIT 1) following
)
SELECT keys.workflow_id, keys.slot_key FROM keys, LATERAL (
    SELECT (wait.data->>'limit')::int AS most, wait.data->>'policy' AS policy
    FROM automate_core_executionrun run
    JOIN automate_core_wait wait ON wait.run_id = run.id AND wait.kind = 'slot' AND wait.status = 'open'
    WHERE run.workflow_id = keys.workflow_id AND run.slot_key = keys.slot_key
        AND run.status = 'waiting' AND NOT run.admitted
    ORDER BY run.id DESC LIMIT 1) newest
WHERE newest.policy <> 'queue' OR newest.most > (
    SELECT count(*) FROM (
        SELECT FROM automate_core_executionrun
        WHERE workflow_id = keys.workflow_id AND slot_key = keys.slot_key
            AND status IN ('queued', 'running', 'waiting') AND admitted
        LIMIT newest.most) counted)
"""

#: SQL: whether `admit_all` has work.
DUE = f"EXISTS ({_KEYS})"


def admit_waiting_runs(workflow_id: int, slot_key: str) -> int:
    """Admit the waiting runs of a key as the newest one's limit and policy allow; returns their number.

    Call it outside any transaction: it holds the lock on the key only briefly.
    """
    admitted = 0
    while True:
        count, code, message, surplus = _admit(workflow_id, slot_key)
        admitted += count
        if not surplus:
            return admitted
        for run_id in surplus:
            # a run admitted meanwhile is not skipped, but may be superseded
            cancel_run(run_id, code=code, message=message, unless=_is_admitted if code == SKIPPED[0] else None)


def start_or_queue(run: ExecutionRun) -> None:
    """Queue a locked run: at once, or when a slot is free if its version has a concurrency limit."""
    try:
        definition = parse(run.version.definition)
        limit = compile_limit(definition.concurrency)
    except (DefinitionError, TemplateError):
        limit = None  # the run fails with this error when it starts
    if limit is None:
        resolution.wake_runs([run.pk])
        return
    run.slot_key, run.admitted = limit.key_for(event_scope(run.event), definition.vars), False
    run.status = RunStatus.WAITING
    run.save(update_fields=["slot_key", "admitted", "status"])
    terms = {"limit": limit.limit, "policy": limit.policy}
    Wait.objects.create(run=run, path="", kind=Wait.Kind.SLOT, data=terms, seq=run.seq)
    admit_after_commit(run)


def admit_after_commit(run: ExecutionRun) -> None:
    """Admit runs with the run's key after the commit that created or ended it."""
    if run.slot_key is not None:
        transaction.on_commit(partial(admit_waiting_runs, run.workflow_id, run.slot_key))


def admit_all() -> float | None:
    """Admit runs of all keys that have free slots, at most `BATCH` keys; returns 0 when there may be more."""
    keys = database.run(None, f"{_KEYS} LIMIT {BATCH}", {})
    for key in keys:
        admit_waiting_runs(key.workflow_id, key.slot_key)
    return 0.0 if len(keys) == BATCH else None


@transaction.atomic(durable=True)
def _admit(workflow_id: int, slot_key: str) -> tuple[int, str, str, list[uuid.UUID]]:
    """Return (number of admitted runs, code, message and ids of the runs to cancel first)."""
    with connection.cursor() as cursor:
        name = f"automate slot {workflow_id} {slot_key}"
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])
    runs = ExecutionRun.objects.filter(workflow=workflow_id, slot_key=slot_key).exclude(status__in=FINAL_RUN_STATES)
    waiting = runs.filter(
        status=RunStatus.WAITING, admitted=False, waits__kind=Wait.Kind.SLOT, waits__status=WaitStatus.OPEN
    )
    newest = waiting.order_by("-id").values_list("waits__data", flat=True).first()
    if newest is None:
        return 0, "", "", []
    room = newest["limit"] - runs.filter(admitted=True).count()
    if newest["policy"] == "cancel_older":
        kept = list(_admitted_or(waiting, runs).order_by("-id").values_list("pk", flat=True)[: newest["limit"]])
        older = _admitted_or(waiting, runs).exclude(pk__in=kept).order_by("id")
        if surplus := list(older.values_list("pk", flat=True)[:BATCH]):
            return 0, *SUPERSEDED, surplus
    count = _admit_oldest(waiting, room)
    if newest["policy"] == "skip":
        return count, *SKIPPED, list(waiting.order_by("id").values_list("pk", flat=True)[:BATCH])
    return count, "", "", []


def _admitted_or(waiting: QuerySet[ExecutionRun], runs: QuerySet[ExecutionRun]) -> QuerySet[ExecutionRun]:
    return ExecutionRun.objects.filter(pk__in=waiting.values("pk")) | runs.filter(admitted=True)


def _admit_oldest(waiting: QuerySet[ExecutionRun], room: int) -> int:
    """Admit the oldest runs that still wait once they are locked; returns their number."""
    if room <= 0:
        return 0
    oldest = list(waiting.order_by("id").values_list("pk", flat=True)[:room])
    locked = ExecutionRun.objects.select_for_update(no_key=True).filter(pk__in=oldest, status=RunStatus.WAITING)
    chosen = list(locked.order_by("id").values_list("pk", flat=True))
    ExecutionRun.objects.filter(pk__in=chosen).update(admitted=True)
    Wait.objects.filter(run__in=chosen, kind=Wait.Kind.SLOT, status=WaitStatus.OPEN).update(
        status=WaitStatus.RESOLVED, resolved_at=database.AutomateNow()
    )
    resolution.wake_runs(chosen)
    return len(chosen)


def _is_admitted(run: ExecutionRun) -> bool:
    return run.admitted

"""Cancelling runs: everything that a run would still do is withdrawn in one transaction."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from django.db import transaction

from automate_core import wakeups, waking
from automate_core.database import AutomateNow
from automate_core.definition import ActionStep, DefinitionError, parse, walk
from automate_core.ingest import EventIngestor, NewEvent
from automate_core.models import ActiveTrigger, EndedRun, ExecutionRun, OutboxJob, StepRun, Wait
from automate_core.states import (
    FINAL_RUN_STATES,
    RUN_EDGES,
    JobStatus,
    RunStatus,
    StepStatus,
    WaitStatus,
    move,
)
from automate_core.step_paths import key_of
from automate_core.triggers import DEPTH_HEADER
from automate_governance.redaction import redactor


@transaction.atomic
def cancel_run(
    run_id: uuid.UUID, *, code: str, message: str, unless: Callable[[ExecutionRun], bool] | None = None
) -> list[ExecutionRun]:
    """Cancel a run with the runs that it waits for, and give them; none when it has ended, or when `unless` says so.

    A worker that holds the run learns of it at its next checkpoint, and records how the attempts that it has begun
    came out. `unless` is asked about the locked run.
    """
    run = waking.lock(run_id)
    if run is None or run.status in FINAL_RUN_STATES or (unless is not None and unless(run)):
        return []
    cancelled = list(_cancel(run, {"code": code, "message": redactor.text(message)}))
    _tell_caller(run)
    wakeups.look()
    return cancelled


def _cancel(run: ExecutionRun, error: dict[str, Any]) -> Iterator[ExecutionRun]:
    """Cancel a locked run, then the runs that it waits for: locks are only ever taken from parent to child."""
    run.status, run.error, run.seq = move(RUN_EDGES, run.status, RunStatus.CANCELLED), error, run.seq + 1
    run.finished_at = AutomateNow()
    run.save(update_fields=["status", "error", "seq", "finished_at"])
    run.refresh_from_db(fields=["finished_at"])
    waits = Wait.objects.filter(run=run, status=WaitStatus.OPEN)
    called = dict(waits.filter(kind=Wait.Kind.CHILD).values_list("path", "data"))
    waits.update(status=WaitStatus.CANCELLED, resolved_at=AutomateNow(), seq=run.seq)
    jobs = OutboxJob.objects.filter(run=run, kind=OutboxJob.Kind.ADVANCE)
    jobs.filter(status=JobStatus.READY).update(status=JobStatus.COMPLETED)
    _end_attempts(run, held=jobs.filter(status=JobStatus.LEASED, lease_until__gt=AutomateNow()).exists())
    if run.cause != ExecutionRun.Cause.TEST:
        EndedRun.objects.create(run=run)
        _say(run)
    yield run
    events = [data["event"] for data in called.values() if data]
    OutboxJob.objects.filter(event__in=events, kind=OutboxJob.Kind.DISPATCH, status=JobStatus.READY).update(
        status=JobStatus.COMPLETED
    )
    children = ExecutionRun.objects.select_for_update(no_key=True).filter(parent=run, parent_path__in=called)
    for child in children.exclude(status__in=FINAL_RUN_STATES).order_by("id") if called else ():
        yield from _cancel(child, {**error, "message": "The run that waited for it was cancelled."})


def _end_attempts(run: ExecutionRun, *, held: bool) -> None:
    """Close what waits and, when no worker holds the run, what runs. A worker closes the actions that it began."""
    steps = StepRun.objects.filter(run=run, status__in=[StepStatus.RUNNING, StepStatus.WAITING])
    actions = _actions(run) if held else set()
    ended = [
        pk
        for pk, path, status in steps.values_list("pk", "path", "status")
        if not (held and status == StepStatus.RUNNING and key_of(path) in actions)
    ]
    steps.filter(pk__in=ended).update(status=StepStatus.CANCELLED, finished_at=AutomateNow(), seq=run.seq)


def _actions(run: ExecutionRun) -> set[str]:
    """The keys of the steps that reach outside."""
    try:
        definition = parse(run.version.definition)
    except DefinitionError:
        return set()  # nothing of a version that cannot be read is ever begun
    return {step.key for _, step in walk(definition.steps) if isinstance(step, ActionStep)}


def _say(run: ExecutionRun) -> None:
    """Tell the workflows that start at the end of this one's runs."""
    source = f"run:{run.workflow.slug}"
    if ActiveTrigger.objects.filter(source=source).exists():
        ended = {"run": run.pk, "workflow": run.workflow.slug, "status": run.status, "error": run.error}
        EventIngestor().ingest(
            NewEvent(
                source=source,
                type=run.status,
                payload=msgspec.json.encode(ended).decode(),
                delivery_key=str(run.pk),
                headers={DEPTH_HEADER: str(run.depth + 1)},
                trace_id=run.trace_id,
            )
        )


def _tell_caller(run: ExecutionRun) -> None:
    """The run that waits for this one goes on, with its end as the answer."""
    if run.parent_id is None:
        return
    asked = Wait.objects.filter(
        run=run.parent_id, path=run.parent_path, kind=Wait.Kind.CHILD, status=WaitStatus.OPEN
    ).first()
    parent = ExecutionRun.objects.filter(pk=run.parent_id).exclude(status__in=FINAL_RUN_STATES).first()
    if asked is not None and parent is not None:
        outcome = {"run": str(run.pk), "status": run.status, "output": None, "error": run.error}
        waking.close(asked, parent, outcome)

"""Cancellation of runs, with their open waits, jobs and sub-runs, in one transaction."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

from django.db import transaction

from automate_core.database import AutomateNow
from automate_core.definition.document import ActionStep, DefinitionError
from automate_core.definition.parsing import parse
from automate_core.definition.slots import walk
from automate_core.definition.step_paths import key_of
from automate_core.engine.journal import clean_error
from automate_core.models import ExecutionRun, OutboxJob, StepRun, Wait
from automate_core.outbox import lifecycle, notify
from automate_core.runs.waits import resolution, sub_run_outcomes
from automate_core.states import (
    FINAL_RUN_STATES,
    RUN_EDGES,
    JobStatus,
    RunStatus,
    StepStatus,
    WaitStatus,
    move,
)
from automate_governance.redaction.redactor import current_redactor
from automate_plugins import text


@transaction.atomic
def cancel_run(
    run_id: uuid.UUID, *, code: str, message: str, unless: Callable[[ExecutionRun], bool] | None = None
) -> list[ExecutionRun]:
    """Cancel a run and its sub-runs; returns those cancelled, none when it has ended or `unless(run)` is true.

    A worker that holds the run finds out at its next checkpoint, and records the outcome of the attempts in progress.
    `unless` is called with the locked run.
    """
    run = resolution.lock_run(run_id)
    if run is None or run.status in FINAL_RUN_STATES or (unless is not None and unless(run)):
        return []
    cancelled = list(_cancel(run, clean_error({"code": code, "message": message}, current_redactor())))
    if run.parent_id is not None:
        sub_run_outcomes.resolve_wait_for(run.pk)
    notify.poll_runs()
    return cancelled


def _cancel(run: ExecutionRun, error: dict[str, Any]) -> Iterator[ExecutionRun]:
    """Cancel a locked run, then its sub-runs: locks are taken only from parent to sub-run."""
    calls = Wait.objects.filter(run=run, status=WaitStatus.OPEN, kind=Wait.Kind.CHILD)
    called = dict(calls.values_list("path", "data"))
    jobs = OutboxJob.objects.filter(run=run, kind=OutboxJob.Kind.ADVANCE)
    jobs.filter(status=JobStatus.READY).update(status=JobStatus.COMPLETED)
    is_held = jobs.filter(status=JobStatus.LEASED, lease_until__gt=AutomateNow()).exists()
    lifecycle.end_run(
        run.pk,
        move(RUN_EDGES, run.status, RunStatus.CANCELLED),
        error,
        running_becomes=StepStatus.CANCELLED,
        kept_steps=_steps_in_progress(run) if is_held else [],
    )
    run.refresh_from_db(fields=["status", "error", "seq", "finished_at"])
    yield run
    events = [data["event"] for data in called.values() if data]
    OutboxJob.objects.filter(event__in=events, kind=OutboxJob.Kind.DISPATCH, status=JobStatus.READY).update(
        status=JobStatus.COMPLETED
    )
    sub_runs = ExecutionRun.objects.select_for_update(no_key=True).filter(parent=run, parent_path__in=called)
    for sub_run in sub_runs.exclude(status__in=FINAL_RUN_STATES).order_by("id") if called else ():
        yield from _cancel(
            sub_run, {"code": error["code"], "message": text("The run that waited for it was cancelled.")}
        )


def _steps_in_progress(run: ExecutionRun) -> list[uuid.UUID]:
    """Return the running attempts of actions, which the worker that holds the run will close."""
    running = StepRun.objects.filter(run=run, status=StepStatus.RUNNING).values_list("pk", "path")
    actions = _actions(run)
    return [pk for pk, path in running if key_of(path) in actions]


def _actions(run: ExecutionRun) -> set[str]:
    """Return the keys of the steps that have outside effects."""
    try:
        definition = parse(run.version.definition)
    except DefinitionError:
        return set()  # no step of an invalid version ever starts
    return {step.key for _, step in walk(definition.steps) if isinstance(step, ActionStep)}

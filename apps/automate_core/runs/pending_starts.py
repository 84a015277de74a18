"""Starts by people and agents, between their acceptance and the run that a worker makes. Both have the same id."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass

from django.db.models import QuerySet

from automate_core.models import Event, ExecutionRun, OutboxJob, Workflow
from automate_core.states import JobStatus
from automate_core.triggers.manual import START_SOURCES
from automate_governance.permissions import Person, can, permitted


@dataclass(frozen=True, kw_only=True)
class PendingStart:
    """A start without a run. `is_rejected`: a worker has processed it, and there will be none."""

    id: uuid.UUID
    origin: str
    workflow: Workflow
    trace_id: str
    received_at: dt.datetime
    is_rejected: bool


def find_run_or_start(
    person: Person, run_id: uuid.UUID, runs: QuerySet[ExecutionRun]
) -> ExecutionRun | PendingStart | None:
    """The run of `runs` with that id, or its start while it has none. None when `person` may view neither."""
    found = permitted(person, "view", runs).filter(pk=run_id)
    if (run := found.first()) is not None:
        return run
    pending = _find_pending_start(run_id)
    if pending is None or not can(person, "view", pending.workflow):
        return None
    # a worker may have taken it meanwhile
    return (found.all().first() if pending.is_rejected else None) or pending


def _find_pending_start(event_id: uuid.UUID) -> PendingStart | None:
    """The start with that id that has no run yet; None for any other id. Checks no permission."""
    event = Event.objects.filter(pk=event_id).defer("payload", "headers").first()
    if event is None or not event.source.startswith(START_SOURCES):
        return None
    kind, _, slug = event.source.partition(":")
    workflow = Workflow.objects.filter(slug=slug).first()
    if workflow is None:
        return None
    return PendingStart(
        id=event.pk,
        origin=kind,
        workflow=workflow,
        trace_id=event.trace_id,
        received_at=event.received_at,
        is_rejected=not is_waiting_for_worker(event),
    )


def is_waiting_for_worker(event: Event) -> bool:
    """Whether no worker has processed the event yet, so that it may still start runs."""
    pending = (JobStatus.READY, JobStatus.LEASED)
    return OutboxJob.objects.filter(event=event, kind=OutboxJob.Kind.DISPATCH, status__in=pending).exists()

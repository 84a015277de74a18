"""Starts by people and agents, between their acceptance and the run that a worker makes. Both have the same id."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass

from automate_core.models import Event, ExecutionRun, OutboxJob, Workflow

_KINDS = (ExecutionRun.Origin.MANUAL, ExecutionRun.Origin.MCP)


@dataclass(frozen=True, kw_only=True)
class PendingStart:
    """A start without a run. `is_rejected`: a worker has processed it, and there will be none."""

    id: uuid.UUID
    origin: str
    workflow: Workflow
    trace_id: str
    received_at: dt.datetime
    is_rejected: bool


def find_pending_start(event_id: uuid.UUID) -> PendingStart | None:
    """The start with that id that has no run yet; None for any other id. Checks no permission."""
    event = Event.objects.filter(pk=event_id).defer("payload", "headers").first()
    kind, _, slug = event.source.partition(":") if event else ("", "", "")
    workflow = Workflow.objects.filter(slug=slug).first() if kind in _KINDS else None
    if event is None or workflow is None:
        return None
    waits = OutboxJob.objects.filter(event=event, status__in=("ready", "leased")).exists()
    return PendingStart(
        id=event.pk,
        origin=kind,
        workflow=workflow,
        trace_id=event.trace_id,
        received_at=event.received_at,
        is_rejected=not waits,
    )

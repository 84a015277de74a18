"""Runs by their ids, and the events that stand for them until a worker has made them.

A start by a person or an agent gives its run the id of its event, so that both are found by one id at any moment.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass

from django.db.models import QuerySet

from automate_core.models import Event, ExecutionRun, HeldEvent, OutboxJob, Workflow
from automate_core.states import JobStatus
from automate_core.triggers.host_events import trigger_kind
from automate_core.triggers.manual import FORM, START_SOURCES
from automate_governance.permissions import Person, permitted
from automate_plugins import text

REJECTED = text("The start was processed, but it created no run.")  #: what there is to say of a rejected start

_PENDING = (JobStatus.READY, JobStatus.LEASED)
_TRACE_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, kw_only=True)
class PendingStart:
    """An accepted event without a run. `is_rejected`: a worker has processed it, and there will be none."""

    event: Event
    is_rejected: bool

    @property
    def run_id(self) -> uuid.UUID | None:
        """The id of its run: that of the event for a start, not known yet for any other event."""
        return self.event.pk if _is_start(self.event) else None

    @property
    def workflow(self) -> str:
        """The slug of the workflow that it starts; empty for an event that is not a start."""
        return self.event.source.partition(":")[2] if _is_start(self.event) else ""

    @property
    def origin(self) -> str:
        """The origin that its run will have."""
        return trigger_kind(self.event.source)


def find_run_or_start(
    person: Person, run_id: uuid.UUID, runs: QuerySet[ExecutionRun]
) -> ExecutionRun | PendingStart | None:
    """The run of `runs` with that id, or its start while it has none. None when `person` may view neither."""
    visible = permitted(person, "view", runs)
    if (run := visible.filter(pk=run_id).first()) is not None:
        return run
    event = _find_start(run_id)
    if event is None:
        return None
    found = find_started(event, visible)
    if isinstance(found, ExecutionRun):
        return found
    workflows = permitted(person, "view", Workflow.objects.filter(slug=found.workflow))
    return found if workflows.exists() else None


def find_started(event: Event, runs: QuerySet[ExecutionRun]) -> ExecutionRun | PendingStart:
    """The first run of `runs` that an event started, or the event itself while there is none."""
    is_rejected = not is_waiting_for_worker(event.pk)  # before the run is looked for: a worker may take it meanwhile
    run = runs.filter(event=event, cause=ExecutionRun.Cause.TRIGGER).order_by("id").first()
    return run or PendingStart(event=event, is_rejected=is_rejected)


def find_run(identifier: uuid.UUID | str, runs: QuerySet[ExecutionRun]) -> ExecutionRun | None:
    """The run with that id, or the first one with that trace id; None when there is none."""
    trace_id, run_id = read_identifier(identifier)
    if trace_id:
        traced = runs.filter(trace_id=trace_id).exclude(cause=ExecutionRun.Cause.TEST)
        if (run := traced.order_by("id").first()) is not None:
            return run
    return runs.filter(pk=run_id).first() if run_id else None


def find_event(identifier: uuid.UUID | str) -> Event | None:
    """The first event with that trace id, or the start that gives its run that id."""
    trace_id, run_id = read_identifier(identifier)
    if trace_id and (event := Event.objects.filter(trace_id=trace_id).order_by("id").first()) is not None:
        return event
    return _find_start(run_id) if run_id else None


def read_identifier(identifier: uuid.UUID | str) -> tuple[str, uuid.UUID | None]:
    """(the trace id, the run id) that a value may be: 32 digits without hyphens may be either."""
    if isinstance(identifier, uuid.UUID):
        return "", identifier
    written = identifier.strip().lower()
    try:
        run_id = uuid.UUID(written)
    except ValueError:
        return "", None
    return (written if _TRACE_ID.fullmatch(written) else ""), run_id


def is_waiting_for_worker(event_id: uuid.UUID) -> bool:
    """Whether no worker has processed the event yet, so that it may still start runs.

    Ask before you look for its runs: the job ends together with the runs that it makes.
    """
    return OutboxJob.objects.filter(event=event_id, kind=OutboxJob.Kind.DISPATCH, status__in=_PENDING).exists()


def count_undispatched(workflow: Workflow) -> int:
    """The number of starts and form answers of a workflow that were accepted and have no run yet."""
    sources = [f"{each}{workflow.slug}" for each in (*START_SOURCES, FORM)]
    jobs = OutboxJob.objects.filter(kind=OutboxJob.Kind.DISPATCH, status__in=_PENDING, event__source__in=sources)
    return jobs.count() + HeldEvent.objects.filter(workflow=workflow).count()


def _find_start(run_id: uuid.UUID) -> Event | None:
    event = Event.objects.filter(pk=run_id).defer("payload", "headers").first()
    return event if event is not None and _is_start(event) else None


def _is_start(event: Event) -> bool:
    return event.source.startswith(START_SOURCES)

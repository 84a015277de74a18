"""Replay of an event: its payload is stored again as a new event, for the workflows that a person chooses.

The new event has the trace id of the first, and its `replay_of` is the first. Only workflows whose published triggers
match the event can start, by the same code that matches events.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass

from django.db import transaction

from automate_core.database import AutomateNow
from automate_core.events import access
from automate_core.events.matching import Match, RuleEngine
from automate_core.events.scope import event_scope
from automate_core.models import Event, ExecutionRun, Workflow, WorkflowVersion
from automate_core.runs import control
from automate_core.runs.control import ControlError, may_not_run
from automate_core.triggers import host_events
from automate_governance import audit
from automate_governance.people.names import sign_in_name
from automate_governance.permissions import NotPermittedError, Person, permitted
from automate_plugins import text


@dataclass(frozen=True, kw_only=True)
class StartableWorkflow:
    """A workflow that the event matches now; `may_run` says whether this person may start it."""

    workflow: Workflow
    version: WorkflowVersion
    may_run: bool


@dataclass(frozen=True)
class ReplayResult:
    """The new event, and the runs that it started."""

    event: Event
    runs: list[ExecutionRun]


def replay_refusal(event: Event) -> str:
    """Reason why an event cannot be replayed by any person; empty when it can."""
    kind = event.source.partition(":")[0]
    if kind == "call":
        return text("This event is a call from another workflow. Re-run the run that made the call instead.")
    if kind in access.COPY_KINDS:
        return text("This event was created for one run. Re-run that run instead.")
    if event.erasure is not None:
        return text("The payload of this event was erased.")
    if event.emptied_at:
        return text("The payload of this event was deleted by the retention policy.")
    return ""


def find_startable(event: Event, by: Person) -> list[StartableWorkflow]:
    """Return the workflows that the event matches now and the person may view. Nothing starts.

    A match reveals something about the event, so it needs the permission to view its payload. Raises NotPermittedError.
    """
    if not access.may_access_event(by, "view_payload", event):
        raise NotPermittedError(
            text("%(person)s does not have permission to view the payload of this event.", person=sign_in_name(by))
        )
    matches = {match.workflow_id: match for match in _matches(event)}
    known = permitted(by, "view", Workflow.objects.filter(pk__in=matches)).order_by("name", "pk")
    runnable = set(permitted(by, "run", Workflow.objects.filter(pk__in=matches)).values_list("pk", flat=True))
    versions = WorkflowVersion.objects.defer("definition").in_bulk([match.version_id for match in matches.values()])
    return [
        StartableWorkflow(
            workflow=workflow, version=versions[matches[workflow.pk].version_id], may_run=workflow.pk in runnable
        )
        for workflow in known
    ]


@transaction.atomic
def replay_event(event: Event, workflows: Collection[int], *, by: Person) -> ReplayResult:
    """Start these workflows, by primary key, from a copy of the event: all or none.

    Raises NotPermittedError, and ControlError when the event does not match one of them, or the list is empty.
    """
    if reason := replay_refusal(event):
        raise ControlError(reason)
    there = {each.workflow.pk: each for each in find_startable(event, by)}
    if not workflows:
        raise ControlError(text("Choose at least one workflow to start."))
    if any(key not in there for key in workflows):
        raise ControlError(text("A selected workflow does not match this event any more. Reload the list."))
    chosen = [there[key] for key in dict.fromkeys(workflows)]
    for each in chosen:
        if not each.may_run:
            raise NotPermittedError(may_not_run(by, each.workflow.slug))
    again = Event.objects.create(
        source=event.source,
        endpoint_id=event.endpoint_id,
        type=event.type,
        payload=event.payload,
        headers=event.headers,
        trace_id=event.trace_id,
        received_at=AutomateNow(),
        replay_of=event.pk,
        subject=event.subject,
    )
    before = dict(
        ExecutionRun.objects.filter(event=event, cause=ExecutionRun.Cause.TRIGGER).values_list("workflow_id", "pk")
    )
    runs = [_start(each, again, before.get(each.workflow.pk)) for each in chosen]
    changes = {"event": str(again.pk), "workflows": [each.workflow.slug for each in chosen]}
    audit.record(by, "event.replayed", event, changes=changes, trace_id=event.trace_id)
    return ReplayResult(again, runs)


@transaction.atomic
def replay_unstarted(event: Event, *, by: Person) -> ReplayResult:
    """Start the workflows that the event matches now, that it has not started, and that the person may run.

    Raises NotPermittedError, and ControlError when there is none, or the event was replayed before: a second replay
    would repeat its effects.
    """
    Event.objects.select_for_update().filter(pk=event.pk).first()  # of two replays at once, the second sees the first
    if Event.objects.filter(trace_id=event.trace_id, replay_of=event.pk).exists():
        raise ControlError(text("This event was already replayed. Replay it on its page if it has to be repeated."))
    started = set(ExecutionRun.objects.filter(event=event).values_list("workflow_id", flat=True))
    matching = [each for each in find_startable(event, by) if each.workflow.pk not in started]
    chosen = [each.workflow.pk for each in matching if each.may_run]
    if matching and not chosen:
        raise NotPermittedError(may_not_run(by, matching[0].workflow.slug))
    if not chosen:
        raise ControlError(text("No workflow matches this event."))
    return replay_event(event, chosen, by=by)


def start_matching(event: Event, by: Person) -> list[ExecutionRun]:
    """Start the workflows that a new event matches and `by` may run."""
    matches = {match.workflow_id: match.version_id for match in _matches(event)}
    runnable = permitted(by, "run", Workflow.objects.filter(pk__in=matches)).order_by("pk")
    versions = WorkflowVersion.objects.in_bulk(matches.values())
    found = [StartableWorkflow(workflow=each, version=versions[matches[each.pk]], may_run=True) for each in runnable]
    return [_start(each, event, None) for each in found]


def _start(startable: StartableWorkflow, event: Event, before: uuid.UUID | None) -> ExecutionRun:
    run = ExecutionRun(
        workflow=startable.workflow,
        version=startable.version,
        event=event,
        cause=ExecutionRun.Cause.TRIGGER,
        origin=host_events.trigger_kind(event.source),
        retried_from_id=before,
        trace_id=event.trace_id,
    )
    return control.create_run(run)


def _matches(event: Event) -> list[Match]:
    [found] = RuleEngine().match([{"event": event_scope(event)}], [event.endpoint_id])
    return found

"""Runs of events that waited until the run-as user of their trigger may read them (`events.held_events`)."""

from __future__ import annotations

import logging

from django.db import transaction
from django.db.models import Q

from automate_core import database
from automate_core.events import run_rights
from automate_core.events.matching import RuleEngine
from automate_core.events.scope import event_scope
from automate_core.models import ActiveTrigger, Event, ExecutionRun, HeldEvent, Workflow, WorkflowVersion
from automate_core.runs import control
from automate_core.triggers import host_events

log = logging.getLogger(__name__)

BATCH = 100
DUE = "EXISTS (SELECT FROM automate_core_heldevent)"
_STARTING = [Workflow.Status.ACTIVE, Workflow.Status.PAUSED]


def start_held() -> float | None:
    """Start the runs of a hundred events whose triggers are no longer stopped, the oldest first. 0 if there are more.

    An event whose trigger is gone, or does not accept it any more, starts nothing.
    """
    found = _oldest(_sources_to_start())
    for pk in found:
        try:
            _start(pk)
        except control.ControlError as error:
            log.error("held event %s starts nothing: %s", pk, error)
            HeldEvent.objects.filter(pk=pk).delete()
    return 0.0 if len(found) == BATCH else None


# Without a row for each event: as many steps in the index as there are pairs, whatever the number of events.
_SOURCES = """
WITH RECURSIVE sources AS (
    (SELECT workflow_id, source FROM automate_core_heldevent ORDER BY workflow_id, source LIMIT 1)
    UNION ALL
    SELECT later.* FROM sources, LATERAL (
        SELECT held.workflow_id, held.source FROM automate_core_heldevent held
        WHERE (held.workflow_id, held.source) > (sources.workflow_id, sources.source)
        ORDER BY held.workflow_id, held.source LIMIT 1
    ) later
)
SELECT workflow_id AS workflow, source FROM sources
"""
_OLDEST = """
SELECT held.id FROM unnest(%(workflows)s::bigint[], %(sources)s::text[]) AS chosen(workflow, source),
LATERAL (
    SELECT id, event_id FROM automate_core_heldevent
    WHERE workflow_id = chosen.workflow AND source = chosen.source ORDER BY event_id LIMIT %(batch)s
) held
ORDER BY held.event_id, held.id LIMIT %(batch)s
"""


def _sources_to_start() -> set[tuple[int, str]]:
    """(workflow, source) of held events whose triggers are not stopped: of each pair, all triggers are or none."""
    held = {(row.workflow, row.source) for row in database.run(None, _SOURCES, {})}
    workflows = {workflow for workflow, _source in held}
    triggers = ActiveTrigger.objects.filter(workflow__in=workflows, workflow__status__in=_STARTING)
    found = {pk: (workflow, source) for pk, workflow, source in triggers.values_list("pk", "workflow", "source")}
    found = {pk: pair for pk, pair in found.items() if pair in held}
    return held - {found[pk] for pk in run_rights.trigger_refusals(found)} if found else held


def _oldest(sources: set[tuple[int, str]]) -> list[int]:
    """A hundred held events of these, the oldest first."""
    if not sources:
        return []
    workflows, names = zip(*sources, strict=True)
    values = {"workflows": list(workflows), "sources": list(names), "batch": BATCH}
    return [row.id for row in database.run(None, _OLDEST, values)]


@transaction.atomic
def _start(pk: int) -> None:
    held = HeldEvent.objects.select_for_update(skip_locked=True).filter(pk=pk).first()
    if held is None:
        return
    event = Event.objects.select_for_update().filter(pk=held.event_id).first()  # as a replay does: one of both starts
    version = None if event is None or event.emptied_at else _version_to_start(held, event)
    if event is not None and version is not None:
        control.create_run(
            ExecutionRun(
                workflow=version.workflow,
                version=version,
                event=event,
                cause=ExecutionRun.Cause.TRIGGER,
                origin=host_events.trigger_kind(event.source),
                depth=int(host_events.platform_headers(event.source, event.headers).get(host_events.DEPTH_HEADER, 0)),
                trace_id=event.trace_id,
            )
        )
    held.delete()


def _version_to_start(held: HeldEvent, event: Event) -> WorkflowVersion | None:
    """The published version, if it accepts the event, and neither that nor its replay has started the workflow."""
    replays = Event.objects.filter(trace_id=event.trace_id, replay_of=event.pk)
    started = ExecutionRun.objects.filter(workflow=held.workflow_id, cause=ExecutionRun.Cause.TRIGGER)
    if started.filter(Q(event=event) | Q(event__in=replays)).exists():
        return None
    [matches] = RuleEngine().match([{"event": event_scope(event)}], [event.endpoint_id])
    versions = [match.version_id for match in matches if match.workflow_id == held.workflow_id]
    return WorkflowVersion.objects.select_related("workflow").filter(pk__in=versions).first()

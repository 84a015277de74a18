"""Who may download a file: people who may view the payload of the data that it belongs to."""

from __future__ import annotations

from automate_core.events.access import may_access_event
from automate_core.models import Event, ExecutionRun, StoredFile, Workflow
from automate_governance.permissions import User, permitted

MOST_EVENTS = 20  #: of one trace that are looked at: an event, its replays, and calls of sub-runs


def find_permitted_owner(user: User, stored: StoredFile) -> ExecutionRun | Event | Workflow | None:
    """The run, event or workflow whose payload `user` may view and to which the file belongs; None without any."""
    runs = ExecutionRun.objects.filter(trace_id=stored.trace_id)
    if (run := permitted(user, "view_payload", runs).order_by("id").first()) is not None:
        return run
    if stored.workflow_id is not None:
        workflows = Workflow.objects.filter(pk=stored.workflow_id)
        if (workflow := permitted(user, "view_payload", workflows).first()) is not None:
            return workflow
    events = Event.objects.filter(trace_id=stored.trace_id).order_by("id")[:MOST_EVENTS]
    return next((event for event in events if may_access_event(user, "view_payload", event)), None)

"""Who may download a file: people who may view the payload of the data that it belongs to, or that refers to it."""

from __future__ import annotations

from automate_core.events.access import may_access_event
from automate_core.files.lineage import find_family, find_lineage, find_referenced
from automate_core.models import Event, ExecutionRun, StoredFile, Workflow
from automate_governance.permissions import User, permitted

MOST_HOLDERS = 20  #: further runs of which it is looked up whether they hold the file


def find_permitted_owner(user: User, stored: StoredFile) -> ExecutionRun | Event | Workflow | None:
    """The run, event or workflow whose payload `user` may view and to which the file belongs; None without any."""
    runs = ExecutionRun.objects.filter(pk__in=[stored.run_id] if stored.run_id else [])
    if (run := permitted(user, "view_payload", runs).first()) is not None:
        return run
    if stored.workflow_id is not None:
        workflows = Workflow.objects.filter(pk=stored.workflow_id)
        if (workflow := permitted(user, "view_payload", workflows).first()) is not None:
            return workflow
    event = Event.objects.filter(pk=stored.event_id).first() if stored.event_id else None
    if event is not None and may_access_event(user, "view_payload", event):
        return event
    return _find_holder(user, stored)


def _find_holder(user: User, stored: StoredFile) -> ExecutionRun | None:
    """A caller, a called run or a further run of the event whose data refers to the file."""
    family = find_family(find_lineage(run=stored.run_id, event=stored.event_id))
    runs = permitted(user, "view_payload", ExecutionRun.objects.filter(pk__in=family)).order_by("id")[:MOST_HOLDERS]
    for run in runs:
        if find_referenced([stored.pk], [run.pk], [run.event_id] if run.event_id else []):
            return run
    return None

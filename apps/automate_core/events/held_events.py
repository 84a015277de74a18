"""Events that wait outside any run: their triggers' run-as users may not read them at present.

No run may hold the payload of such an event, so only the event's id is stored beside the workflow. `runs.held_starts`
starts the runs once the user may read the events again.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable

from django.db.models import Count

from automate_core import database
from automate_core.events.run_rights import Connection
from automate_core.models import HeldEvent, Workflow

_HOLD = """
INSERT INTO automate_core_heldevent (workflow_id, event_id, source, held_at)
SELECT workflow.id, held.event, held.source, automate_now()
FROM unnest(%(workflows)s::bigint[], %(events)s::uuid[], %(sources)s::text[]) AS held(workflow, event, source)
JOIN automate_core_workflow workflow ON workflow.id = held.workflow
ON CONFLICT (workflow_id, event_id) DO NOTHING
"""


def hold_events(connection: Connection, held: Collection[tuple[int, str, str]]) -> None:
    """Store these (workflow, event, source of the trigger), each pair of workflow and event once.

    Raises psycopg.Error.
    """
    workflows, events, sources = zip(*held, strict=True)
    values = {"workflows": list(workflows), "events": list(events), "sources": list(sources)}
    database.run(connection, _HOLD, values)


def count_held_events(workflows: Iterable[int]) -> dict[int, int]:
    """The number of events that wait, by workflow; those without any are missing."""
    rows = HeldEvent.objects.filter(workflow__in=list(workflows)).order_by()
    return dict(rows.values_list("workflow").annotate(Count("pk")))


def workflows_holding(event: uuid.UUID) -> set[int]:
    """The workflows for which the event waits."""
    return set(HeldEvent.objects.filter(event=event).values_list("workflow", flat=True))


def discard_held_events(workflow: Workflow) -> None:
    """Start nothing of what waits. The events stay, and can be replayed."""
    HeldEvent.objects.filter(workflow=workflow).delete()

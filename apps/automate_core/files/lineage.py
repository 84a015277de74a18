"""The runs and events that a run's data comes from, and goes to.

By rows that the site alone writes: the run's event, the event that this one replays, the run that called it, whose end
started it, or that it repeats. A trace id decides nothing: senders choose theirs, and so may choose another's.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass

from django.db.models import Q

from automate_core import artifacts, database
from automate_core.models import ExecutionRun, StepRun, StoredFile

MOST_RUNS = 1_000  #: of one family that are looked at

# Events of calls name the calling run in a header, those of ends of runs in their delivery key.
_LINEAGE = """
WITH RECURSIVE line (run, event) AS (
    SELECT %(run)s::uuid, %(event)s::uuid
    UNION
    SELECT origin.run, origin.event FROM line CROSS JOIN LATERAL (
        SELECT parent_id AS run, event_id AS event FROM automate_core_executionrun WHERE id = line.run
        UNION ALL SELECT retried_from_id, NULL FROM automate_core_executionrun WHERE id = line.run
        UNION ALL SELECT CASE
                WHEN source LIKE 'run:%%' AND delivery_key ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
                THEN delivery_key::uuid END, replay_of
            FROM automate_core_event WHERE id = line.event
    ) origin WHERE origin.run IS NOT NULL OR origin.event IS NOT NULL
) SELECT run, event FROM line
"""

_FAMILY = """
WITH RECURSIVE family (id) AS (
    SELECT id FROM automate_core_executionrun WHERE id = ANY(%(runs)s)
    UNION SELECT id FROM automate_core_executionrun WHERE event_id = ANY(%(events)s) AND cause = 'trigger'
    UNION SELECT id FROM automate_core_executionrun WHERE event_id = ANY(%(events)s) AND cause <> 'trigger'
    UNION SELECT further.id FROM family CROSS JOIN LATERAL (
        SELECT id FROM automate_core_executionrun WHERE parent_id = family.id
        UNION ALL SELECT started.id FROM automate_core_executionrun run
            JOIN automate_core_workflow workflow ON workflow.id = run.workflow_id
            JOIN automate_core_event ended ON ended.source = 'run:' || workflow.slug
                AND ended.delivery_key = run.id::text AND ended.endpoint_id = 0
            JOIN automate_core_executionrun started ON started.event_id = ended.id AND started.cause = 'trigger'
            WHERE run.id = family.id
    ) further
) SELECT id FROM family LIMIT %(limit)s
"""

_REFERENCED = """
SELECT reference FROM unnest(%(references)s::text[]) AS reference
WHERE EXISTS (SELECT FROM automate_core_event WHERE id = ANY(%(events)s) AND strpos(payload::text, reference) > 0)
    OR EXISTS (SELECT FROM automate_core_steprun WHERE run_id = ANY(%(runs)s)
        AND (strpos(input::text, reference) > 0 OR strpos(output::text, reference) > 0))
"""


@dataclass(frozen=True)
class Lineage:
    """A run or event, and what its data comes from."""

    runs: frozenset[uuid.UUID]
    events: frozenset[uuid.UUID]


def find_lineage(*, run: uuid.UUID | None = None, event: uuid.UUID | None = None) -> Lineage:
    """The lineage of a run or an event. One query."""
    rows = database.run(None, _LINEAGE, {"run": run, "event": event})
    return Lineage(
        frozenset(row.run for row in rows if row.run is not None),
        frozenset(row.event for row in rows if row.event is not None),
    )


def find_family(lineage: Lineage) -> list[uuid.UUID]:
    """The runs of a lineage, the other runs of its events, and what all of these called or started. One query."""
    values = {"runs": list(lineage.runs), "events": list(lineage.events), "limit": MOST_RUNS}
    return [row.id for row in database.run(None, _FAMILY, values)]


def may_use(run_id: uuid.UUID, stored: StoredFile) -> bool:
    """Whether the data of a run may refer to the file: it comes from where the file does, or from one run with it."""
    if stored.run_id == run_id:
        return True
    if stored.run_id is None and stored.event_id is None:
        return False
    mine = find_lineage(run=run_id)
    if stored.event_id is not None:
        return stored.event_id in mine.events
    return bool(mine.runs & find_lineage(run=stored.run_id).runs)


def files_of_run(run: ExecutionRun) -> Q:
    """The files that a run or its event stored, and of its family's those that its data refers to."""
    lineage = find_lineage(run=run.pk)
    own = Q(run=run.pk) | Q(event=run.event_id, event__isnull=False)
    related = StoredFile.objects.filter(Q(run__in=find_family(lineage)) | Q(event__in=lineage.events)).exclude(own)
    references = list(related.values_list("pk", flat=True))
    events = [run.event_id] if run.event_id else []
    return own | Q(pk__in=find_referenced(references, [run.pk], events))


def find_referenced(
    references: Collection[str], runs: Collection[uuid.UUID], events: Collection[uuid.UUID]
) -> set[str]:
    """Those of the references that the steps of these runs, or the payloads of these events, hold."""
    if not references:
        return set()
    values = {"references": list(references), "events": list(events), "runs": list(runs)}
    found = {row.reference for row in database.run(None, _REFERENCED, values)}
    steps = StepRun.objects.filter(run__in=runs).values_list("input_file", "output_file")
    for name in {name for row in steps for name in row if name}:
        with artifacts.open_file(name) as file:
            content = file.read()
        found |= {each for each in references if each.encode() in content}
    return found

"""Events with their runs: which of them are in use, and their erasure."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Q, QuerySet

from automate_core import artifacts, database
from automate_core.files.lineage import Lineage, find_family, find_lineage, find_referenced
from automate_core.files.store import delete_files
from automate_core.models import Erasure, ErasureItem, Event, ExecutionRun, StepRun, StoredFile
from automate_core.states import FINAL_RUN_STATES
from automate_governance.models import AuditEntry
from automate_operations.erasure.sources import ErasedKeys
from automate_operations.erasure.texts import SearchedTexts
from automate_operations.retention.statements import DELETE_RUNS
from automate_plugins import text
from automate_plugins.texts import stored

_LIVE = "('queued', 'running', 'waiting')"
ERASED = text("The message was erased.")  #: in the place of error messages

# The event of a unit, or the run that has none. By the two indexes of the runs of an event.
_RUNS = """
SELECT id, event_id, trace_id, version_id, cause FROM (
    SELECT * FROM automate_core_executionrun WHERE event_id = ANY(%(units)s) AND cause = 'trigger'
    UNION ALL SELECT * FROM automate_core_executionrun WHERE event_id = ANY(%(units)s) AND cause <> 'trigger'
    UNION ALL SELECT * FROM automate_core_executionrun WHERE id = ANY(%(units)s) AND event_id IS NULL
) run ORDER BY id
"""

# A run that has not ended needs its own data, that of the run it repeats, of its caller and of the runs it called.
_RUNS_IN_USE = f"""
SELECT coalesce(run.event_id, run.id) AS unit FROM automate_core_executionrun run
WHERE run.id = ANY(%(runs)s) AND (run.status IN {_LIVE}
    OR EXISTS (SELECT FROM automate_core_executionrun caller
        WHERE caller.id = run.parent_id AND caller.status || '' IN {_LIVE})
    OR EXISTS (SELECT FROM automate_core_executionrun called
        WHERE called.parent_id = run.id AND called.status || '' IN {_LIVE})
    OR EXISTS (SELECT FROM automate_core_executionrun again
        WHERE again.retried_from_id = run.id AND again.status || '' IN {_LIVE})
    OR EXISTS (SELECT FROM automate_core_outboxjob job
        WHERE job.run_id = run.id AND job.kind = 'advance' AND job.status IN ('ready', 'leased')))
"""  # noqa: S608 - one of our own texts inside another
_EVENTS_IN_USE = f"""
SELECT event.id AS unit FROM automate_core_event event
WHERE event.id = ANY(%(units)s) AND (
    EXISTS (SELECT FROM automate_core_outboxjob job
        WHERE job.event_id = event.id AND job.status || '' IN ('ready', 'leased'))
    OR event.source LIKE 'call:%%' AND EXISTS (SELECT FROM automate_core_executionrun caller
        WHERE caller.id = (event.headers ->> 'automate-run')::uuid AND caller.status || '' IN {_LIVE}))
"""  # noqa: S608 - one of our own texts inside another

_ERROR = """CASE WHEN error IS NULL THEN NULL ELSE jsonb_strip_nulls(jsonb_build_object(
    'code', error -> 'code', 'step', error -> 'step', 'path', error -> 'path', 'retryable', error -> 'retryable',
    'message', %(message)s::text, 'text', %(marked)s::jsonb)) END"""

#: (kind, statement) in the order in which they are done. What people decided, and when, stays; what they wrote goes.
_EMPTY_UNITS = (
    ("logs", "DELETE FROM automate_core_runlog WHERE run_id = ANY(%(runs)s)"),
    ("terms", "DELETE FROM automate_core_searchterm WHERE run_id = ANY(%(runs)s)"),
    ("effects", "DELETE FROM automate_core_foreseeneffect WHERE run_id = ANY(%(runs)s)"),
    ("replies", "DELETE FROM automate_core_runreply WHERE run_id = ANY(%(runs)s)"),
    (
        "messages",
        """
UPDATE automate_core_notification SET facts = '[]' WHERE facts <> '[]' AND status <> 'waiting'
    AND wait_id IN (SELECT id FROM automate_core_wait WHERE run_id = ANY(%(runs)s))""",
    ),
    (
        "waits",
        """
UPDATE automate_core_wait SET
    data = CASE WHEN data IS NULL THEN NULL
        ELSE jsonb_strip_nulls(jsonb_build_object('outcomes', data -> 'outcomes')) END,
    outcome = CASE WHEN outcome IS NULL THEN NULL ELSE jsonb_strip_nulls(jsonb_build_object(
        'outcome', outcome -> 'outcome', 'by', outcome -> 'by', 'at', outcome -> 'at')) END
WHERE run_id = ANY(%(runs)s) AND (data IS NOT NULL OR outcome IS NOT NULL)""",
    ),
    (
        "steps",
        f"""
UPDATE automate_core_steprun SET input = NULL, output = NULL, input_file = NULL, output_file = NULL, error = {_ERROR}
WHERE run_id = ANY(%(runs)s)""",  # noqa: S608 - one of our own texts inside another
    ),
    (
        "jobs",
        """
UPDATE automate_core_outboxjob SET last_error = %(message)s
WHERE status = 'dead' AND last_error <> '' AND (event_id = ANY(%(units)s) OR run_id = ANY(%(runs)s))""",
    ),
    (
        "runs",
        f"""
UPDATE automate_core_executionrun SET vars = NULL, output = NULL, slot_key = NULL, error = {_ERROR},
    seq = seq + 1, erasure = %(erasure)s
WHERE id = ANY(%(runs)s)""",  # noqa: S608 - one of our own texts inside another
    ),
    (
        "events",
        """
UPDATE automate_core_event SET payload = NULL, headers = '{}', subject = '', erasure = %(erasure)s,
    emptied_at = coalesce(emptied_at, automate_now()),
    type = CASE WHEN type ~ %(pattern)s THEN '' ELSE type END,
    delivery_key = CASE WHEN delivery_key ~ %(pattern)s THEN NULL ELSE delivery_key END
WHERE id = ANY(%(units)s)""",
    ),
)


@dataclass(frozen=True)
class _Unit:
    """Locked rows that are erased together."""

    units: list[uuid.UUID]
    runs: list[Any]

    @property
    def run_ids(self) -> list[uuid.UUID]:
        return [run.id for run in self.runs]


def find_in_use(units: Sequence[uuid.UUID]) -> set[uuid.UUID]:
    """Those of the units that a run needs which has not ended, or a job that is to be done."""
    runs = [row.id for row in database.run(None, _RUNS, {"units": list(units)})]
    found = database.run(None, _RUNS_IN_USE, {"runs": runs}) + database.run(
        None, _EVENTS_IN_USE, {"units": list(units)}
    )
    return {row.unit for row in found}


def entries_in_use(erasure: Erasure, entries: Sequence[str]) -> frozenset[str]:
    """Those of the audit entries that are about events and runs which the erasure leaves out."""
    left = list(erasure.items.filter(kind="unit", state=ErasureItem.State.IN_USE).values_list("key", flat=True))
    runs = ExecutionRun.objects.filter(Q(pk__in=left) | Q(event__in=left)).values_list("pk", flat=True)
    about = Q(object_type=Event._meta.label_lower, object_id__in=left)
    about |= Q(object_type=ExecutionRun._meta.label_lower, object_id__in=[str(run) for run in runs])
    found = AuditEntry.objects.filter(about, pk__in=[int(key) for key in entries]) if left else ()
    return frozenset(str(entry.pk) for entry in found)


def count_units(units: Sequence[uuid.UUID]) -> Counter[str]:
    """The rows that belong to the units, by kind."""
    runs = database.run(None, _RUNS, {"units": list(units)})
    ids = [run.id for run in runs]
    return Counter(
        events=Event.objects.filter(pk__in=units).count(),
        runs=len(ids),
        steps=StepRun.objects.filter(run__in=ids).count(),
    )


def erase_units(erasure: Erasure, texts: SearchedTexts, keys: Sequence[str]) -> ErasedKeys:
    """Empty events with their runs and delete their files. Call it in a transaction; those in use are left."""
    units = [uuid.UUID(key) for key in keys]
    list(Event.objects.select_for_update().filter(pk__in=units).order_by("pk").values_list("pk"))
    runs = database.run(None, _RUNS, {"units": units})
    locked = ExecutionRun.objects.select_for_update().filter(pk__in=[run.id for run in runs]).order_by("pk")
    list(locked.values_list("pk"))
    in_use = find_in_use(units)  # from now on none of the others can become it
    free = _Unit(
        [unit for unit in units if unit not in in_use], [run for run in runs if (run.event_id or run.id) not in in_use]
    )
    counts = Counter[str]()
    files = _files_of(free)
    documents = _documents_of(free)
    with connection.cursor() as cursor:
        for statements, values in (
            (_EMPTY_UNITS, _values(free, erasure, texts)),
            (DELETE_RUNS, {**_test_runs(free), "replayed": []}),
        ):
            for kind, statement in statements:
                cursor.execute(statement, values)
                counts[kind] += max(cursor.rowcount, 0) if statements is _EMPTY_UNITS else 0
    counts["files"] += delete_files(files)
    artifacts.remove(documents)  # before the commit: a crash leaves rows that are erased again, and no file
    return ErasedKeys(counts, frozenset(str(unit) for unit in in_use))


def _test_runs(free: _Unit) -> dict[str, list[Any]]:
    """The test runs with their snapshots of drafts, which hold samples: they are deleted, and in no statistics."""
    tests = [run for run in free.runs if run.cause == ExecutionRun.Cause.TEST]
    return {"runs": [run.id for run in tests], "snapshots": [run.version_id for run in tests]}


def _values(free: _Unit, erasure: Erasure, texts: SearchedTexts) -> dict[str, Any]:
    return {
        "units": free.units,
        "runs": free.run_ids,
        "erasure": erasure.pk,
        "pattern": texts.pattern,
        "message": str(ERASED),
        "marked": json.dumps(stored(ERASED)),
    }


# --- files ------------------------------------------------------------------------------------------------------------


def _documents_of(free: _Unit) -> list[str]:
    """The names of artifacts that only these runs name; a re-run with another payload shares some."""
    steps = StepRun.objects.filter(run__in=free.run_ids)
    names = {name for row in steps.values_list("input_file", "output_file") for name in row if name}
    others = StepRun.objects.exclude(run__in=free.run_ids)
    shared = {
        name
        for field in ("input_file", "output_file")
        for name in others.filter(**{f"{field}__in": names}).values_list(field, flat=True)
    }
    return sorted(name for name in names if name not in shared)


def _files_of(free: _Unit) -> QuerySet[StoredFile]:
    """The files of these events and runs, and those of runs they called or started that only they refer to."""
    own = Q(run__in=free.run_ids) | Q(event__in=free.units)
    family = set(find_family(Lineage(frozenset(free.run_ids), frozenset(free.units)))) - set(free.run_ids)
    others = ExecutionRun.objects.filter(pk__in=family, erasure=None)
    related = StoredFile.objects.filter(run__in=family).exclude(own)
    references = list(related.values_list("pk", flat=True))
    held = find_referenced(references, free.run_ids, free.units)
    still = find_referenced(held, list(others.values_list("pk", flat=True)), [])
    return StoredFile.objects.filter(own | Q(pk__in=held - still))


def is_used_file(stored: StoredFile) -> bool:
    """Whether a run that its data comes from or goes to has not ended."""
    family = find_family(find_lineage(run=stored.run_id, event=stored.event_id))
    return ExecutionRun.objects.filter(pk__in=family).exclude(status__in=FINAL_RUN_STATES).exists()

"""Runs for the host project's own code: a list of them, and what it does with one."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection
from typing import Any

from automate_core.ids import first_uuid7
from automate_core.models import ExecutionRun, Workflow
from automate_core.runs import control, description
from automate_core.runs.description import RunSummary
from automate_core.runs.lookup import PendingStart
from automate_core.states import RunStatus
from automate_governance.permissions import Person, holds_for_any, permitted
from automate_operations.queries import run_keyset
from automate_operations.queries.run_search import FIRST, LAST, key_before
from automate_operations.runs.start_cancellation import cancel_run_or_start
from automate_operations.statistics import failures
from automate_plugins import text


def list_runs(
    workflow: str,
    *,
    statuses: Collection[RunStatus],
    since: dt.datetime | None,
    until: dt.datetime | None,
    before: uuid.UUID | None,
    by: Person | None,
    limit: int,
) -> list[RunSummary]:
    """Runs, newest first, by index alone. With `by`, those that this person may view."""
    chosen = sorted(str(each) for each in statuses) or None
    scan = run_keyset.RunScan(workflows=_workflows(workflow, by), statuses=chosen).in_ranges()
    if scan.is_empty:
        return []
    below = min(first_uuid7(until) if until else LAST, before or LAST)
    values = {"above": key_before(since) if since else FIRST, "below": below, "most": limit}
    ids = [row.id for row in run_keyset.first_ids(scan, values, newest_first=True)]
    readable = ids if by is None else _readable(ids, by)
    return description.summarize_runs(ids, with_message=set(readable))


def cancel_run(identifier: uuid.UUID | str, *, by: Person | None, reason: str) -> uuid.UUID:
    """Cancel a run, or a start that no worker has taken; its id. Raises RunNotFoundError, and as `control.cancel`."""
    found = description.find_run_or_start(identifier)
    if isinstance(found, PendingStart) and found.run_id is None:
        raise control.ControlError(_not_taken(identifier))
    return cancel_run_or_start(found, by=by, reason=reason).pk


def rerun_run(identifier: uuid.UUID | str, *, start: str | None, by: Person | None, **options: Any) -> uuid.UUID:
    """Re-run a run; the id of the new run. Raises RunNotFoundError, and as `control.rerun`."""
    found = description.find_run_or_start(identifier)
    if isinstance(found, PendingStart):
        raise control.NotEndedError(_not_taken(identifier))
    return failures.rerun_and_resolve(found, by=by, start=start or control.default_start(found), **options).pk


def _workflows(slug: str, by: Person | None) -> list[int] | None:
    """The workflows whose runs are listed; None for all."""
    found = Workflow.objects.filter(slug=slug) if slug else Workflow.objects.all()
    if by is not None and not holds_for_any(by, "view", Workflow):
        found = permitted(by, "view", found)
    elif not slug:
        return None
    return list(found.values_list("pk", flat=True))


def _readable(ids: list[uuid.UUID], by: Person) -> list[uuid.UUID]:
    """Those of them whose data the person may view."""
    runs = permitted(by, "view_payload", ExecutionRun.objects.filter(pk__in=ids))
    return list(runs.values_list("pk", flat=True))


def _not_taken(identifier: uuid.UUID | str) -> str:
    return text("No worker has taken the event %(event)s yet.", event=str(identifier))

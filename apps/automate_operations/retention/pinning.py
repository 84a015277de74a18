"""Pinned runs, which retention keeps, and the date on which others are deleted."""

from __future__ import annotations

import datetime as dt

from django.db import transaction

from automate_core.database import AutomateNow
from automate_core.models import ExecutionRun
from automate_core.runs.control import ControlError
from automate_core.states import FINAL_RUN_STATES
from automate_governance import audit
from automate_governance.people.names import sign_in_name
from automate_governance.permissions import NotPermittedError, Person, can
from automate_operations.retention import policy
from automate_plugins import text


@transaction.atomic
def pin_run(run: ExecutionRun, *, by: Person) -> ExecutionRun:
    """Keep a run from retention until it is unpinned. Raises NotPermittedError, ControlError for a deleted run."""
    return _set_pinned(run, by, kept=True)


@transaction.atomic
def unpin_run(run: ExecutionRun, *, by: Person) -> ExecutionRun:
    """Leave a run to retention again. Raises NotPermittedError, ControlError for a deleted run."""
    return _set_pinned(run, by, kept=False)


def _set_pinned(run: ExecutionRun, by: Person, *, kept: bool) -> ExecutionRun:
    if not can(by, "run", run.workflow):
        raise NotPermittedError(
            text(
                "%(person)s needs the Run permission for the workflow %(workflow)s.",
                person=sign_in_name(by),
                workflow=run.workflow.slug,
            )
        )
    standing = ExecutionRun.objects.filter(pk=run.pk)
    if standing.filter(kept_at__isnull=kept).update(kept_at=AutomateNow() if kept else None):
        audit.record(by, "run.kept" if kept else "run.released", run, trace_id=run.trace_id)
    elif not standing.exists():
        raise ControlError(text("Run %(run)s was deleted.", run=str(run)))
    return run


def expires_at(run: ExecutionRun) -> dt.datetime | None:
    """The date from which on a run may be deleted; None while it is live or pinned, or kept for ever."""
    if run.status not in FINAL_RUN_STATES or run.kept_at is not None or run.finished_at is None:
        return None
    state = "tests" if run.cause == ExecutionRun.Cause.TEST else run.status
    days = policy.load_policy(run.workflow_id).days(run.workflow_id, state)
    return run.finished_at + dt.timedelta(days=days) if days else None

"""Cancellation of a run that may not exist yet: of a start that waits for a worker, or of the run itself."""

from __future__ import annotations

import contextlib

from django.db import transaction

from automate_core.definition.document import DefinitionError
from automate_core.definition.parsing import parse
from automate_core.models import ExecutionRun, OutboxJob, Workflow
from automate_core.runs import control
from automate_core.runs.lookup import REJECTED, PendingStart
from automate_core.states import JobStatus
from automate_governance.permissions import Person


class _TakenError(Exception):
    """A worker has processed the start."""


def cancel_run_or_start(found: ExecutionRun | PendingStart, *, by: Person | None, reason: str = "") -> ExecutionRun:
    """Cancel a run with its sub-runs, or a start that no worker has taken. Audited.

    A cancelled start becomes a cancelled run without steps, whatever a worker does at that moment: the lock on its job
    decides whether the start or the run that the worker makes is cancelled. Raises NotPermittedError, EndedError.
    """
    if isinstance(found, ExecutionRun):
        return control.cancel(found, by=by, reason=reason)
    workflow = Workflow.objects.select_related("published").filter(slug=found.workflow).first()
    if workflow is not None:
        control.check_may_run(by, workflow)
    with contextlib.suppress(_TakenError), transaction.atomic():
        return control.cancel(_create_run(found, workflow), by=by, reason=reason)
    run = ExecutionRun.objects.select_related("workflow").filter(pk=found.event.pk).first()
    if run is None:
        raise control.EndedError(REJECTED)
    return control.cancel(run, by=by, reason=reason)


def _create_run(pending: PendingStart, workflow: Workflow | None) -> ExecutionRun:
    """The run of a start in place of the worker's, whose checkpoint finds the job completed and writes nothing.

    Raises _TakenError for a start that a worker has made a run of, or rejected. The job's lock is released with the
    savepoint then: a run is never locked after its job, as workers lock them the other way round.
    """
    event = pending.event
    waiting = OutboxJob.objects.select_for_update(no_key=True).filter(
        event=event, kind=OutboxJob.Kind.DISPATCH, status__in=(JobStatus.READY, JobStatus.LEASED)
    )
    jobs = [job.pk for job in waiting.order_by("pk")]
    version = workflow.published if workflow else None
    if not jobs or workflow is None or version is None or ExecutionRun.objects.filter(pk=event.pk).exists():
        raise _TakenError
    OutboxJob.objects.filter(pk__in=jobs).update(status=JobStatus.COMPLETED)
    run = ExecutionRun.objects.create(
        id=event.pk,
        workflow=workflow,
        version=version,
        event=event,
        origin=pending.origin,
        trace_id=event.trace_id,
        created_at=event.received_at,
        seq=1,
    )
    with contextlib.suppress(DefinitionError):  # of a version that can no longer be read
        control.store_search_terms(run, parse(version.definition))
    return run

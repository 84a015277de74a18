"""Dead jobs: jobs that failed permanently, and their way back into the queue."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from automate_core.models import ExecutionRun, OutboxJob
from automate_core.outbox import lifecycle
from automate_core.runs import control, doubts, reruns
from automate_core.runs.control import BATCH, BulkResult, ControlError
from automate_core.states import JobStatus
from automate_governance import audit
from automate_governance.people.names import sign_in_name
from automate_governance.permissions import SITE, NotPermittedError, Person, can
from automate_plugins import text

MOST_EXAMINED = 10_000  #: runs of dead jobs whose outcomes are looked at; a later one is refused by itself


def requeueable_jobs() -> QuerySet[OutboxJob]:
    """Dead jobs that were not requeued yet, with the reason in `last_error`. Oldest first."""
    later = OutboxJob.objects.filter(kind=OutboxJob.Kind.DISPATCH, event=OuterRef("event"), id__gt=OuterRef("id"))
    reruns = ExecutionRun.objects.filter(retried_from=OuterRef("run"))
    requeued = Q(Exists(later), kind=OutboxJob.Kind.DISPATCH) | Q(Exists(reruns), kind=OutboxJob.Kind.ADVANCE)
    dead = OutboxJob.objects.filter(status=JobStatus.DEAD).exclude(requeued)
    return dead.select_related("event", "run__workflow").defer("event__payload", "event__headers").order_by("id")


@transaction.atomic
def requeue_job(job: OutboxJob, by: Person, *, unknown: bool = False) -> OutboxJob | ExecutionRun:
    """Put a dead job's work back into the queue: match its event again, or re-run its run from the failed step.

    A run with a step of unknown outcome is refused unless `unknown`: its effect may be repeated. Raises
    NotPermittedError, UnknownOutcomeError, ControlError.
    """
    OutboxJob.objects.select_for_update(no_key=True).filter(pk=job.pk).first()  # one person at a time
    if job.status != JobStatus.DEAD:
        raise ControlError(
            text("Job %(job)s is %(status)s. Only dead jobs can be requeued.", job=str(job.pk), status=job.status)
        )
    if not requeueable_jobs().filter(pk=job.pk).exists():
        raise ControlError(text("Job %(job)s was already requeued.", job=str(job.pk)))
    if job.run is not None:
        return control.rerun(job.run, by=by, start="failed", unknown=unknown)
    if job.event is None:
        raise ControlError(text("The event of job %(job)s was deleted.", job=str(job.pk)))
    if job.event.erasure is not None:
        raise ControlError(text("The payload of this event was erased."))
    if not can(by, "operate", SITE):
        raise NotPermittedError(text("%(person)s needs the Operate permission for the site.", person=sign_in_name(by)))
    new_job = OutboxJob.objects.get(pk=lifecycle.dispatch_again(job.event.pk))
    audit.record(by, "job.replayed", job, changes={"job": str(new_job.pk)}, trace_id=job.event.trace_id)
    return new_job


def requeue_oldest(by: Person, most: int = BATCH, *, unknown: bool = False) -> BulkResult:
    """Requeue the oldest dead jobs, at most `most`, each by itself.

    Those whose run has a step of unknown outcome are left out and counted apart, unless `unknown`.
    """
    result, jobs = BulkResult(), requeueable_jobs()
    if not unknown:
        runs = set(jobs.filter(run__isnull=False).values_list("run", flat=True)[:MOST_EXAMINED])
        in_doubt = doubts.unknown_outcomes(runs)
        result.left_out = reruns.RerunExclusions(unknown=len(in_doubt))
        jobs = jobs.exclude(run__in=in_doubt)
    for job in jobs[:most]:
        try:
            requeue_job(job, by, unknown=unknown)
        except (ControlError, NotPermittedError) as error:
            result.refused[str(job.pk)] = str(error)
        else:
            result.done += 1
    return result

"""Dead jobs: jobs that failed permanently. Operators list and requeue them."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from django.shortcuts import get_object_or_404
from ninja import Field, Query, Router, Schema

from automate_api.v1.front_door import TokenRequest
from automate_api.v1.pages import Page, PageQuery, read_page
from automate_core.ids import uuid7_time
from automate_core.models import ExecutionRun, OutboxJob
from automate_core.operations import dead_jobs
from automate_governance.permissions import SITE, NotPermittedError, can
from automate_governance.texts import translated
from automate_plugins import text

router = Router()


class DeadJob(Schema):
    """A job that failed permanently."""

    id: uuid.UUID
    kind: str = Field(description="dispatch: match an event; advance: continue a run")
    event: uuid.UUID | None
    run: uuid.UUID | None
    workflow: str | None = Field(description="Slug, for a run.")
    error: str
    attempts: int
    created_at: dt.datetime


class RequeuedJob(Schema):
    """The outcome of requeuing a dead job: a new job, or a re-run."""

    job: uuid.UUID | None = None
    run: uuid.UUID | None = None


class RefusedJob(Schema):
    job: uuid.UUID
    reason: str


class RequeuedJobs(Schema):
    done: int
    refused: list[RefusedJob]


@router.get("/dead-jobs", response=Page[DeadJob])
def list_dead_jobs(request: TokenRequest, page: Query[PageQuery]) -> dict[str, Any]:
    """List the dead jobs that were not requeued yet, oldest first."""
    _check_operates(request)
    found, following = read_page(dead_jobs.requeueable_jobs(), page, order="pk")
    return {"items": [_describe_job(job) for job in found], "next": following}


@router.post("/dead-jobs/requeue", response=RequeuedJobs)
def requeue_dead_jobs(request: TokenRequest) -> dict[str, Any]:
    """Requeue the oldest dead jobs, a limited number at once."""
    _check_operates(request)
    result = dead_jobs.requeue_oldest(request.user)
    refused = [{"job": job, "reason": translated(reason)} for job, reason in result.refused.items()]
    return {"done": result.done, "refused": refused}


@router.post("/dead-jobs/{uuid:job_id}/requeue", response=RequeuedJob)
def requeue_dead_job(request: TokenRequest, job_id: uuid.UUID) -> dict[str, Any]:
    """Requeue one dead job: its event is matched again, or its run is re-run."""
    _check_operates(request)
    jobs = OutboxJob.objects.select_related("event", "run__workflow__published", "run__version", "run__event")
    made = dead_jobs.requeue_job(get_object_or_404(jobs, pk=job_id), request.user)
    return {"run": made.pk} if isinstance(made, ExecutionRun) else {"job": made.pk}


def _check_operates(request: TokenRequest) -> None:
    if not can(request.user, "operate", SITE):
        raise NotPermittedError(text("You need the Operate permission for the site."))


def _describe_job(job: OutboxJob) -> dict[str, Any]:
    return {
        "id": job.pk,
        "kind": job.kind,
        "event": job.event_id,
        "run": job.run_id,
        "workflow": job.run.workflow.slug if job.run else None,
        "error": translated(job.last_error),
        "attempts": job.attempts,
        "created_at": uuid7_time(job.pk),
    }

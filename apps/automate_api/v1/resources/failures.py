"""Failure groups: list them, resolve or mute them, and re-run their runs. Dead jobs: list and requeue them."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable
from typing import Any, Literal

from django.db.models import QuerySet, Sum
from ninja import Field, Query, Router, Schema

from automate_api.v1.bodies import RequestSchema
from automate_api.v1.front_door import TokenRequest
from automate_api.v1.not_found import find_object
from automate_api.v1.pages import Page, PageQuery, closed, permitted_rows, read_page
from automate_core.ids import uuid7_time
from automate_core.models import ExecutionRun, FailureCount, FailureGroup, OutboxJob
from automate_governance.permissions import SITE, NotPermittedError, Person, can, permitted
from automate_governance.texts import error_message, translated
from automate_operations import dead_jobs
from automate_operations.statistics import failures
from automate_plugins import text

router = Router()


class Failures(Schema):
    """Similar failures of one workflow at one step."""

    id: int
    workflow: str = Field(description="Slug.")
    step: str = Field(description="Path of the step; empty when no step failed.")
    code: str
    message: str | None = Field(description="The latest; null without the permission to view payloads.")
    failures: int = Field(description="Number of failures that retention has kept.")
    first_at: dt.datetime
    last_at: dt.datetime
    last_run: uuid.UUID
    resolved_at: dt.datetime | None
    muted_at: dt.datetime | None


class FailureQuery(PageQuery):
    state: Literal["open", "resolved", "muted"] | None = Field(
        None, description="`open` is neither resolved nor muted."
    )
    workflow: str | None = Field(None, max_length=100, description="Slug.")


class RerunFailures(RequestSchema):
    version: Literal["original", "newest"] = "original"
    unknown: bool = Field(
        False, description="Also runs with a step whose outcome is unknown; its effect may be repeated."
    )


class RefusedRun(Schema):
    run: uuid.UUID
    reason: str


class RerunFailuresResult(Schema):
    done: int
    left: int = Field(description="Runs that are left, since one request re-runs a limited number.")
    unknown_outcome: int = Field(description="Runs left out because a step may have taken effect.")
    refused: list[RefusedRun]


@router.get("/failure-groups", response=Page[Failures])
def list_failure_groups(request: TokenRequest, query: Query[FailureQuery]) -> dict[str, Any]:
    """List groups of similar failures, the newest group first."""
    rows = permitted_rows(request.user, "view", _groups())
    match query.state:
        case "open":
            rows = rows.filter(resolved_at=None, muted_at=None)
        case "resolved":
            rows = rows.filter(resolved_at__isnull=False)
        case "muted":
            rows = rows.filter(muted_at__isnull=False)
    if query.workflow is not None:
        rows = rows.filter(workflow__slug=query.workflow)
    found, following = read_page(rows, query)
    return {"items": _describe_groups(request, found), "next": following}


@router.get("/failure-groups/{int:group_id}", response=Failures)
def read_failure_group(request: TokenRequest, group_id: int) -> dict[str, Any]:
    """Read one failure group."""
    return _described(request, group_id)


@router.post("/failure-groups/{int:group_id}/resolve", response=Failures)
def resolve_failure_group(request: TokenRequest, group_id: int) -> dict[str, Any]:
    """Resolve a failure group. A further failure reopens it."""
    return _mark(request, group_id, failures.resolve_group)


@router.post("/failure-groups/{int:group_id}/reopen", response=Failures)
def reopen_failure_group(request: TokenRequest, group_id: int) -> dict[str, Any]:
    """Reopen a resolved failure group."""
    return _mark(request, group_id, failures.reopen_group)


@router.post("/failure-groups/{int:group_id}/mute", response=Failures)
def mute_failure_group(request: TokenRequest, group_id: int) -> dict[str, Any]:
    """Exclude a failure group from what needs attention."""
    return _mark(request, group_id, failures.mute_group)


@router.post("/failure-groups/{int:group_id}/unmute", response=Failures)
def unmute_failure_group(request: TokenRequest, group_id: int) -> dict[str, Any]:
    """Include a muted failure group again."""
    return _mark(request, group_id, failures.unmute_group)


@router.post("/failure-groups/{int:group_id}/rerun", response=RerunFailuresResult)
def rerun_failure_group(request: TokenRequest, group_id: int, body: RerunFailures) -> dict[str, Any]:
    """Re-run the runs of a failure group from the failed step, the oldest first."""
    group = _get_group(request, group_id)
    result = failures.retry_group(group, by=request.user, version=body.version, unknown=body.unknown)
    refused = [{"run": run, "reason": translated(reason)} for run, reason in result.refused.items()]
    return {"done": result.done, "left": result.left, "unknown_outcome": result.unknown, "refused": refused}


def _groups() -> QuerySet[FailureGroup]:
    return FailureGroup.objects.select_related("workflow")


def _get_group(request: TokenRequest, group_id: int) -> FailureGroup:
    return find_object(permitted(request.user, "view", _groups()), pk=group_id)


def _mark(request: TokenRequest, group_id: int, act: Callable[..., None]) -> dict[str, Any]:
    person: Person = request.user
    act(_get_group(request, group_id), by=person)
    return _described(request, group_id)


def _described(request: TokenRequest, group_id: int) -> dict[str, Any]:
    return _describe_groups(request, [_get_group(request, group_id)])[0]


def _describe_groups(request: TokenRequest, groups: list[FailureGroup]) -> list[dict[str, Any]]:
    """Three queries."""
    if not groups:
        return []
    keys = FailureGroup.objects.filter(pk__in=[group.pk for group in groups])
    readable = set(permitted(request.user, "view_payload", keys).values_list("pk", flat=True))
    runs = ExecutionRun.objects.filter(pk__in=[group.last_run for group in groups])
    kept = dict(runs.values_list("pk", "error__text"))
    counts = FailureCount.objects.filter(group__in=groups).values_list("group").annotate(number=Sum("count"))
    numbers = dict(counts)
    return [
        {
            "id": group.pk,
            "workflow": group.workflow.slug,
            "step": group.path,
            "code": group.code,
            "message": error_message({"message": group.message, "text": kept.get(group.last_run)})
            if group.pk in readable
            else None,
            "failures": numbers.get(group.pk, 0),
            "first_at": group.first_at,
            "last_at": group.last_at,
            "last_run": group.last_run,
            "resolved_at": group.resolved_at,
            "muted_at": group.muted_at,
        }
        for group in groups
    ]


# --- dead jobs --------------------------------------------------------------------------------------------------------


class DeadJob(Schema):
    """A job that failed permanently."""

    id: uuid.UUID
    kind: str = Field(
        description="dispatch: match an event; advance: continue a run", json_schema_extra=closed(OutboxJob.Kind.values)
    )
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


class RequeueJobs(RequestSchema):
    unknown: bool = Field(
        False, description="Also runs with a step whose outcome is unknown; its effect may be repeated."
    )


class RefusedJob(Schema):
    job: uuid.UUID
    reason: str


class RequeuedJobs(Schema):
    done: int
    refused: list[RefusedJob]
    unknown: int = Field(description="Jobs that were left out, because the outcome of a step is unknown.")


@router.get("/dead-jobs", response=Page[DeadJob])
def list_dead_jobs(request: TokenRequest, page: Query[PageQuery]) -> dict[str, Any]:
    """List the dead jobs that were not requeued yet, oldest first."""
    _check_operates(request)
    found, following = read_page(dead_jobs.requeueable_jobs(), page, order="pk")
    return {"items": [_describe_job(job) for job in found], "next": following}


@router.post("/dead-jobs/requeue", response=RequeuedJobs)
def requeue_dead_jobs(request: TokenRequest, body: RequeueJobs) -> dict[str, Any]:
    """Requeue the oldest dead jobs, a limited number at once."""
    _check_operates(request)
    result = dead_jobs.requeue_oldest(request.user, unknown=body.unknown)
    refused = [{"job": job, "reason": translated(reason)} for job, reason in result.refused.items()]
    return {"done": result.done, "refused": refused, "unknown": result.left_out.unknown}


@router.post("/dead-jobs/{uuid:job_id}/requeue", response=RequeuedJob)
def requeue_dead_job(request: TokenRequest, job_id: uuid.UUID, body: RequeueJobs) -> dict[str, Any]:
    """Requeue one dead job: its event is matched again, or its run is re-run."""
    _check_operates(request)
    jobs = OutboxJob.objects.select_related("event", "run__workflow__published", "run__version", "run__event")
    made = dead_jobs.requeue_job(find_object(jobs, pk=job_id), request.user, unknown=body.unknown)
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

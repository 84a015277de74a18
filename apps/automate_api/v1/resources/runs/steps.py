"""Steps of a run: their attempts, with and without data, and their log."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from django.db.models import QuerySet
from ninja import Field, Query, Router, Schema

from automate_api.v1.front_door import TokenRequest
from automate_api.v1.not_found import find_object
from automate_api.v1.pages import Page, PageQuery, filter_given, read_page
from automate_api.v1.resources.runs.runs import RunError, check_payload, find_run, get_run
from automate_core import artifacts
from automate_core.definition.step_paths import key_of
from automate_core.models import ExecutionRun, ForeseenEffect, RunLog, StepRun
from automate_core.runs.lookup import PendingStart
from automate_core.states import StepStatus
from automate_governance.audit import payload_views
from automate_governance.permissions import can
from automate_operations.runs.service_words import error_with_words

router = Router()


class Attempt(Schema):
    """One attempt of one step, without its data."""

    id: uuid.UUID
    path: str = Field(description="Place of the step, such as route/notify or each[3]/send.")
    key: str
    attempt: int
    status: StepStatus
    started_at: dt.datetime
    finished_at: dt.datetime | None
    error: RunError | None


class AttemptWithData(Attempt):
    input: Any = None
    output: Any = None
    error_details: Any = None
    foreseen_effects: list[Any] = Field([], description="What an attempt of a dry run would have done.")


class LogLine(Schema):
    """A line in the log of a step."""

    id: uuid.UUID
    path: str
    key: str
    attempt: int
    level: str
    message: str
    at: dt.datetime

    @staticmethod
    def resolve_key(line: RunLog) -> str:
        return key_of(line.path)


class StepQuery(PageQuery):
    path: str | None = Field(None, max_length=2000, description="Attempts of this step alone.")
    status: StepStatus | None = None


class LogQuery(PageQuery):
    path: str | None = Field(None, max_length=2000, description="Lines of this step alone.")
    attempt: int | None = Field(None, ge=1, lt=2**31)


@router.get("/runs/{uuid:run_id}/steps", response=Page[Attempt])
def list_run_steps(request: TokenRequest, run_id: uuid.UUID, query: Query[StepQuery]) -> dict[str, Any]:
    """List the attempts of a run's steps, in the order in which they began."""
    run = find_run(request, run_id)
    if isinstance(run, PendingStart):
        return {"items": [], "next": None}
    rows = filter_given(attempts_of(run), path=query.path, status=query.status)
    found, following = read_page(rows, query, order="pk")
    may_read = can(request.user, "view_payload", run)
    return {"items": [describe_attempt(attempt, may_read=may_read) for attempt in found], "next": following}


@router.get("/runs/{uuid:run_id}/steps/{uuid:attempt_id}", response=AttemptWithData)
def read_run_step(request: TokenRequest, run_id: uuid.UUID, attempt_id: uuid.UUID) -> dict[str, Any]:
    """Read one attempt with its input and output. Recorded as a view of the payload."""
    run = get_run(request, run_id)
    attempt = find_object(StepRun.objects.filter(run=run), pk=attempt_id)
    check_payload(request, run)
    record_view(request, run, attempt.path)
    effects = ForeseenEffect.objects.filter(run=run, path=attempt.path, attempt=attempt.attempt)
    return {
        **describe_attempt(attempt, may_read=True),
        "input": _whole_value(attempt.input, attempt.input_file),
        "output": _whole_value(attempt.output, attempt.output_file),
        "error_details": (attempt.error or {}).get("details"),
        "foreseen_effects": [each for found in effects.values_list("effects", flat=True) for each in found],
    }


@router.get("/runs/{uuid:run_id}/logs", response=Page[LogLine])
def list_run_logs(request: TokenRequest, run_id: uuid.UUID, query: Query[LogQuery]) -> dict[str, Any]:
    """List the lines that a run's steps logged. Recorded as a view of the payload."""
    run = find_run(request, run_id)
    if isinstance(run, PendingStart):
        return {"items": [], "next": None}
    check_payload(request, run)
    record_view(request, run, query.path or "")
    rows = filter_given(RunLog.objects.filter(run=run), path=query.path, attempt=query.attempt)
    found, following = read_page(rows, query, order="pk")
    return {"items": found, "next": following}


def attempts_of(run: ExecutionRun) -> QuerySet[StepRun]:
    """The attempts of a run without their data."""
    return StepRun.objects.filter(run=run).only("path", "attempt", "status", "started_at", "finished_at", "error")


def describe_attempt(attempt: StepRun, *, may_read: bool) -> dict[str, Any]:
    """An attempt as `Attempt` shows it; the message of its error for those who may read payloads."""
    error = attempt.error and {
        "code": str(attempt.error.get("code", "")),
        "message": error_with_words(attempt.error) if may_read else None,
        "step": key_of(attempt.path),
    }
    return {
        "id": attempt.pk,
        "path": attempt.path,
        "key": key_of(attempt.path),
        "attempt": attempt.attempt,
        "status": attempt.status,
        "started_at": attempt.started_at,
        "finished_at": attempt.finished_at,
        "error": error,
    }


def record_view(request: TokenRequest, run: ExecutionRun, path: str) -> None:
    """Record that the person viewed data of a run."""
    payload_views.record_view(request.user, "run.payload_viewed", run, trace_id=run.trace_id, step=path)


def _whole_value(stored: Any, file: str | None) -> Any:
    return artifacts.read_value(file) if file else stored

"""Runs: start and read."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from django.http import Http404
from ninja import Field, Router, Schema

from automate_api.v1.front_door import TokenRequest
from automate_api.v1.idempotency import HEADER
from automate_api.v1.replies import WaitSeconds
from automate_api.v1.resources.workflows import get_workflow
from automate_core.models import ExecutionRun
from automate_core.runs.pending_starts import PendingStart, find_pending_start
from automate_core.states import RunStatus
from automate_core.triggers.manual import start_workflow
from automate_governance.admin_site import reverse
from automate_governance.permissions import can, permitted
from automate_governance.texts import error_message

router = Router()


class StartRun(Schema):
    """What a run starts with."""

    inputs: dict[str, Any] = Field(default_factory=dict, description="Values of the manual trigger's fields.")
    trigger: str = Field("", max_length=64, description="Key of the manual trigger; by default the first.")


class StartedRun(Schema):
    """A run that will start soon."""

    id: uuid.UUID
    status: str
    url: str = Field(description="Path of the run in this API.")


class RunError(Schema):
    code: str
    message: str | None = Field(description="null without the permission to view payloads")
    step: str | None = None


class Run(Schema):
    """A run, without its data."""

    id: uuid.UUID
    workflow: str = Field(description="Slug.")
    version: int | None = Field(description="null until a worker has taken it")
    status: RunStatus
    cause: str
    origin: str
    trace_id: str
    created_at: dt.datetime
    started_at: dt.datetime | None = None
    finished_at: dt.datetime | None = None
    error: RunError | None = None
    url: str


@router.post("/workflows/{slug}/runs", response={202: StartedRun})
def start_run(request: TokenRequest, slug: str, body: StartRun, wait: WaitSeconds = 0) -> dict[str, Any]:
    """Start a run of the published version. The run is there at once, with the status queued."""
    workflow = get_workflow(request, slug)
    key = request.headers.get(HEADER)
    started = start_workflow(
        workflow,
        body.inputs,
        by=request.user,
        trigger=body.trigger,
        key=f"api:{request.auth.pk}:{key}" if key else None,
    )
    return {"id": started.event_id, "status": RunStatus.QUEUED, "url": run_path(started.event_id)}


@router.get("/runs/{uuid:run_id}", response=Run)
def read_run(request: TokenRequest, run_id: uuid.UUID) -> dict[str, Any]:
    """Read one run."""
    run = _find_run(request, run_id)
    if run is None:
        pending = find_pending_start(run_id)
        if pending is None or not can(request.user, "view", pending.workflow):
            raise Http404
        # A worker may have taken it meanwhile
        run = _find_run(request, run_id) if pending.is_rejected else None
        if run is None:
            return describe_pending(pending)
    return describe_run(run, may_view_payload=can(request.user, "view_payload", run))


def _find_run(request: TokenRequest, run_id: uuid.UUID) -> ExecutionRun | None:
    runs = ExecutionRun.objects.select_related("workflow", "version").defer("version__definition", "vars", "output")
    return permitted(request.user, "view", runs).filter(pk=run_id).first()


def run_path(run_id: Any) -> str:
    """The path of a run in this API."""
    return reverse("automate_api:read_run", kwargs={"run_id": run_id})


def describe_run(run: ExecutionRun, *, may_view_payload: bool) -> dict[str, Any]:
    """A run as `Run` shows it; with its workflow and its version loaded, no query."""
    error = run.error and {
        "code": str(run.error.get("code", "")),
        "message": error_message(run.error) if may_view_payload else None,
        "step": run.error.get("step"),
    }
    return {
        "id": run.pk,
        "workflow": run.workflow.slug,
        "version": run.version.number,
        "status": run.status,
        "cause": run.cause,
        "origin": run.origin,
        "trace_id": run.trace_id,
        "created_at": run.created_at,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "error": error,
        "url": run_path(run.pk),
    }


def describe_pending(pending: PendingStart) -> dict[str, Any]:
    """A manual start that no worker has taken, as a run."""
    return {
        "id": pending.id,
        "workflow": pending.workflow.slug,
        "version": None,
        "status": RunStatus.FAILED if pending.is_rejected else RunStatus.QUEUED,
        "cause": ExecutionRun.Cause.TRIGGER,
        "origin": pending.origin,
        "trace_id": pending.trace_id,
        "created_at": pending.received_at,
        "error": {"code": "not_started", "message": None} if pending.is_rejected else None,
        "url": run_path(pending.id),
    }

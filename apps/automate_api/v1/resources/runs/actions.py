"""Actions on one run: cancel, re-run, pin, and what people do about a waiting step."""

from __future__ import annotations

import uuid
from typing import Any, Literal

import msgspec
from django.utils.translation import gettext as _
from ninja import Field, Router

from automate_api.v1.bodies import RequestSchema
from automate_api.v1.front_door import TokenRequest
from automate_api.v1.not_found import not_found
from automate_api.v1.problems import ProblemError
from automate_api.v1.resources.runs.runs import Run, describe_run, find_run, get_run
from automate_core.definition.step_paths import key_of
from automate_core.models import ExecutionRun, Wait
from automate_core.runs import control
from automate_core.runs.lookup import PendingStart
from automate_core.runs.waits import approvals
from automate_core.states import WaitStatus
from automate_governance.permissions import NotPermittedError, can
from automate_operations.retention import pinning
from automate_operations.runs.start_cancellation import cancel_run_or_start
from automate_operations.statistics import failures

router = Router()


class CancelRun(RequestSchema):
    reason: str = Field("", max_length=100, description="Shown on the run and in the audit trail.")


class RerunRun(RequestSchema):
    from_step: str | None = Field(
        None, max_length=2000, description="`start`, `failed`, or the path of a step; by default the failed one."
    )
    version: Literal["original", "newest"] = "original"
    payload: Any = Field(None, description="Replaces the payload of the event, also with null.")
    variables: dict[str, Any] = Field(default_factory=dict, description="Replace variables of the workflow.")
    again: bool = Field(
        False,
        description=(
            "Also when a re-run succeeded or has not ended. Without it, such a run is refused with 409 "
            "(`already_rerun`)."
        ),
    )
    unknown: bool = Field(
        False,
        description=(
            "Also when the outcome of a step is unknown; its effect may be repeated. Without it, such a run is refused "
            "with 409 (`unknown_outcome`)."
        ),
    )


class WaitingStep(RequestSchema):
    step: str = Field("", max_length=2000, description="Path or key of the waiting step; by default the only one.")


class SkipStep(WaitingStep):
    output: Any = Field(None, description="What later steps see as its output.")
    reason: str = Field("", max_length=100)


class ReviewStep(WaitingStep):
    outcome: Literal["succeeded", "failed", "again"]
    output: Any = Field(None, description="Its output, when it succeeded.")


@router.post("/runs/{uuid:run_id}/cancel", response=Run)
def cancel_run(request: TokenRequest, run_id: uuid.UUID, body: CancelRun) -> dict[str, Any]:
    """Cancel a run and its sub-runs, also before a worker has taken it."""
    cancel_run_or_start(find_run(request, run_id), by=request.user, reason=body.reason.strip())
    return _described(request, run_id)


@router.post("/runs/{uuid:run_id}/rerun", response={201: Run})
def rerun_run(request: TokenRequest, run_id: uuid.UUID, body: RerunRun) -> dict[str, Any]:
    """Start a new run from an ended one, with the data of the steps before the first one."""
    run = get_run(request, run_id)
    made = failures.rerun_and_resolve(
        run,
        by=request.user,
        start=body.from_step or control.default_start(run),
        version=body.version,
        payload=body.payload if "payload" in body.model_fields_set else msgspec.UNSET,
        variables=body.variables,
        again=body.again,
        unknown=body.unknown,
    )
    return _described(request, made.pk)


@router.post("/runs/{uuid:run_id}/pin", response=Run)
def pin_run(request: TokenRequest, run_id: uuid.UUID) -> dict[str, Any]:
    """Keep a run from retention."""
    pinning.pin_run(get_run(request, run_id), by=request.user)
    return _described(request, run_id)


@router.post("/runs/{uuid:run_id}/unpin", response=Run)
def unpin_run(request: TokenRequest, run_id: uuid.UUID) -> dict[str, Any]:
    """Leave a run to retention again."""
    pinning.unpin_run(get_run(request, run_id), by=request.user)
    return _described(request, run_id)


@router.post("/runs/{uuid:run_id}/retry", response=Run)
def retry_run_step(request: TokenRequest, run_id: uuid.UUID, body: WaitingStep) -> dict[str, Any]:
    """Retry a step now that waits for its next attempt."""
    wait = _find_wait(request, run_id, body.step, {Wait.Kind.RETRY})
    approvals.retry_step_now(wait, by=request.user)
    return _described(request, run_id)


@router.post("/runs/{uuid:run_id}/skip", response=Run)
def skip_run_step(request: TokenRequest, run_id: uuid.UUID, body: SkipStep) -> dict[str, Any]:
    """Skip a waiting step."""
    wait = _find_wait(request, run_id, body.step, approvals.SKIPPABLE)
    approvals.skip_step(wait, by=request.user, output=body.output, reason=body.reason.strip())
    return _described(request, run_id)


@router.post("/runs/{uuid:run_id}/review", response=Run)
def review_run_step(request: TokenRequest, run_id: uuid.UUID, body: ReviewStep) -> dict[str, Any]:
    """Set the outcome of an attempt in doubt."""
    wait = _find_wait(request, run_id, body.step, {Wait.Kind.REVIEW})
    output = body.output if body.outcome == "succeeded" else None
    approvals.resolve_review(wait, by=request.user, outcome=body.outcome, output=output)
    return _described(request, run_id)


def _described(request: TokenRequest, run_id: uuid.UUID) -> dict[str, Any]:
    run = find_run(request, run_id)
    if isinstance(run, PendingStart):
        raise not_found(ExecutionRun, run_id)
    return describe_run(run, may_view_payload=can(request.user, "view_payload", run))


def _find_wait(request: TokenRequest, run_id: uuid.UUID, step: str, kinds: Any) -> Wait:
    """The open wait of that step. Raises NotPermittedError, and ProblemError when there is none, or several."""
    run = get_run(request, run_id)
    if not can(request.user, "run", run.workflow):
        raise NotPermittedError(control.may_not_run(request.user, run.workflow.slug))
    waits = Wait.objects.filter(run=run, status=WaitStatus.OPEN).select_related("run__workflow").order_by("pk")
    waits = waits if step else waits.filter(kind__in=kinds)
    found = [wait for wait in waits if step in {"", wait.path, key_of(wait.path)}]
    if not found:
        raise ProblemError(409, _("No step of this run waits for this action."), code="no_waiting_step")
    if len(found) > 1:
        message = _("Several steps wait: %(steps)s. Choose one.") % {"steps": ", ".join(wait.path for wait in found)}
        raise ProblemError(422, message, [("step", message)], code="several_waiting_steps")
    return found[0]

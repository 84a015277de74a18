"""Runs: start, list and read."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any, Literal

from django.db.models import QuerySet
from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from ninja import Field, Query, Router, Schema
from pydantic import ConfigDict

from automate_api.v1.bodies import RequestSchema
from automate_api.v1.front_door import TokenRequest
from automate_api.v1.idempotency import HEADER
from automate_api.v1.not_found import not_found
from automate_api.v1.pages import (
    Moment,
    Page,
    PageQuery,
    Since,
    aware,
    check_list,
    closed,
    form,
    read_uuid_cursor,
    since_bounds,
    write_cursor,
)
from automate_api.v1.problems import ProblemError
from automate_api.v1.replies import ReplyKind, WaitSeconds
from automate_api.v1.resources.workflows import get_workflow
from automate_core.models import ExecutionRun, Wait
from automate_core.runs.lookup import PendingStart, find_run_or_start
from automate_core.runs.outputs import read_outputs
from automate_core.states import RunStatus
from automate_core.triggers.manual import start_workflow
from automate_core.webhooks.callback_urls import token_of
from automate_governance.admin_site import reverse
from automate_governance.audit import payload_views
from automate_governance.middleware import show_once
from automate_governance.permissions import NotPermittedError, can, permitted
from automate_operations.notifications.texts import page_url
from automate_operations.queries.run_filters import (
    MOST_CHOSEN,
    ORIGINS,
    REASONS,
    RunFilters,
    parse_run_filters,
)
from automate_operations.queries.run_search import LAST, RunSearch
from automate_operations.queries.run_subjects import subject_of_run
from automate_operations.runs.open_waits import OpenWait, find_open_waits
from automate_operations.runs.service_words import error_with_words
from automate_plugins import text

router = Router()


class StartRun(RequestSchema):
    """The inputs of a new run."""

    inputs: dict[str, Any] = Field(
        default_factory=dict, description="Values of the manual trigger's fields.", examples=[{"order": "4711"}]
    )
    trigger: str = Field("", max_length=64, description="Key of the manual trigger; by default the first.")


class StartedRun(Schema):
    """A run that will start soon."""

    id: uuid.UUID
    status: RunStatus
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
    cause: ExecutionRun.Cause
    origin: str = Field(
        description="What started it; empty for a run of no event.",
        json_schema_extra=closed([*ExecutionRun.Origin.values, ""]),
    )
    trace_id: str
    created_at: dt.datetime
    started_at: dt.datetime | None = None
    finished_at: dt.datetime | None = None
    subject: str | None = Field(None, description="Title of the run; null without the permission to view payloads.")
    event: uuid.UUID | None = Field(None, description="The event that started it.")
    rerun_of: uuid.UUID | None = Field(None, description="The run that it repeats.")
    is_pinned: bool = Field(False, description="Whether retention keeps it.")
    is_erased: bool = Field(False, description="Whether its data was erased as personal data.")
    error: RunError | None = None
    url: str


class RunWait(Schema):
    """Something that a run waits for, itself or through its sub-runs."""

    kind: Wait.Kind
    run: uuid.UUID | None = Field(
        description="The run that waits: this one or a sub-run; null for a sub-run that the token may not view."
    )
    workflow: str | None = Field(description="Slug of the workflow of that run.")
    step: str | None = Field(description="Path of the step that waits; empty for the run as a whole.")
    title: str = Field(description="Of an approval; empty without the permission to view payloads.")
    created_at: dt.datetime
    due_at: dt.datetime | None
    page: str | None = Field(description="The page where people decide an approval.")
    approval: uuid.UUID | None = Field(description="ID of the approval, for /approvals.")
    answer_url: str | None = Field(
        description=(
            "Where a callback is posted, or the page of a hosted form; null without the permissions to run the "
            "workflow and to view payloads."
        )
    )


class RunWithWaits(Run):
    waits: list[RunWait] = Field([], description="What the run waits for, also through its sub-runs; at most 100.")


class RunOutputs(Schema):
    outputs: dict[str, Any] = Field(description="By the keys of the steps.")


class RunFilterQuery(RequestSchema):
    """Filters of runs, those of the run list."""

    model_config = ConfigDict(populate_by_name=True)
    reads_texts = True

    show: Literal["attention", "running", "waiting", "succeeded", "tests"] | None = None
    search: str | None = Field(None, max_length=100, description="Workflow, run id, trace id, search term or error.")
    status: list[RunStatus] = []
    reason: list[Literal[*REASONS]] = Field([], description="What waiting runs wait for.")  # type: ignore[valid-type]
    rerun: Literal["none", "any"] | None = Field(None, description="Whether it was re-run.")
    workflow: list[str] = Field([], max_length=MOST_CHOSEN, description="Slugs.")
    origin: list[Literal[*ORIGINS]] = Field([], description="What started it.")  # type: ignore[valid-type]
    version: int | None = Field(None, ge=1, lt=2**31, description="Number of the workflow's version.")
    since: Since = Field(None, description="The last hours or days, a day, or the time after which they were created.")
    until: Moment | None = Field(None, description="The time until which they were created, as `to`.")
    created_from: Moment | None = Field(None, alias="from")
    created_to: Moment | None = Field(None, alias="to")
    ended: Moment | None = Field(None, description="The time since which they ended.")
    longer: str | None = Field(None, max_length=40, description="Least duration, such as 90s or 2h 30m.")
    shorter: str | None = Field(None, max_length=40, description="Greatest duration.")
    error: str | None = Field(None, max_length=100, description="Part of the error message.")
    term: str | None = Field(None, max_length=300, description="Search term, as name:value.")
    trace: str | None = Field(
        None, max_length=40, description="Trace id or its beginning.", json_schema_extra=form("[0-9a-fA-F-]{4,40}")
    )
    run: str | None = Field(
        None,
        max_length=40,
        description="Run id or its last eight digits.",
        json_schema_extra=form("[0-9a-fA-F-]{8,40}"),
    )
    bulk: uuid.UUID | None = Field(None, description="Runs that this bulk action of yours created.")

    def filters(self) -> RunFilters:
        """The filters in the form of the core. Raises ProblemError."""
        given = self.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"limit", "cursor", "search"})
        if "until" in given:
            given["to"] = given.pop("until")
        if self.since is not None and ("to" in given or isinstance(self.since, dt.datetime)):
            del given["since"]  # a period by its name has no other end
            start, end = since_bounds(self.since)
            ends = filter(None, (aware(self.until or self.created_to), end))
            given |= {"from": start, "to": min(ends, default="")}
        query = {name: ",".join(value) if isinstance(value, list) else str(value) for name, value in given.items()}
        found = parse_run_filters(query | ({"q": self.search} if self.search else {}))
        if found.problems:
            raise ProblemError(422, _("The request is not valid."), found.problems.items())
        return found


class RunListQuery(RunFilterQuery, PageQuery):
    def key(self) -> uuid.UUID:
        """The run after which the page begins. Raises ProblemError."""
        return LAST if self.cursor is None else read_uuid_cursor(self.cursor)


@router.post(
    "/workflows/{slug}/runs",
    response={202: StartedRun},
    openapi_extra={
        "responses": {
            "2XX": {"description": "With wait: the reply of the run, of any status and type.", "content": {"*/*": {}}}
        }
    },
)
def start_run(
    request: TokenRequest, slug: str, body: StartRun, wait: WaitSeconds = 0, reply: ReplyKind = "workflow"
) -> dict[str, Any]:
    """Start a run of the published version. The run is there at once, with the status queued.

    With `wait`, the answer can be the reply of the run. `reply=run` makes it the run in each case.
    """
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


@router.get("/runs", response=Page[Run])
def list_runs(request: TokenRequest, query: Query[RunListQuery]) -> dict[str, Any]:
    """List runs, newest first.

    Filters without an index search a limited number of runs: a page may have fewer rows than its limit, or none, and
    still be followed by another.
    """
    check_list(request.user, "view", ExecutionRun)
    search = RunSearch(request.user, query.filters(), timezone.now())
    found = search.older_than(query.key(), query.limit + 1)
    ids = found.ids[: query.limit]
    following = found.scanned_to if len(found.ids) <= query.limit else ids[-1]
    return {"items": describe_runs(request, ids), "next": write_cursor(following) if following else None}


@router.get("/runs/{uuid:run_id}", response=RunWithWaits)
def read_run(request: TokenRequest, response: HttpResponse, run_id: uuid.UUID) -> dict[str, Any]:
    """Read one run, and what it waits for."""
    found = find_run(request, run_id)
    if isinstance(found, PendingStart):
        return describe_pending(found)
    described = describe_run(found, may_view_payload=can(request.user, "view_payload", found))
    waits = find_open_waits(found, request.user)
    show_once(response, *(token_of(each.answer_url) for each in waits if each.answer_url))
    return described | {"waits": [_describe_wait(each) for each in waits]}


@router.get("/runs/{uuid:run_id}/outputs", response=RunOutputs)
def read_run_outputs(request: TokenRequest, run_id: uuid.UUID) -> dict[str, Any]:
    """Read the latest outputs of the run's steps, without those in loops."""
    found = find_run(request, run_id)
    if isinstance(found, PendingStart):
        return {"outputs": {}}
    check_payload(request, found)
    payload_views.record_view(request.user, "run.payload_viewed", found, trace_id=found.trace_id, step="")
    return {"outputs": read_outputs(found)}


# --- for the resources of runs ----------------------------------------------------------------------------------------


def find_run(request: TokenRequest, run_id: uuid.UUID) -> ExecutionRun | PendingStart:
    """The run, or the start that no worker has taken yet, when the token may view it. Raises NotFoundError."""
    found = find_run_or_start(request.user, run_id, _rows())
    if found is None:
        raise not_found(ExecutionRun, run_id)
    return found


def get_run(request: TokenRequest, run_id: uuid.UUID) -> ExecutionRun:
    """The run that an action is about. Raises NotFoundError, and ProblemError for a start that no worker has taken."""
    found = find_run(request, run_id)
    if isinstance(found, PendingStart):
        raise ProblemError(409, _("No worker has taken this run yet. Repeat the request later."), code="run_not_taken")
    return found


def check_payload(request: TokenRequest, run: ExecutionRun) -> None:
    """Raise NotPermittedError when the token may not view the run's payload."""
    if not can(request.user, "view_payload", run):
        raise NotPermittedError(text("You need the View payloads permission to see this."))


def _rows() -> QuerySet[ExecutionRun]:
    runs = ExecutionRun.objects.select_related("workflow__published", "version", "event")
    runs = runs.defer("version__definition", "workflow__published__definition", "event__payload", "event__headers")
    return runs.defer("vars", "output").annotate(subject=subject_of_run())


def describe_runs(request: TokenRequest, ids: Sequence[uuid.UUID]) -> list[dict[str, Any]]:
    """The runs of these ids in this order. Two queries, and an audit entry once an hour where subjects are shown."""
    rows = _rows().in_bulk(ids)
    may_read = permitted(request.user, "view_payload", ExecutionRun.objects.filter(pk__in=ids))
    readable = set(may_read.values_list("pk", flat=True)) if ids else set()
    described = [describe_run(rows[key], may_view_payload=key in readable) for key in ids if key in rows]
    payload_views.record_subjects(request.user, (run["subject"] for run in described))
    return described


def run_path(run_id: Any) -> str:
    """The path of a run in this API."""
    return reverse("automate_api:read_run", kwargs={"run_id": run_id})


def describe_run(run: ExecutionRun, *, may_view_payload: bool) -> dict[str, Any]:
    """A run as `Run` shows it; with its workflow and its version loaded, no query."""
    error = run.error and {
        "code": str(run.error.get("code", "")),
        "message": error_with_words(run.error) if may_view_payload else None,
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
        "subject": getattr(run, "subject", None) if may_view_payload else None,
        "event": run.event_id,
        "rerun_of": run.retried_from_id,
        "is_pinned": run.kept_at is not None,
        "is_erased": run.erasure is not None,
        "created_at": run.created_at,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "error": error,
        "url": run_path(run.pk),
    }


def _describe_wait(found: OpenWait) -> dict[str, Any]:
    wait = found.wait
    is_approval = wait.kind == Wait.Kind.APPROVAL
    return {
        "kind": wait.kind,
        "run": wait.run_id if found.may_view else None,
        "workflow": wait.run.workflow.slug if found.may_view else None,
        "step": wait.path if found.may_view else None,
        "title": found.title if is_approval else "",
        "created_at": wait.created_at,
        "due_at": wait.due_at,
        "page": page_url("studio:approval_page", wait.pk) if is_approval else None,
        "approval": wait.pk if is_approval else None,
        "answer_url": found.answer_url or None,
    }


def describe_pending(pending: PendingStart) -> dict[str, Any]:
    """A manual start that no worker has taken, as a run."""
    event = pending.event
    return {
        "id": event.pk,
        "workflow": pending.workflow,
        "version": None,
        "status": RunStatus.FAILED if pending.is_rejected else RunStatus.QUEUED,
        "cause": ExecutionRun.Cause.TRIGGER,
        "origin": pending.origin,
        "trace_id": event.trace_id,
        "event": event.pk,
        "created_at": event.received_at,
        "error": {"code": "not_started", "message": None} if pending.is_rejected else None,
        "url": run_path(event.pk),
    }

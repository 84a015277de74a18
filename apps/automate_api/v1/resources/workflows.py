"""Workflows: list, read, create, pause, resume, archive, restore and delete them."""

from __future__ import annotations

import datetime as dt
from typing import Any, Literal

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _
from ninja import Field, Query, Router, Schema, Status

from automate_api.v1.bodies import RequestSchema
from automate_api.v1.definitions import WorkflowText
from automate_api.v1.front_door import TokenRequest
from automate_api.v1.not_found import find_object
from automate_api.v1.pages import (
    Moment,
    OrderedQuery,
    Page,
    Since,
    between,
    check_may_view,
    filter_given,
    permitted_rows,
    read_page,
)
from automate_api.v1.problems import ProblemError
from automate_authoring import copies, pausing, workflows
from automate_core.events import stops
from automate_core.models import Workflow
from automate_governance.people.names import people_named, sign_in_name
from automate_governance.permissions import permitted

router = Router()


class WorkflowSummary(Schema):
    """A workflow in a list."""

    slug: str
    name: str
    description: str
    status: Workflow.Status
    pause_reason: str = Field(description="Why it is paused, where a reason was given.")
    owner: str = Field(description="User name.")
    tags: list[str]
    version: int | None = Field(description="Number of the published version.")
    rev: int = Field(description="Revision of the draft.")
    has_unpublished_changes: bool
    created_at: dt.datetime
    updated_at: dt.datetime

    @staticmethod
    def resolve_owner(workflow: Workflow) -> str:
        return sign_in_name(workflow.owner)

    @staticmethod
    def resolve_version(workflow: Workflow) -> int | None:
        return workflow.published.number if workflow.published else None


class WorkflowFilters(OrderedQuery):
    status: Workflow.Status | None = None
    stopped: bool | None = Field(
        None, description="Whether it is published and starts nothing, because of its run-as user."
    )
    search: str | None = Field(None, max_length=100, description="Part of the name or the slug.")
    tag: str | None = Field(None, max_length=100)
    owner: str | None = Field(None, max_length=200, description="User name.")
    since: Since = Field(None, description="Changed in the last hours or days, on a day, or at this time or later.")
    until: Moment | None = Field(None, description="Changed at this time or earlier.")

    def narrow(self, rows: QuerySet[Workflow]) -> QuerySet[Workflow]:
        """The rows that match."""
        first, last = between(self.since, self.until)
        rows = filter_given(
            rows,
            status=self.status,
            owner__in=None if self.owner is None else people_named(self.owner),
            tags__contains=None if self.tag is None else [self.tag],
            updated_at__gte=first,
            updated_at__lte=last,
        )
        if self.search is not None:
            rows = rows.filter(Q(name__icontains=self.search) | Q(slug__icontains=self.search))
        if self.stopped is None:
            return rows
        stopped = Q(pk__in=stops.stopped_workflows(rows))
        return rows.filter(stopped if self.stopped else ~stopped)


def get_workflow(request: TokenRequest, slug: str, queryset: Any = None) -> Workflow:
    """The workflow, when the token may view it. Raises NotFoundError."""
    rows = Workflow.objects.all() if queryset is None else queryset
    found: Workflow = find_object(permitted(request.user, "view", rows), slug=slug)
    return found


def workflow_rows() -> QuerySet[Workflow]:
    """What `WorkflowSummary` shows, in one query."""
    return Workflow.objects.select_related("owner", "published").defer("published__definition")


@router.get("/workflows", response=Page[WorkflowSummary])
def list_workflows(request: TokenRequest, filters: Query[WorkflowFilters]) -> dict[str, Any]:
    """List the workflows that the token may view."""
    rows = filters.narrow(permitted_rows(request.user, "view", workflow_rows()))
    found, following = read_page(rows, filters, order=filters.key)
    return {"items": found, "next": following}


@router.get("/workflows/{slug}", response=WorkflowSummary)
def read_workflow(request: TokenRequest, slug: str) -> Workflow:
    """Read one workflow."""
    return get_workflow(request, slug, workflow_rows())


@router.post("/workflows", response={201: WorkflowSummary})
def create_workflow(request: TokenRequest, body: WorkflowText) -> Status[Workflow]:
    """Create a workflow with a draft out of a definition. It starts nothing until it is published."""
    check_may_view(request.user, Workflow)
    definition = body.definition()
    if Workflow.objects.filter(slug=definition.slug).exists():
        raise _taken(definition.slug)
    try:
        with transaction.atomic():
            made = workflows.save_definition(definition, owner=request.user)
    except IntegrityError as error:
        raise _taken(definition.slug) from error
    return Status(201, workflow_rows().get(pk=made.pk))


def _taken(slug: str) -> ProblemError:
    message = _("The slug %(slug)s is in use. Choose another one.") % {"slug": slug}
    return ProblemError(409, message, [("slug", message, "taken")], code="taken")


class CopyName(RequestSchema):
    name: str = Field("", max_length=200, description="Name of the copy; by default that of the original, with (copy).")


@router.post("/workflows/{slug}/copy", response={201: WorkflowSummary})
def copy_workflow(request: TokenRequest, slug: str, body: CopyName) -> Status[Workflow]:
    """Copy a workflow's draft as a new one. Its triggers are off, but manual ones, until they are turned on."""
    source = get_workflow(request, slug, workflow_rows())
    made = copies.copy_workflow(source, by=request.user, name=body.name.replace("\0", "").strip())
    return Status(201, workflow_rows().get(pk=made.workflow.pk))


class Resume(RequestSchema):
    backlog: Literal["run", "discard"] = Field(
        "run", description="run starts the runs that waited, discard cancels them."
    )


class Pause(RequestSchema):
    reason: str = Field("", max_length=pausing.MOST_REASON, description="Why; shown with the workflow.")


@router.post("/workflows/{slug}/pause", response=WorkflowSummary)
def pause_workflow(request: TokenRequest, slug: str, body: Pause) -> Workflow:
    """Pause a workflow: its events are accepted, and new runs wait."""
    return pausing.pause(get_workflow(request, slug, workflow_rows()), request.user, body.reason.strip())


@router.post("/workflows/{slug}/resume", response=WorkflowSummary)
def resume_workflow(request: TokenRequest, slug: str, body: Resume) -> Workflow:
    """Resume a paused workflow."""
    return pausing.resume(get_workflow(request, slug, workflow_rows()), request.user, body.backlog)


@router.post("/workflows/{slug}/archive", response=WorkflowSummary)
def archive_workflow(request: TokenRequest, slug: str) -> Workflow:
    """Archive a workflow: no run starts, and runs in progress finish."""
    return pausing.archive(get_workflow(request, slug, workflow_rows()), request.user)


@router.post("/workflows/{slug}/restore", response=WorkflowSummary)
def restore_workflow(request: TokenRequest, slug: str) -> Workflow:
    """Restore an archived workflow. One with a published version is paused afterwards."""
    return pausing.restore(get_workflow(request, slug, workflow_rows()), request.user)


@router.delete("/workflows/{slug}", response={204: None})
def delete_workflow(request: TokenRequest, slug: str) -> Status[None]:
    """Delete a workflow that has no runs or accepted starts, and that no published workflow calls."""
    workflows.delete(get_workflow(request, slug), by=request.user)
    return Status(204, None)

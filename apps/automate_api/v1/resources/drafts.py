"""Drafts: read, export, replace and publish them.

The ETag of a draft is its revision. A replacement names the revision that it is based on (`If-Match`).
"""

from __future__ import annotations

from typing import Annotated, Any

from django.http import HttpResponse
from django.utils.translation import gettext as _
from ninja import Field, Header, Query, Router, Schema

from automate_api.v1.bodies import RequestSchema
from automate_api.v1.definitions import DraftWarning, WorkflowText, describe_problems, describe_warnings
from automate_api.v1.front_door import TokenRequest
from automate_api.v1.not_found import not_found
from automate_api.v1.problems import ProblemError
from automate_api.v1.resources.workflows import WorkflowSummary, get_workflow, workflow_rows
from automate_authoring import workflows
from automate_authoring.definitions import yaml_files
from automate_authoring.drafts import rows
from automate_authoring.drafts.errors import ConflictError
from automate_authoring.drafts.values import draft_document
from automate_authoring.publishing.readiness import publishing_warnings
from automate_core.definition.document import Definition, DefinitionError
from automate_core.definition.parsing import parse
from automate_core.models import Workflow, WorkflowVersion
from automate_governance import audit
from automate_governance.texts import translated

router = Router()

ANY = "*"
IF_MATCH = "If-Match"
IfMatch = Annotated[
    str | None, Header(None, alias=IF_MATCH, description="ETag of the draft that the replacement is based on, or *.")
]
YAML_TYPE = "application/yaml"


class DraftProblem(Schema):
    path: str = Field(description="Place in the document, such as steps[1].inputs.url.")
    pointer: str = Field(description="The same as a JSON pointer, such as /steps/1/inputs/url.")
    message: str


class Draft(Schema):
    """A draft, complete or not."""

    slug: str
    rev: int = Field(description="Its revision, and its ETag.")
    document: dict[str, Any]
    problems: list[DraftProblem] = Field(description="What keeps it from being published, apart from permissions.")


class ExportQuery(Schema):
    version: str = Field("draft", max_length=20, description="draft, published, or the number of a version.")


class PublishedWorkflow(WorkflowSummary):
    """A workflow that was published, and what the review before publishing warns of."""

    warnings: list[DraftWarning]

    @staticmethod
    def resolve_warnings(workflow: Workflow, context: Any) -> list[dict[str, str]]:
        return describe_warnings(publishing_warnings(workflow, context["request"].user))


class Publish(RequestSchema):
    rev: int | None = Field(
        None, ge=0, lt=2**31, description="Revision of the draft to publish; 409 when there is a newer one."
    )
    message: str = Field("", max_length=200, description="What has changed.")


@router.get("/workflows/{slug}/draft", response=Draft)
def read_draft(request: TokenRequest, response: HttpResponse, slug: str) -> dict[str, Any]:
    """Read the draft of a workflow."""
    workflow = get_workflow(request, slug)
    response.headers["ETag"] = _tag(workflow)
    return _described(request, workflow)


@router.put("/workflows/{slug}/draft", response=Draft)
def replace_draft(
    request: TokenRequest, response: HttpResponse, slug: str, body: WorkflowText, if_match: IfMatch = None
) -> dict[str, Any]:
    """Replace the draft of a workflow as a whole, if it still has the revision in If-Match; * replaces any."""
    workflow = get_workflow(request, slug)
    rev, definition = _expected_rev(if_match), body.definition()
    if definition.slug != workflow.slug:
        message = _("The slug in the definition differs from the slug of the workflow.")
        raise ProblemError(422, message, [("slug", message)])
    try:
        workflow = workflows.save_definition(definition, owner=request.user, rev=rev)
    except ConflictError as error:
        detail = _("The draft has the revision %(rev)s now.") % {"rev": error.rev}
        raise ProblemError(412, f"{translated(str(error))} {detail}") from error
    response.headers["ETag"] = _tag(workflow)
    return _described(request, workflow)


@router.get(
    "/workflows/{slug}/export",
    response={200: None},
    openapi_extra={"responses": {200: {"content": {YAML_TYPE: {"schema": {}}}}}},
)
def export_workflow(request: TokenRequest, slug: str, query: Query[ExportQuery]) -> HttpResponse:
    """Export the draft or a version of a workflow as a YAML file. Recorded in the audit trail."""
    workflow = get_workflow(request, slug)
    try:
        definition = _definition(workflow, query.version)
    except DefinitionError as error:
        detail = _("The draft cannot be exported yet. Fix these errors first: %(errors)s") % {"errors": error}
        raise ProblemError(409, detail, code="draft_incomplete") from error
    audit.record(request.user, "workflow.exported", workflow)
    headers = {"ETag": _tag(workflow)} if query.version == "draft" else {}
    return HttpResponse(yaml_files.write_workflow(definition), content_type=YAML_TYPE, headers=headers)


@router.post("/workflows/{slug}/publish", response=PublishedWorkflow)
def publish_workflow(request: TokenRequest, slug: str, body: Publish) -> Workflow:
    """Publish the draft of a workflow: new runs use it from now on. Warnings prevent nothing."""
    workflow = get_workflow(request, slug, workflow_rows())
    number = workflow.published.number if workflow.published else 0
    seen = None if body.rev is None else workflows.Seen(body.rev, number)
    workflows.publish(workflow, author=request.user, message=body.message.strip(), seen=seen)
    return get_workflow(request, slug, workflow_rows())


def _expected_rev(if_match: str | None) -> int | None:
    """The revision that a replacement is based on; None for any. Raises ProblemError."""
    if if_match is None:
        raise ProblemError(428, _("Send the revision of the draft in If-Match, or * to replace any."))
    tag = if_match.strip()
    if tag == ANY:
        return None
    if tag.startswith("W/"):  # it never matches (RFC 9110, section 13.1.1)
        raise ProblemError(412, _("If-Match needs the strong ETag of the draft, without W/."), code="weak_etag")
    number = tag.strip('"')
    if not number.isdecimal() or not number.isascii() or len(number) > 9:
        raise ProblemError(400, _("If-Match must be the ETag of a draft."))
    return int(number)


def _tag(workflow: Workflow) -> str:
    return f'"{workflow.rev}"'


def _definition(workflow: Workflow, version: str) -> Definition:
    """Raises NotFoundError, and DefinitionError for a draft that cannot be read yet."""
    if version == "draft":
        return workflows.load_definition(workflow)
    if version == "published":
        if workflow.published is None:
            raise not_found(WorkflowVersion, version)
        return parse(workflow.published.definition)
    number = int(version) if version.isascii() and version.isdecimal() and len(version) < 10 else 0
    try:
        return parse(workflow.versions.get(number=number).definition)
    except WorkflowVersion.DoesNotExist as error:
        raise not_found(WorkflowVersion, version) from error


def _described(request: TokenRequest, workflow: Workflow) -> dict[str, Any]:
    return {
        "slug": workflow.slug,
        "rev": workflow.rev,
        "document": draft_document(rows.load_draft(workflow)),
        "problems": describe_problems(workflows.publishing_problems(workflow, request.user)),
    }

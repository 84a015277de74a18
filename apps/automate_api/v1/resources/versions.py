"""Versions of workflows, and what keeps a draft from becoming one."""

from __future__ import annotations

import datetime as dt
from typing import Any

from ninja import Field, Query, Router, Schema

from automate_api.v1.bodies import RequestSchema
from automate_api.v1.definitions import DraftWarning, WorkflowText, describe_problems, describe_warnings
from automate_api.v1.front_door import TokenRequest
from automate_api.v1.not_found import find_object
from automate_api.v1.pages import Page, PageQuery, read_page
from automate_api.v1.resources.drafts import DraftProblem
from automate_api.v1.resources.workflows import WorkflowSummary, get_workflow, workflow_rows
from automate_authoring import workflows
from automate_authoring.definitions import validation, yaml_files
from automate_authoring.publishing.readiness import publishing_warnings
from automate_core.definition.document import DefinitionError, Problem
from automate_core.models import Workflow, WorkflowVersion
from automate_governance.people.names import sign_in_name

router = Router()

_MOST = 2**31 - 1


class ValidatedText(RequestSchema):
    document: dict[str, Any] | None = Field(None, description="A definition. By default, the draft is validated.")
    yaml: str | None = Field(None, max_length=yaml_files.MAX_BYTES, description="A definition as YAML, instead.")


class Validation(Schema):
    """All problems that keep a definition from being published."""

    is_valid: bool
    problems: list[DraftProblem]
    warnings: list[DraftWarning] | None = Field(
        None, description="Of the draft: what the review before publishing warns of. They prevent nothing."
    )
    yaml: str | None = Field(None, description="An export of the draft that the sent definition would be.")


class Restore(RequestSchema):
    rev: int | None = Field(None, ge=0, le=_MOST, description="Revision of the draft; 409 when there is a newer one.")


class VersionSummary(Schema):
    """A published version."""

    version: int
    author: str = Field(description="User name.")
    run_as: str = Field(description="User name.")
    message: str
    created_at: dt.datetime

    @staticmethod
    def resolve_version(version: WorkflowVersion) -> int:
        return version.number

    @staticmethod
    def resolve_author(version: WorkflowVersion) -> str:
        return sign_in_name(version.author)

    @staticmethod
    def resolve_run_as(version: WorkflowVersion) -> str:
        return sign_in_name(version.run_as)


class Version(VersionSummary):
    """A published version with its document."""

    document: dict[str, Any]

    @staticmethod
    def resolve_document(version: WorkflowVersion) -> Any:
        return version.definition


@router.post("/workflows/{slug}/draft/validate", response=Validation, exclude_none=True)
def validate_draft(request: TokenRequest, slug: str, body: ValidatedText) -> dict[str, Any]:
    """Find everything that keeps the draft from being published, or the problems of a definition that is not stored."""
    workflow = get_workflow(request, slug)
    if body.document is None and body.yaml is None:
        found, written = workflows.publishing_problems(workflow, request.user), None
        warnings = describe_warnings(publishing_warnings(workflow, request.user))
    else:
        warnings = None
        found, written = _read(WorkflowText(document=body.document, yaml=body.yaml), workflow)
    return {
        "is_valid": not found,
        "problems": describe_problems(found),
        "warnings": warnings,
        "yaml": written,
    }


def _read(sent: WorkflowText, workflow: Workflow) -> tuple[list[Problem], str | None]:
    """The problems of a definition, and the YAML of the draft that it would be. Raises ProblemError."""
    try:
        definition = sent.read()
        written = yaml_files.write_workflow(workflows.as_draft(definition, workflow))
    except DefinitionError as error:
        return error.problems, None
    return sent.located(validation.find_problems(definition)), written


@router.get("/workflows/{slug}/versions", response=Page[VersionSummary])
def list_versions(request: TokenRequest, slug: str, page: Query[PageQuery]) -> dict[str, Any]:
    """List the published versions of a workflow, newest first."""
    versions = get_workflow(request, slug).versions.select_related("author", "run_as").defer("definition")
    found, following = read_page(versions, page, order="-number")
    return {"items": found, "next": following}


@router.get("/workflows/{slug}/versions/{int:number}", response=Version)
def read_version(request: TokenRequest, slug: str, number: int) -> WorkflowVersion:
    """Read one published version with its document."""
    return _get_version(get_workflow(request, slug), number)


@router.post("/workflows/{slug}/versions/{int:number}/restore", response=WorkflowSummary)
def restore_version(request: TokenRequest, slug: str, number: int, body: Restore) -> Workflow:
    """Make the draft what a version says, as one edit that can be undone. Publish it to run it."""
    workflow = get_workflow(request, slug)
    workflows.restore(workflow, _get_version(workflow, number).number, by=request.user, rev=body.rev)
    return get_workflow(request, slug, workflow_rows())


def _get_version(workflow: Workflow, number: int) -> WorkflowVersion:
    versions = workflow.versions.select_related("author", "run_as")
    return find_object(versions, number=number)

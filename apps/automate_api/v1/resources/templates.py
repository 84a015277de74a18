"""Templates: list, read, and begin a workflow with one."""

from __future__ import annotations

from typing import Any, Literal

from django.utils.translation import gettext as _
from ninja import Field, Query, Router, Schema, Status

from automate_api.v1.bodies import RequestSchema
from automate_api.v1.front_door import TokenRequest
from automate_api.v1.not_found import not_found
from automate_api.v1.pages import Page, PageQuery, check_may_view, cut_page, read_cursor
from automate_api.v1.problems import ProblemError
from automate_api.v1.resources.workflows import WorkflowSummary, workflow_rows
from automate_authoring.library import files, instantiate, needs
from automate_authoring.library.files import Template
from automate_core.definition.parsing import to_document
from automate_core.models import Workflow
from automate_governance.people.names import sign_in_name
from automate_governance.permissions import NotPermittedError, can
from automate_governance.texts import translated
from automate_plugins import text

router = Router()


class TemplateSummary(Schema):
    """A template in a list."""

    slug: str
    name: str
    summary: str
    category: str = Field(description="Code, such as finance.")
    tags: list[str]
    connectors: list[str] = Field(description="Codes of the connectors that its steps use.")


class TemplateChoice(Schema):
    slug: str = Field(description="Slug; of a group, its name.")
    name: str


class TemplateNeed(Schema):
    """A need of a template before its workflow can be published, with the choices that the token may use."""

    kind: Literal["connection", "endpoint", "model", "group", "action"]
    name: str = Field(description="The template's own name for it.")
    title: str
    use: str = Field(description="Purpose of the object.")
    choices: list[TemplateChoice]
    chosen: str = Field(description="The object that is used unless you choose another; empty for none.")
    missing: str = Field(description="The missing object or permission; empty when the need is met.")


class TemplateSetting(Schema):
    name: str
    label: str
    help: str
    kind: Literal["text", "number", "group"]
    default: Any


class TemplateDetail(TemplateSummary):
    """A template with its needs, its settings and its definition."""

    description: str
    needs: list[TemplateNeed]
    settings: list[TemplateSetting]
    document: dict[str, Any] = Field(description="The definition.")


class TemplateFilters(PageQuery):
    category: str | None = Field(None, max_length=50)


class TemplateUse(RequestSchema):
    """Objects in place of the template's names. For a name that is left out, `chosen` of its need is used."""

    connections: dict[str, str] = Field(default_factory=dict, description="Slugs by the template's names.")
    endpoints: dict[str, str] = Field(default_factory=dict, description="Slugs of webhooks by the template's names.")
    settings: dict[str, str | int | float] = Field(default_factory=dict)


class WorkflowOfTemplate(Schema):
    """A new workflow out of a template."""

    workflow: WorkflowSummary
    to_set_up: list[str] = Field(description="Needs before the workflow can be published.")


@router.get("/templates", response=Page[TemplateSummary])
def list_templates(request: TokenRequest, filters: Query[TemplateFilters]) -> dict[str, Any]:
    """List the installed templates by slug, for tokens that may create workflows."""
    _check_may_add(request)
    after = "" if filters.cursor is None else read_cursor(filters.cursor)
    found = [
        each
        for slug, each in sorted(files.installed_templates().items())
        if slug > after and filters.category in {None, each.category}
    ]
    shown, following = cut_page(found, filters, key="slug")
    return {"items": [_summary(each) for each in shown], "next": following}


@router.get("/templates/{slug}", response=TemplateDetail)
def read_template(request: TokenRequest, slug: str) -> dict[str, Any]:
    """Read one template, and what of its needs the token may use."""
    template = _get_template(request, slug)
    return _summary(template) | {
        "description": translated(template.definition.description),
        "needs": [_need(each) for each in needs.find_needs(template, needs.load_available(request.user))],
        "settings": [
            {
                "name": name,
                "label": translated(setting.label),
                "help": translated(setting.help),
                "kind": setting.kind,
                "default": template.definition.vars[name],
            }
            for name, setting in template.settings.items()
        ],
        "document": to_document(template.definition),
    }


@router.post("/templates/{slug}/workflows", response={201: WorkflowOfTemplate})
def create_workflow_from_template(request: TokenRequest, slug: str, body: TemplateUse) -> Status[dict[str, Any]]:
    """Create a workflow with a draft out of a template, under the next free slug."""
    check_may_view(request.user, Workflow)
    template = _get_template(request, slug)
    choices = instantiate.Choices(
        connections=body.connections,
        endpoints=body.endpoints,
        settings={name: str(value) for name, value in body.settings.items()},
    )
    available = needs.find_needs(template, needs.load_available(request.user))
    if errors := choices.unknown(available, template):
        raise ProblemError(422, _("The request is not valid."), errors.items())
    created = instantiate.use_template(template, choices, by=request.user)
    workflow = workflow_rows().get(pk=created.workflow.pk)
    return Status(201, {"workflow": workflow, "to_set_up": list(created.unmet)})


def _check_may_add(request: TokenRequest) -> None:
    if not can(request.user, "add", Workflow):
        raise NotPermittedError(
            text("%(person)s needs the Add permission for workflows.", person=sign_in_name(request.user))
        )


def _get_template(request: TokenRequest, slug: str) -> Template:
    _check_may_add(request)
    found = files.installed_templates().get(slug)
    if found is None:
        raise not_found(Template, slug)
    return found


def _summary(template: Template) -> dict[str, Any]:
    return {
        "slug": template.slug,
        "name": translated(template.name),
        "summary": translated(template.summary),
        "category": template.category,
        "tags": list(template.definition.tags),
        "connectors": sorted(set(template.connectors.values())),
    }


def _need(need: needs.Need) -> dict[str, Any]:
    return {
        "kind": need.kind,
        "name": need.name,
        "title": need.title,
        "use": translated(need.use),
        "choices": [{"slug": slug, "name": name} for slug, name in need.choices],
        "chosen": need.chosen,
        "missing": need.why,
    }

"""Tools for building: list workflows, create one, and replace a draft as a whole. None of them publishes."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from django.utils.translation import gettext as _

from automate_api.mcp.callers import Caller
from automate_api.mcp.tools.draft_tools import CONFLICT, DRAFT_REV, SCOPES, STATE, describe_conflict, describe_state
from automate_api.mcp.tools.tool import (
    TEXT,
    WORKFLOW,
    Arguments,
    Hints,
    Tool,
    ToolError,
    ToolResult,
    get_workflow,
    rows,
)
from automate_api.v1.not_found import not_found
from automate_authoring import copies, workflows
from automate_authoring.definitions import yaml_files
from automate_authoring.drafts import commands
from automate_authoring.drafts.errors import ConflictError
from automate_authoring.library import files, instantiate, needs
from automate_core.definition.document import Definition
from automate_core.definition.parsing import parse
from automate_core.models import Workflow
from automate_governance.permissions import permitted
from automate_governance.redaction.redactor import redact
from automate_governance.texts import translated
from automate_operations.notifications.texts import page_url
from automate_plugins import text

_LONGEST_NAME = 200
_SLUGS = {"type": "object", "additionalProperties": {"type": "string", "maxLength": 100}, "maxProperties": 50}
_DOCUMENT = {"type": "object", "description": "The workflow as a document, as read_draft and search_templates show it."}
_YAML = {"type": "string", "maxLength": yaml_files.MAX_BYTES, "description": "The document as YAML, instead."}


def _list_workflows(caller: Caller, arguments: Arguments) -> ToolResult:
    found = permitted(caller.owner, "view", Workflow.objects.select_related("published"))
    for word in arguments.get("query", "").split()[:10]:
        found = found.filter(Q(name__icontains=word) | Q(slug__icontains=word) | Q(description__icontains=word))
    if status := arguments.get("status"):
        found = found.filter(status=status)
    if cursor := arguments.get("cursor"):
        found = found.filter(slug__gt=cursor)
    most = arguments.get("limit", 20)
    rows = list(found.defer("published__definition").order_by("slug")[: most + 1])
    content: dict[str, Any] = {"workflows": [_line(each) for each in rows[:most]]}
    if len(rows) > most:
        content["next"] = rows[most - 1].slug
    return ToolResult(content=redact(content, patterns=False))


def _line(workflow: Workflow) -> dict[str, Any]:
    return {
        "workflow": workflow.slug,
        "name": workflow.name,
        "description": workflow.description,
        "status": workflow.status,
        "published_version": workflow.published.number if workflow.published else None,
        "has_unpublished_changes": workflow.has_unpublished_changes,
        "url": page_url("studio:builder", workflow.pk),
    }


def _create_workflow(caller: Caller, arguments: Arguments) -> ToolResult:
    kinds = [name for name in ("name", "template", "document", "yaml") if arguments.get(name)]
    if len(kinds) != 1:
        raise ToolError(translated(text("Give one of name, template, document and yaml.")))
    notes: dict[str, Any] = {}
    match kinds[0]:
        case "name":
            made = workflows.start_empty(_read_name(arguments["name"]), owner=caller.owner)
        case "template":
            made, notes["to_set_up"] = _use_template(caller, arguments)
        case _:
            copied = copies.import_draft(_read_definition(arguments), by=caller.owner)
            made = copied.workflow
            notes |= {"triggers_off": list(copied.off)} if copied.off else {}
    made = get_workflow(caller, made.slug)
    content = describe_state(commands.load_state(made)) | {"status": made.status} | notes
    return ToolResult(content=redact(content, patterns=False), audited={"workflow": made.slug})


def _read_name(name: str) -> str:
    found = name.strip()
    if not found:
        raise ToolError(translated(text("Enter a name.")))
    return found


def _use_template(caller: Caller, arguments: Arguments) -> tuple[Workflow, list[str]]:
    slug = arguments["template"]
    template = files.installed_templates().get(slug)
    if template is None:
        raise not_found(files.Template, slug)
    choices = instantiate.Choices(
        connections=arguments.get("connections", {}),
        endpoints=arguments.get("endpoints", {}),
        settings={name: str(value) for name, value in arguments.get("settings", {}).items()},
    )
    available = needs.find_needs(template, needs.load_available(caller.owner))
    if errors := choices.unknown(available, template):
        raise ToolError("; ".join(f"{name}: {reason}" for name, reason in errors.items()))
    try:
        created = instantiate.use_template(template, choices, by=caller.owner)
    except (instantiate.MissingActionsError, instantiate.SettingError) as error:
        raise ToolError(translated(str(error))) from error
    return created.workflow, [translated(each) for each in created.unmet]


def _read_definition(arguments: Arguments, slug: str = "") -> Definition:
    """The definition of a document or a YAML text. Raises DefinitionError, ToolError."""
    if arguments.get("yaml"):
        try:
            return yaml_files.read_workflow(arguments["yaml"])
        except yaml_files.WorkflowFileError as error:
            raise ToolError(translated(str(error))) from error
    document = arguments["document"]
    name = document.get("name")
    own = slug or (workflows.slug_of(name) if isinstance(name, str) else "")
    return parse({"slug": own} | document)


def _replace_draft(caller: Caller, arguments: Arguments) -> ToolResult:
    workflow = get_workflow(caller, arguments["workflow"])
    if bool(arguments.get("document")) is bool(arguments.get("yaml")):
        raise ToolError(_("Send either a document or YAML."))
    definition = _read_definition(arguments, workflow.slug)
    if definition.slug != workflow.slug:
        raise ToolError(_("The slug in the definition differs from the slug of the workflow."))
    audited = {"workflow": workflow.slug}
    try:
        workflow = workflows.save_definition(definition, owner=caller.owner, rev=arguments["rev"])
    except ConflictError as error:
        return describe_conflict(error, audited)
    content = describe_state(commands.load_state(workflow))
    return ToolResult(content=redact(content, patterns=False), audited=audited)


_STATUS = {"enum": [*Workflow.Status.values]}
_TEXTS = {"type": "array", "items": TEXT}
_LINE = {
    "workflow": TEXT,
    "name": TEXT,
    "description": TEXT,
    "status": _STATUS,
    "published_version": {"type": ["integer", "null"]},
    "has_unpublished_changes": {"type": "boolean"},
    "url": TEXT,
}
TOOLS = (
    Tool(
        name="list_workflows",
        title="List workflows",
        description="List the workflows that you can view, drafts included, by slug. Pass `next` as `cursor` for more.",
        properties={
            "query": {"type": "string", "maxLength": 200, "default": "", "description": "Words of the name."},
            "status": _STATUS,
            "limit": {"type": "integer", "minimum": 1, "maximum": 100, "default": 20},
            "cursor": {"type": "string", "maxLength": 100},
        },
        results={"workflows": rows(**_LINE), "next": TEXT},
        scopes=("workflow:view",),
        answer=_list_workflows,
    ),
    Tool(
        name="create_workflow",
        title="Create a workflow",
        description=(
            "Create a workflow as a draft: an empty one with a `name`, from a `template` of search_templates, or from "
            "a `document` or `yaml`. It starts nothing until a person publishes it. Continue with change_draft."
        ),
        properties={
            "name": {"type": "string", "maxLength": _LONGEST_NAME},
            "template": {"type": "string", "maxLength": 100, "description": "Slug of the template."},
            "connections": _SLUGS | {"description": "Slugs of connections by the template's names."},
            "endpoints": _SLUGS | {"description": "Slugs of webhooks by the template's names."},
            "settings": {"type": "object", "description": "Values of the template's settings.", "maxProperties": 50},
            "document": _DOCUMENT,
            "yaml": _YAML,
        },
        results=STATE | {"status": _STATUS, "to_set_up": _TEXTS, "triggers_off": _TEXTS},
        scopes=(*SCOPES, "workflow:add"),
        hints=Hints(),
        answer=_create_workflow,
    ),
    Tool(
        name="replace_draft",
        title="Replace a draft",
        description=(
            "Replace the whole draft of a workflow by a document, as one edit that can be undone. It does not publish. "
            "`rev` is `revs.draft` of read_draft or of the last change."
        ),
        properties={"workflow": WORKFLOW, "rev": DRAFT_REV, "document": _DOCUMENT, "yaml": _YAML},
        required=("workflow", "rev"),
        results=STATE | CONFLICT,
        scopes=SCOPES,
        hints=Hints(destructive=True),
        answer=_replace_draft,
    ),
)

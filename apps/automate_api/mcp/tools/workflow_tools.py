"""Workflows as tools: those that are available to agents and that the caller may run."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from automate_api.mcp.callers import Caller
from automate_api.mcp.run_results import RUN_SCHEMA, RunResult, describe_start, find_run
from automate_api.mcp.tools.tool import (
    Arguments,
    Hints,
    Pending,
    ToolResult,
    UnknownToolError,
    check_text,
    object_schema,
)
from automate_connectors.adapters.base import Action, Effect
from automate_connectors.registry import find_action
from automate_core.conf import setting
from automate_core.definition.document import (
    ActionStep,
    ApprovalStep,
    Definition,
    DefinitionError,
    FormField,
    ManualTrigger,
    WaitStep,
    WorkflowStep,
)
from automate_core.definition.published import published_definition
from automate_core.definition.slots import walk
from automate_core.models import ActiveTrigger, Workflow
from automate_core.triggers.manual import AGENTS, agent_trigger, start_workflow
from automate_governance.permissions import permitted

LONGEST_NAME = 64  #: characters that providers of language models take
_DIGEST_LENGTH = 8
SCOPES = ("workflow:run",)
_CLOSED_WORLD = frozenset({"data", "models"})  # connectors whose actions stay inside of the site
_READING = frozenset({"find", "get", "count"})  # actions of the connector `models` that write nothing
_TYPES: dict[str, dict[str, Any]] = {
    "text": {"type": "string"},
    "long_text": {"type": "string"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "choice": {"type": "string"},
    "date": {"type": "string", "format": "date"},
}


@dataclass(frozen=True, kw_only=True)
class WorkflowTool:
    """A workflow as a tool."""

    workflow: Workflow
    definition: Definition
    trigger: ManualTrigger

    @property
    def name(self) -> str:
        """The name of the tool, from the workflow's slug."""
        return tool_name(self.workflow.slug)

    @property
    def title(self) -> str:
        """The name of the workflow."""
        return self.definition.name

    @property
    def description(self) -> str:
        """What its owner says to agents, else the description of the workflow."""
        own = self.definition.agents.description if self.definition.agents else ""
        return own.strip() or self.definition.description.strip() or self.definition.name

    @property
    def input_schema(self) -> dict[str, Any]:
        """The JSON Schema of the fields of its manual trigger."""
        return form_schema(self.trigger.inputs)

    @property
    def listed_schema(self) -> dict[str, Any]:
        """The same, for clients."""
        return self.input_schema

    @property
    def declared_output(self) -> dict[str, Any] | None:
        """The JSON Schema that the workflow declares of its output."""
        return self.definition.agents.output if self.definition.agents else None

    @property
    def output_schema(self) -> dict[str, Any]:
        """The JSON Schema of the result: the run, with the output that the workflow declares."""
        declared = self.declared_output
        properties = RUN_SCHEMA["properties"] | ({"output": declared} if declared else {})
        return RUN_SCHEMA | {"properties": properties}

    @property
    def hints(self) -> Hints:
        """What its steps do to the world."""
        return find_hints(self.definition)


def tool_name(slug: str) -> str:
    """The name of a workflow's tool: its slug, shortened with a digest where it is too long for providers."""
    if len(slug) <= LONGEST_NAME:
        return slug
    digest = hashlib.sha256(slug.encode()).hexdigest()[:_DIGEST_LENGTH]
    return f"{slug[: LONGEST_NAME - _DIGEST_LENGTH - 1]}-{digest}"


def form_schema(fields: Iterable[FormField]) -> dict[str, Any]:
    """The JSON Schema of a form."""
    form = list(fields)
    return object_schema({each.name: _field_schema(each) for each in form}, [e.name for e in form if e.required])


def _field_schema(field: FormField) -> dict[str, Any]:
    schema = dict(_TYPES[field.kind])
    if field.kind == "choice" and field.choices:
        schema["enum"] = list(field.choices)
    if field.label:
        schema["title"] = field.label
    if field.help:
        schema["description"] = field.help
    return schema


def find_hints(definition: Definition) -> Hints:
    """The effects of a workflow's steps as hints. Unknown effects count as destructive."""
    read_only, destructive, open_world = True, False, False
    for _, step in walk(definition.steps):
        if step.disabled:
            continue
        match step:
            case ActionStep():
                action = _action_of(step)
                connector = step.action.partition(".")[0]
                if action is None or action.effect is Effect.EFFECTFUL:
                    read_only, destructive = False, True
                elif action.effect is Effect.TRANSACTIONAL and action.name not in _READING:
                    read_only, destructive = False, destructive or action.name != "create"
                open_world = open_world or connector not in _CLOSED_WORLD
            case WorkflowStep():
                read_only, destructive, open_world = False, True, True
            case ApprovalStep():  # each run asks people again
                read_only = False
            case WaitStep() if step.callback or step.form:
                open_world = True
    return Hints(read_only=read_only, destructive=destructive, idempotent=read_only, open_world=open_world)


def _action_of(step: ActionStep) -> Action | None:
    try:
        return find_action(step.action)[1]
    except LookupError:
        return None


def list_workflow_tools(caller: Caller) -> tuple[list[WorkflowTool], int]:
    """(the tools that a list shows, at most AUTOMATE_MCP_TOOLS, by name; the number of all)."""
    if not caller.has_scopes(*SCOPES):
        return [], 0
    workflows = _available(caller)
    return _as_tools(workflows[: setting("AUTOMATE_MCP_TOOLS")]), workflows.count()


def search_workflow_tools(caller: Caller, query: str, most: int) -> list[WorkflowTool]:
    """The tools whose name, slug or descriptions hold all words of the query."""
    found = _available(caller)
    for word in query.split()[:10]:
        found = found.filter(
            Q(name__icontains=word)
            | Q(slug__icontains=word)
            | Q(description__icontains=word)
            | Q(published__definition__agents__description__icontains=word)
        )
    return _as_tools(found[:most])


def find_workflow_tool(caller: Caller, name: str) -> WorkflowTool:
    """The tool of that name, or of the workflow with that slug. Raises UnknownToolError."""
    if not caller.has_scopes(*SCOPES) or "\0" in name:
        raise UnknownToolError(name)
    prefix, dash, digest = name.rpartition("-")
    named = Q(slug=name)
    if dash and len(name) == LONGEST_NAME and len(digest) == _DIGEST_LENGTH:
        named |= Q(slug__startswith=prefix)
    for tool in _as_tools(_available(caller).filter(named)):
        if name in {tool.name, tool.workflow.slug}:
            return tool
    raise UnknownToolError(name)


def start_tool(caller: Caller, tool: WorkflowTool, inputs: Arguments, key: str | None) -> Pending:
    """Start a run of the workflow; with a `key` that was used for the same inputs, find the run of then.

    Raises NotPermittedError, NotStartableError, AnswersError, ToolError.
    """
    check_text(inputs)
    started = start_workflow(
        tool.workflow,
        inputs,
        by=caller.owner,
        trigger=tool.trigger.key,
        source=AGENTS,
        key=f"{AGENTS}:{caller.token.pk}:{key}" if key else None,
        same_inputs=True,
    )
    return Pending(run=uuid.UUID(started.event_id), read=lambda caller, run_id: _read_start(caller, run_id, tool))


def _read_start(caller: Caller, run_id: uuid.UUID, tool: WorkflowTool) -> tuple[ToolResult, bool]:
    """The run; waiting does not help where a person has to decide, nor a caller that may not view it."""
    run = find_run(caller, run_id)
    if run is None:
        return describe_start(run_id, tool.workflow.slug, timezone.now()).as_tool_result(), False
    return run.check_output(tool.declared_output).as_tool_result(), not run.has_ended and not run.approvals


def check_published_output(run: RunResult) -> RunResult:
    """The run of a task, with its output held against the schema of its workflow's tool."""
    workflows = Workflow.objects.filter(slug=run.content["workflow"]).select_related("published__run_as")
    for tool in _as_tools(workflows):
        return run.check_output(tool.declared_output)
    return run


def _available(caller: Caller) -> QuerySet[Workflow]:
    """The published workflows that are available to agents and that the caller may run."""
    offered = ActiveTrigger.objects.filter(source__startswith=f"{AGENTS}:").values("workflow")
    running = (Workflow.Status.ACTIVE, Workflow.Status.PAUSED)
    workflows = Workflow.objects.filter(status__in=running, pk__in=offered).select_related("published__run_as")
    return permitted(caller.owner, "run", workflows).order_by("name", "id")


def _as_tools(workflows: Iterable[Workflow]) -> list[WorkflowTool]:
    """Workflows whose published version can be read."""
    found = []
    for workflow in workflows:
        try:
            definition = published_definition(workflow)
        except DefinitionError:
            continue
        trigger = definition and agent_trigger(definition)
        if definition and trigger:
            found.append(WorkflowTool(workflow=workflow, definition=definition, trigger=trigger))
    return found

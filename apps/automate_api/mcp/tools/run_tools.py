"""Tools about runs: read, list and cancel them, and find and start workflows that the list of tools leaves out."""

from __future__ import annotations

import uuid
from typing import Any

from automate_api.mcp.callers import Caller
from automate_api.mcp.run_results import RUN_SCHEMA, RunResult, find_run, find_run_row
from automate_api.mcp.tools.tool import (
    OBJECT,
    RUN,
    TEXT,
    WORKFLOW,
    Arguments,
    Hints,
    Pending,
    Tool,
    ToolError,
    ToolResult,
    UnknownToolError,
    get_workflow,
    read_key,
    read_run_id,
    rows,
    wrong_cursor,
)
from automate_api.mcp.tools.workflow_tools import (
    SCOPES,
    WorkflowTool,
    find_workflow_tool,
    search_workflow_tools,
    start_tool,
)
from automate_api.v1.idempotency import MOST_KEY_LENGTH
from automate_api.v1.not_found import not_found
from automate_core.models import ExecutionRun
from automate_core.replies.run_urls import run_url
from automate_core.states import RunStatus
from automate_governance.permissions import permitted
from automate_governance.texts import translated
from automate_operations.runs.start_cancellation import cancel_run_or_start
from automate_plugins import text
from automate_plugins.typed_values import write_moment

_LIMIT = {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}


def get_run_result(caller: Caller, run_id: uuid.UUID) -> RunResult:
    """The run. Raises NotFoundError, as for one that does not exist."""
    found = find_run(caller, run_id)
    if found is None:
        raise not_found(ExecutionRun, run_id)
    return found


def _get_run(caller: Caller, arguments: Arguments) -> ToolResult:
    return get_run_result(caller, read_run_id(arguments)).as_tool_result()


def _list_runs(caller: Caller, arguments: Arguments) -> ToolResult:
    runs = ExecutionRun.objects.exclude(cause=ExecutionRun.Cause.TEST).select_related("workflow")
    runs = permitted(caller.owner, "view", runs).defer("vars", "output", "error")
    if slug := arguments.get("workflow"):
        runs = runs.filter(workflow=get_workflow(caller, slug))
    if status := arguments.get("status"):
        runs = runs.filter(status=status)
    if cursor := arguments.get("cursor"):
        runs = runs.filter(pk__lt=_read_cursor(cursor))
    most = arguments.get("limit", 20)
    rows = list(runs.order_by("-id")[: most + 1])
    content: dict[str, Any] = {"runs": [_line(run) for run in rows[:most]]}
    if len(rows) > most:
        content["next"] = str(rows[most - 1].pk)
    return ToolResult(content=content)


def _read_cursor(cursor: str) -> uuid.UUID:
    try:
        return uuid.UUID(cursor)
    except ValueError:
        raise wrong_cursor(cursor) from None


def _line(run: ExecutionRun) -> dict[str, Any]:
    return {
        "run": str(run.pk),
        "workflow": run.workflow.slug,
        "status": run.status,
        "created_at": write_moment(run.created_at),
        "finished_at": write_moment(run.finished_at) if run.finished_at else None,
        "url": run_url(run.pk),
    }


def _cancel_run(caller: Caller, arguments: Arguments) -> ToolResult:
    run_id = read_run_id(arguments)
    cancel_run(caller, run_id, arguments.get("reason", ""))
    return ToolResult(content=get_run_result(caller, run_id).content, audited={"run": str(run_id)})


def cancel_run(caller: Caller, run_id: uuid.UUID, reason: str = "") -> None:
    """Cancel a run or start that the caller may view. Raises NotFoundError, ControlError, NotPermittedError."""
    found = find_run_row(caller, run_id)
    if found is None:
        raise not_found(ExecutionRun, run_id)
    cancel_run_or_start(found, by=caller.owner, reason=reason)


def _search_workflows(caller: Caller, arguments: Arguments) -> ToolResult:
    found = search_workflow_tools(caller, arguments.get("query", ""), arguments.get("limit", 20))
    return ToolResult(content={"workflows": [_described(each) for each in found]})


def _described(tool: WorkflowTool) -> dict[str, Any]:
    return {
        "workflow": tool.workflow.slug,
        "name": tool.title,
        "description": tool.description,
        "inputs": tool.input_schema,
    }


def _start_workflow(caller: Caller, arguments: Arguments) -> Pending:
    try:
        tool = find_workflow_tool(caller, arguments["workflow"])
    except UnknownToolError:
        slug = repr(arguments["workflow"])
        raise ToolError(translated(text("There is no workflow %(workflow)s for agents.", workflow=slug))) from None
    return start_tool(caller, tool, arguments.get("inputs", {}), read_key(arguments.get("idempotency_key")))


_STATUS = {"enum": [*RunStatus.values]}
_LINE = {
    "run": TEXT,
    "workflow": TEXT,
    "status": _STATUS,
    "created_at": TEXT,
    "finished_at": {"type": ["string", "null"]},
    "url": TEXT,
}
#: Tools for workflows that the list of tools leaves out.
GATEWAY = (
    Tool(
        name="search_workflows",
        title="Search workflows",
        description="Find workflows that you can start with start_workflow. An empty query lists them.",
        properties={"query": {"type": "string", "maxLength": 200, "default": ""}, "limit": _LIMIT},
        results={"workflows": rows(workflow=TEXT, name=TEXT, description=TEXT, inputs=OBJECT)},
        scopes=SCOPES,
        answer=_search_workflows,
    ),
    Tool(
        name="start_workflow",
        title="Start a workflow",
        description=(
            "Start a run of a workflow that search_workflows found. Inputs are those of its schema. "
            "With the same idempotency_key and inputs, a repeated call finds the run that the first one started."
        ),
        properties={
            "workflow": WORKFLOW,
            "inputs": {"type": "object", "default": {}},
            "idempotency_key": {"type": "string", "minLength": 1, "maxLength": MOST_KEY_LENGTH},
        },
        required=("workflow",),
        results=RUN_SCHEMA["properties"],
        scopes=SCOPES,
        hints=Hints(destructive=True, open_world=True),
        answer=_start_workflow,
    ),
)
TOOLS = (
    Tool(
        name="get_run",
        title="Get a run",
        description="Read the status of a run, its output once it has succeeded, and what it waits for.",
        properties={"run": RUN},
        required=("run",),
        results=RUN_SCHEMA["properties"],
        scopes=("workflow:view",),
        answer=_get_run,
    ),
    Tool(
        name="list_runs",
        title="List runs",
        description="List runs, newest first. Pass `next` of the answer as `cursor` for older ones.",
        properties={
            "workflow": WORKFLOW,
            "status": _STATUS,
            "limit": _LIMIT,
            "cursor": {"type": "string", "maxLength": 36},
        },
        results={"runs": rows(**_LINE), "next": TEXT},
        scopes=("workflow:view",),
        answer=_list_runs,
    ),
    Tool(
        name="cancel_run",
        title="Cancel a run",
        description="Cancel a run and its sub-runs, also before it has started. Steps in progress still finish.",
        properties={"run": RUN, "reason": {"type": "string", "maxLength": 500, "default": ""}},
        required=("run",),
        results=RUN_SCHEMA["properties"],
        scopes=("workflow:view", "workflow:run"),
        hints=Hints(destructive=True, idempotent=True),
        answer=_cancel_run,
    ),
)

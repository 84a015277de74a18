"""The extension `io.modelcontextprotocol/tasks` (revision 2026-07-28): a run as a task of the client.

The id of the task is that of the run. An approval is `input_required`: the client opens the page of the approval for a
person, and only a person's decision there counts. `tasks/update` of a client decides nothing.
"""

from __future__ import annotations

import uuid
from typing import Any

import mcp_types as types
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError

from automate_api.mcp.callers import Caller, call_as
from automate_api.mcp.protocol import Context, as_call_result, caller_of
from automate_api.mcp.run_results import RunResult, find_run
from automate_api.mcp.tools.run_tools import cancel_run
from automate_api.mcp.tools.tool import REFUSALS, ToolError
from automate_api.mcp.tools.workflow_tools import check_published_output
from automate_core.models import Event
from automate_core.states import RunStatus
from automate_core.triggers.manual import AGENTS
from automate_governance.texts import translated
from automate_plugins import text
from automate_plugins.typed_values import write_moment

EXTENSION = "io.modelcontextprotocol/tasks"
POLL_MS, WAITING_POLL_MS = 1_000, 5_000  #: how often a client should ask for a run, and for one that waits
_NO_TASK = "There is no such task."


class TaskParams(types.RequestParams):
    """Parameters of `tasks/get` and `tasks/cancel`."""

    task_id: str


class UpdateTaskParams(TaskParams):
    """Parameters of `tasks/update`."""

    input_responses: dict[str, Any]


def register(server: Server[Any]) -> None:
    """Add the extension to a server."""
    server.extensions[EXTENSION] = {}
    server.add_request_handler("tasks/get", TaskParams, _get_task)
    server.add_request_handler("tasks/update", UpdateTaskParams, _update_task)
    server.add_request_handler("tasks/cancel", TaskParams, _cancel_task)


def client_has_tasks(ctx: Context) -> bool:
    """Whether the client of this request understands tasks."""
    capabilities = ctx.session.client_capabilities
    return bool(capabilities and EXTENSION in (capabilities.extensions or {}))


async def create_task(caller: Caller, run_id: uuid.UUID, ctx: Context) -> dict[str, Any] | None:
    """The result of a call whose run goes on; None for a run that the caller may not ask for."""
    run = await call_as(caller, _find_task, caller, run_id)
    return None if run is None else {"resultType": "task", **_task_fields(run, _status(run, ctx))}


async def _get_task(ctx: Context, params: TaskParams) -> dict[str, Any]:
    run = await _get(ctx, params)
    status = _status(run, ctx)
    task = {"resultType": "complete", **_task_fields(run, status)}
    if status == "completed":
        result = as_call_result(run.as_tool_result())
        task["result"] = result.model_dump(mode="json", by_alias=True, exclude_none=True)
    if status == "input_required":
        task["inputRequests"] = {str(each.id): _input_request(each.title, each.url) for each in run.approvals}
    return task


async def _update_task(ctx: Context, params: UpdateTaskParams) -> dict[str, Any]:
    """That the client has shown the page: nothing is decided by it."""
    await _get(ctx, params)
    return {"resultType": "complete"}


async def _cancel_task(ctx: Context, params: TaskParams) -> dict[str, Any]:
    run = await _get(ctx, params)
    caller = caller_of(ctx)
    if not run.has_ended:
        refused = await call_as(caller, _cancel, caller, run.id)
        if refused:
            raise MCPError(types.INVALID_PARAMS, refused)
    return {"resultType": "complete"}


def _cancel(caller: Caller, run_id: uuid.UUID) -> str:
    """Cancel the run; the reason why not, if it cannot be cancelled."""
    try:
        cancel_run(caller, run_id)
    except ToolError as error:
        return str(error)
    except REFUSALS as error:
        return translated(str(error))
    return ""


async def _get(ctx: Context, params: TaskParams) -> RunResult:
    if not client_has_tasks(ctx):
        needed: dict[str, Any] = {"requiredCapabilities": {"extensions": {EXTENSION: {}}}}
        raise MCPError(types.MISSING_REQUIRED_CLIENT_CAPABILITY, "Missing required client capability", needed)
    caller = caller_of(ctx)
    try:
        run_id = uuid.UUID(params.task_id)
    except ValueError:
        raise MCPError(types.INVALID_PARAMS, _NO_TASK) from None
    run = await call_as(caller, _find_task, caller, run_id)
    if run is None:
        raise MCPError(types.INVALID_PARAMS, _NO_TASK)
    return run


def _find_task(caller: Caller, run_id: uuid.UUID) -> RunResult | None:
    """The run, if an agent started it and the caller may view it."""
    if not Event.objects.filter(pk=run_id, source__startswith=f"{AGENTS}:").exists():
        return None
    run = find_run(caller, run_id)
    return None if run is None else check_published_output(run)


def _status(run: RunResult, ctx: Context) -> str:
    """The state of the task. A client that cannot open pages for a person keeps waiting, with the URL in words."""
    match run.status:
        case RunStatus.SUCCEEDED | RunStatus.FAILED:
            return "completed"
        case RunStatus.CANCELLED:
            return "cancelled"
    return "input_required" if run.approvals and _client_opens_pages(ctx) else "working"


def _client_opens_pages(ctx: Context) -> bool:
    capabilities = ctx.session.client_capabilities
    elicitation = capabilities.elicitation if capabilities else None
    return elicitation is not None and elicitation.url is not None


def _task_fields(run: RunResult, status: str) -> dict[str, Any]:
    fields = {
        "taskId": str(run.id),
        "status": status,
        "createdAt": write_moment(run.created_at),
        "lastUpdatedAt": write_moment(run.updated_at),
        "ttlMs": None,
        "pollIntervalMs": WAITING_POLL_MS if run.status == RunStatus.WAITING else POLL_MS,
    }
    return fields | ({"statusMessage": run.message} if run.message else {})


def _input_request(title: str, url: str) -> dict[str, Any]:
    message = translated(text("Decide this approval on its page: %(title)s", title=title or url))
    return {"method": "elicitation/create", "params": {"mode": "url", "message": message, "url": url}}

"""The tools that a caller has: fixed ones by the scopes of its token, and the workflows that it may run."""

from __future__ import annotations

import logging
from typing import Any

from django.db import transaction

from automate_api.mcp.callers import Caller
from automate_api.mcp.tools import authoring_tools, diagnosis_tools, discovery_tools, draft_tools, run_tools
from automate_api.mcp.tools.tool import (
    REFUSALS,
    Pending,
    Tool,
    ToolError,
    ToolResult,
    UnknownToolError,
    check_arguments,
    read_key,
)
from automate_api.mcp.tools.workflow_tools import WorkflowTool, find_workflow_tool, list_workflow_tools, start_tool
from automate_governance import audit
from automate_governance.texts import translated
from automate_plugins import text

log = logging.getLogger(__name__)

FIXED: dict[str, Tool] = {
    tool.name: tool
    for tool in (
        *run_tools.GATEWAY,
        *run_tools.TOOLS,
        *authoring_tools.TOOLS,
        *discovery_tools.TOOLS,
        *draft_tools.TOOLS,
        *diagnosis_tools.TOOLS,
    )
}
_GATEWAY = frozenset(tool.name for tool in run_tools.GATEWAY)


def list_tools(caller: Caller) -> tuple[list[Tool], list[WorkflowTool]]:
    """(fixed tools, workflows). Those that find and start further workflows are listed only where there are any."""
    workflows, number = list_workflow_tools(caller)
    is_whole = number <= len(workflows)
    fixed = [tool for tool in FIXED.values() if caller.has_scopes(*tool.scopes)]
    return [tool for tool in fixed if not (is_whole and tool.name in _GATEWAY)], workflows


def call_tool(caller: Caller, name: str, arguments: Any, *, key: Any = None) -> ToolResult | Pending:
    """Call a tool and record it in the audit trail.

    `key` is the client's idempotency key as it came, for tools that start workflows. Raises UnknownToolError.
    """
    audited: dict[str, Any] = {"tool": name.replace("\0", "")[:100]}
    try:
        found = _call(caller, name, arguments, key)
    except UnknownToolError:
        _record(caller, audited | {"result": "unknown"})
        raise
    except ToolError as error:
        found = ToolResult(content={}, message=str(error), is_error=True)
    except REFUSALS as error:
        found = ToolResult(content={}, message=translated(str(error)), is_error=True)
    except Exception:
        log.exception("the tool %s failed", name[:100])
        message = translated(text("The call failed on the server. Its log has the details."))
        found = ToolResult(content={}, message=message, is_error=True)
    if isinstance(found, Pending):
        _record(caller, audited | {"result": "started", "run": str(found.run)})
    else:
        _record(caller, audited | {"result": "error" if found.is_error else "ok"} | found.audited)
    return found


def _call(caller: Caller, name: str, arguments: Any, key: Any) -> ToolResult | Pending:
    tool = FIXED.get(name)
    if tool is None:
        return start_tool(caller, find_workflow_tool(caller, name), arguments, read_key(key))
    if not caller.has_scopes(*tool.scopes):
        raise UnknownToolError(name)
    check_arguments(tool.input_schema, arguments)
    return tool.answer(caller, arguments)


def read_pending(caller: Caller, pending: Pending) -> tuple[ToolResult, bool]:
    """The result of a call that started a run, as it is at the moment, and whether it is worth waiting longer."""
    try:
        return pending.read(caller, pending.run)
    except ToolError as error:
        return ToolResult(content={}, message=str(error), is_error=True), False


def _record(caller: Caller, changes: dict[str, Any]) -> None:
    with transaction.atomic():
        audit.record(caller.owner, "token.tool_called", caller.token, changes=changes)

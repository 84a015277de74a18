"""What tools and tasks share of the protocol: callers, results of calls, and the client's idempotency key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import mcp_types as types
from mcp.server.context import ServerRequestContext

from automate_api.mcp.callers import CALLER, Caller
from automate_api.mcp.tools.tool import ToolResult

type Context = ServerRequestContext[Any, Any]

IDEMPOTENCY_KEY = "django-automate/idempotencyKey"  #: name of a client's key in `_meta`; the protocol has none


def as_call_result(result: ToolResult) -> types.CallToolResult:
    """The result of a call for the client: the same content as a text and as a structure."""
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=result.as_text())],
        structured_content=result.content or None,
        is_error=result.is_error,
    )


def caller_of(ctx: Context) -> Caller:
    """The caller of a request, as the application has found it by the token."""
    request: Any = ctx.request
    caller: Caller = request.scope[CALLER]
    return caller


def client_key(meta: Mapping[str, Any] | None) -> Any:
    """The idempotency key that a client sent, unchecked; None without one."""
    return (meta or {}).get(IDEMPOTENCY_KEY)

"""The ASGI application of the MCP server, to be mounted by `automate_core.asgi.automate`.

    application = automate(get_asgi_application(), mounts={"/mcp/": McpApplication()})

The SDK costs most of a second and some 50 MB, so it is imported with the first request that has a valid token.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http.request import validate_host

from automate_api.mcp.oauth.provider import RESOURCE_PATH
from automate_core.conf import setting
from automate_core.webhooks.asgi_types import Receive, Scope, Send

if TYPE_CHECKING:
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

    from automate_api.models import ApiToken

MAX_BODY_BYTES = 4 * 1024 * 1024
START_SECONDS = 60.0


class McpApplication:
    """Stateless streamable HTTP: one POST, one answer. Requests need a valid API token."""

    def __init__(self) -> None:
        self._manager: StreamableHTTPSessionManager | None = None
        self._serving: asyncio.Task[None] | None = None
        self._started = asyncio.Event()
        self._stopping = asyncio.Event()
        self._lock = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or live as long as the server."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await self.close()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def close(self) -> None:
        """End the requests that are being answered, and the SDK's task."""
        self._stopping.set()
        if self._serving is not None:
            await self._serving

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        from automate_api.mcp.callers import CALLER, Caller, call_in_thread

        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if scope["method"] != "POST":
            await _refuse(send, 405, "Use POST.", ("allow", "POST"))
        elif not _is_own_origin(headers.get("origin", "")):
            await _refuse(send, 403, "Requests from pages of other sites are not answered.")
        else:
            kind, _, plain = headers.get("authorization", "").strip().partition(" ")
            token = plain.strip() if kind.lower() == "bearer" else ""
            admitted = await call_in_thread(_admit, token)
            if admitted is None:
                await _refuse(
                    send, 401, "A valid API token is required.", ("www-authenticate", _challenge(has_token=bool(token)))
                )
            elif isinstance(admitted, int):
                await _refuse(send, 429, "Too many requests.", ("retry-after", str(admitted)))
            else:
                caller = Caller(token=admitted, address=(scope.get("client") or ("",))[0][:45])
                manager = await self._ensure_started()
                await manager.handle_request({**scope, CALLER: caller}, receive, send)

    async def _ensure_started(self) -> StreamableHTTPSessionManager:
        """The SDK's manager, running in a task of its own: it has to be left in the task in which it was entered."""
        async with self._lock:
            if self._manager is None:
                self._manager = await asyncio.to_thread(_build_manager)
                self._serving = asyncio.create_task(self._serve(self._manager))
        await asyncio.wait_for(self._started.wait(), START_SECONDS)
        return self._manager

    async def _serve(self, manager: StreamableHTTPSessionManager) -> None:
        async with manager.run():
            self._started.set()
            await self._stopping.wait()


def _challenge(*, has_token: bool) -> str:
    """The challenge to a client without a valid token, with the URL of the OAuth metadata (RFC 9728).

    The error is about a token that was sent (RFC 6750, section 3).
    """
    challenge = 'Bearer realm="django-automate"' + (', error="invalid_token"' if has_token else "")
    if not setting("AUTOMATE_MCP_OAUTH"):
        return challenge
    site = str(settings.AUTOMATE_SITE_URL).rstrip("/")
    return f'{challenge}, resource_metadata="{site}/.well-known/oauth-protected-resource/{RESOURCE_PATH}"'


def _build_manager() -> StreamableHTTPSessionManager:
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

    from automate_api.mcp.server import build_server

    return StreamableHTTPSessionManager(
        build_server(), json_response=True, stateless=True, max_request_body_size=MAX_BODY_BYTES
    )


def _admit(plain: str) -> ApiToken | int | None:
    """The token; the seconds until its next request is answered, if it made too many; None for an invalid one."""
    from automate_api.tokens.use import authenticate
    from automate_api.v1 import rate_limits

    token = authenticate(plain)
    if token is None and setting("AUTOMATE_MCP_OAUTH"):
        from automate_api.mcp.oauth.connections import authenticate_access

        token = authenticate_access(plain)
    if token is None:
        return None
    try:
        rate_limits.count_request(token)
    except rate_limits.RateLimitedError as error:
        return error.seconds
    return token


def _is_own_origin(origin: str) -> bool:
    """Whether a request comes from no page, or from one of the site's own hosts."""
    if not origin:
        return True
    try:
        host = urlsplit(origin).hostname or ""
    except ValueError:
        return False
    return bool(host) and validate_host(host.lower(), settings.ALLOWED_HOSTS)


async def _refuse(send: Send, status: int, message: str, *headers: tuple[str, str]) -> None:
    """Answer with an error of JSON-RPC, as clients read it."""
    error = {"jsonrpc": "2.0", "id": None, "error": {"code": -32000, "message": message}}
    body = json.dumps(error).encode()
    every = [("content-type", "application/json"), ("cache-control", "no-store"), ("content-length", str(len(body)))]
    encoded: Any = [(name.encode(), value.encode("latin-1")) for name, value in (*every, *headers)]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})

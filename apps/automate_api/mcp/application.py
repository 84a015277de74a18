"""The ASGI application of the MCP server, to be mounted by `automate_core.asgi.automate`.

    application = automate(get_asgi_application(), mounts={"/mcp/": McpApplication()})

The SDK costs most of a second and some 50 MB, so it is imported with the first request that has a valid token.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, MutableMapping
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
                body = await _read_body(receive)
                if body is None:
                    await _refuse(send, 413, f"The request may have at most {MAX_BODY_BYTES} bytes.")
                elif problem := _envelope_problem(body):
                    code, message = problem
                    await _refuse(send, 400, message, code=code)
                else:
                    client = _Client(body, receive)
                    await client.attend(manager.handle_request({**scope, CALLER: caller}, client.receive, send))

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


class _Client:
    """Who sent a request whose body has been read. If it goes away, its request is no longer answered.

    The SDK notices this only in streams: a call that waits for its run would wait on for a client that is not there.
    """

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive
        self._is_gone = asyncio.Event()

    async def receive(self) -> MutableMapping[str, Any]:
        """The body, and then that the client is gone, once it is."""
        body, self._body = self._body, None
        if body is not None:
            return {"type": "http.request", "body": body, "more_body": False}
        await self._is_gone.wait()
        return {"type": "http.disconnect"}

    async def attend(self, answer: Coroutine[Any, Any, None]) -> None:
        """Answer, until the answer is complete or the client gone."""
        tasks = answering, _leaving = asyncio.create_task(answer), asyncio.create_task(self._watch())
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if answering.done():
                answering.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._is_gone.set()


async def _read_body(receive: Receive) -> bytes | None:
    """The body of a request; None for one that is too large."""
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            return None
        if not message.get("more_body"):
            return bytes(body)


def _envelope_problem(body: bytes) -> tuple[int, str] | None:
    """(code, message) for a body that is no message of JSON-RPC, which has one code for each kind.

    The SDK's answer would be another code, with the words of its validator; and a request without a usable ID would be
    a notification to it, and never be answered.
    """
    from mcp_types import INVALID_REQUEST, PARSE_ERROR, JSONRPCNotification, jsonrpc_message_adapter
    from pydantic import ValidationError

    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        return PARSE_ERROR, "The body is not JSON."
    try:
        read = jsonrpc_message_adapter.validate_python(message, by_name=False)
    except ValidationError:
        return INVALID_REQUEST, "The body is not one request, notification or response of JSON-RPC 2.0."
    if isinstance(read, JSONRPCNotification) and "id" in message:
        return INVALID_REQUEST, "The id of a request is a text or a whole number. A notification has none."
    return None


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


async def _refuse(send: Send, status: int, message: str, *headers: tuple[str, str], code: int = -32000) -> None:
    """Answer with an error of JSON-RPC, as clients read it."""
    error = {"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": message}}
    body = json.dumps(error).encode()
    every = [("content-type", "application/json"), ("cache-control", "no-store"), ("content-length", str(len(body)))]
    encoded: Any = [(name.encode(), value.encode("latin-1")) for name, value in (*every, *headers)]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})

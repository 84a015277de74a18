"""The ASGI application around Django's: deliveries are answered before Django's handler, and the worker can live here.

    application = automate(get_asgi_application())

Other ASGI applications can be mounted in front of Django's handler, too:

    application = automate(get_asgi_application(), mounts={"/mcp/": mcp_application()})

Importing this imports no model, so that it may stand above the line that sets Django up.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured
from django.http.request import split_domain_port, validate_host

from automate_core.refusals import refuse
from automate_core.webhooks.asgi_types import Application, Receive, Scope, Send

if TYPE_CHECKING:
    from automate_core.webhooks.application import WebhookApplication

BYTES_A_SECOND = 10_000  #: a body that comes at least this fast has all the time that it needs
TIMEOUT = "The request did not arrive in time. Send it again."
TOO_LARGE = "The request is too large. It may have at most {} bytes."
WRONG_HOST = "The host is not in ALLOWED_HOSTS."
LOCAL_HOSTS = (".localhost", "127.0.0.1", "[::1]")  #: Django's, in debug mode without ALLOWED_HOSTS


def automate(application: Application, mounts: Mapping[str, Application] | None = None) -> Application:
    """`application` with deliveries answered in front of it, and the managed worker beside it if the settings ask.

    `mounts` are ASGI applications by path (`/mcp/`). Each answers the requests to its path, with and without the last
    slash, and to what lies below. The settings' limits of a request and ALLOWED_HOSTS count for them; Django's
    middleware does not. Their lifespans are entered when the server starts and left when it stops; one that cannot
    start refuses the start of the server. Raises ImproperlyConfigured for a path that is not like `/mcp/`.
    """
    from automate_core import proxies
    from automate_core.anonymous import AnonymousRequests
    from automate_core.conf import setting
    from automate_core.webhooks.application import WebhookApplication

    webhooks = WebhookApplication()
    mounted = [Mount(path, each) for path, each in (mounts or {}).items()]
    anonymous = AnonymousRequests()

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            most_bytes = (
                0 if webhooks.serves(scope["path"]) else setting("AUTOMATE_REQUEST_BYTES")
            )  # those have a limit
            body = _Body(scope, receive, send, setting("AUTOMATE_REQUEST_SECONDS"), most_bytes)
            receive, send = body.receive, body.send
            scope = proxies.asgi_scope(scope)
        if scope["type"] == "lifespan":
            await _lifespan(webhooks, mounted, receive, send)
        elif scope["type"] == "http" and webhooks.serves(scope["path"]):
            await webhooks(scope, receive, send)
        elif mount := next((each for each in mounted if each.serves(scope)), None):
            await mount(scope, receive, send)
        elif scope["type"] == "http":
            if admission := anonymous.admission(scope, receive, send):
                receive, send = admission.receive, admission.send
            left = _Leaving(receive, send)
            try:
                await application(scope, left.receive, left.send)
            finally:
                if admission:
                    admission.end()
        else:
            await application(scope, receive, send)

    return serve


class _Body:
    """A request whose body has to arrive in time, and to end: else it is answered with 408 or 413 and closed.

    To the application, such a request is one whose sender has gone away. Waiting for the end of the connection, which
    comes after the body, has no deadline.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send, seconds: float, most_bytes: int) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._until = time.monotonic() + seconds if seconds else math.inf
        self._most_bytes = self._left = most_bytes or math.inf
        self._is_arriving = True
        self._is_answered = self._is_over = False

    async def receive(self) -> MutableMapping[str, Any]:
        if not self._is_arriving:
            return {"type": "http.disconnect"} if self._is_over else await self._receive()
        left = None if self._until == math.inf else max(self._until - time.monotonic(), 0)
        try:
            message = await asyncio.wait_for(self._receive(), left)
        except TimeoutError:
            return await self._refuse(408, TIMEOUT)
        size = len(message.get("body", b""))
        self._until += size / BYTES_A_SECOND
        self._left -= size
        if self._left < 0:
            return await self._refuse(413, TOO_LARGE.format(self._most_bytes))
        self._is_arriving = bool(message.get("more_body"))
        return message

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if not self._is_over:
            self._is_answered = True
            await self._send(message)

    async def _refuse(self, status: int, reason: str) -> MutableMapping[str, Any]:
        self._is_arriving, self._is_over = False, True
        if not self._is_answered:
            await refuse(self._scope, self._send, status, reason, (b"connection", b"close"))
        return {"type": "http.disconnect"}


class _Leaving:
    """Tells Django that a client has left once the response has begun, not before.

    Before, Django cancels the view, which may be behind middleware in another thread, and then sends its signals by the
    executor of that thread, which has ended: "CurrentThreadExecutor already quit or is broken". So a view of a client
    that has left ends as under WSGI, and a stream ends with its first piece.
    """

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self._is_received = False
        self._has_begun = asyncio.Event()

    async def receive(self) -> MutableMapping[str, Any]:
        message = await self._receive()
        if message["type"] == "http.disconnect" and self._is_received:
            await self._has_begun.wait()
        self._is_received = self._is_received or not message.get("more_body")
        return message

    async def send(self, message: MutableMapping[str, Any]) -> None:
        self._has_begun.set()
        await self._send(message)


class Mount:
    """An ASGI application at a path, in front of Django's handler."""

    def __init__(self, path: str, application: Application) -> None:
        if not path.strip("/") or not path.startswith("/") or not path.endswith("/"):
            raise ImproperlyConfigured(f"A mount needs a path such as /mcp/, not {path!r}.")
        self._path, self._application = path, application
        self._messages: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()
        self._state: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()
        self._lifespan: asyncio.Task[None] | None = None

    def serves(self, scope: Scope) -> bool:
        """Whether a request is for it: its path, with or without the last slash, or one below."""
        return scope["type"] == "http" and f"{_path_below_root(scope)}/".startswith(self._path)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; one to another host is refused with 421."""
        if not _is_allowed_host(scope):
            await refuse(scope, send, 421, WRONG_HOST)
            return
        root = scope.get("root_path", "") + self._path.removesuffix("/")
        await self._application({**scope, "root_path": root}, receive, send)

    async def start(self) -> None:
        """Enter its lifespan. Raises ImproperlyConfigured with its message when it refuses to start."""
        self._lifespan = asyncio.create_task(self._run_lifespan())
        answer = await self._notify("lifespan.startup")
        if answer["type"] == "lifespan.startup.failed":
            raise ImproperlyConfigured(f"{self._path} cannot start: {answer.get('message', '')}")

    async def stop(self) -> None:
        """Leave its lifespan."""
        if self._lifespan is not None and not self._lifespan.done():
            await self._notify("lifespan.shutdown")
            await self._lifespan

    async def _notify(self, kind: str) -> MutableMapping[str, Any]:
        self._messages.put_nowait({"type": kind})
        return await self._state.get()

    async def _run_lifespan(self) -> None:
        """An application that raises before it has answered has no lifespan, as the protocol says."""
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
        try:
            await self._application(scope, self._messages.get, self._state.put)
        except Exception:  # noqa: BLE001 - whatever it raises, it has no lifespan
            self._state.put_nowait({"type": "lifespan.startup.complete"})


def _path_below_root(scope: Scope) -> str:
    path: str = scope["path"]
    root = scope.get("root_path", "")
    return path.removeprefix(root) if path.startswith(f"{root}/") else path


def _is_allowed_host(scope: Scope) -> bool:
    """Whether Django would answer a request to this host."""
    from django.conf import settings

    names = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
    domain, _port = split_domain_port(names[-1] if names else "")
    return bool(domain) and validate_host(domain, settings.ALLOWED_HOSTS or (LOCAL_HOSTS if settings.DEBUG else ()))


async def _lifespan(webhooks: WebhookApplication, mounted: list[Mount], receive: Receive, send: Send) -> None:
    """Start and stop what lives beside the requests (ASGI lifespan protocol, version 2). Bad keys refuse the start."""
    from automate_core.conf import setting
    from automate_core.replies.reply_hub import hub as reply_hub
    from automate_core.webhooks.tally import tally
    from automate_core.worker.managed import managed
    from automate_governance import startup

    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            try:
                await asyncio.to_thread(startup.prepare_process)
                await asyncio.to_thread(webhooks.prepare)
                for mount in mounted:
                    await mount.start()
            except ImproperlyConfigured as error:
                await send({"type": "lifespan.startup.failed", "message": str(error)})
                return
            if setting("AUTOMATE_WORKER") == "managed":
                managed.start()
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            reply_hub.end_waits()
            for mount in reversed(mounted):
                await mount.stop()
            await asyncio.to_thread(managed.stop)
            await webhooks.close()
            await asyncio.to_thread(tally.flush_in_thread)
            await send({"type": "lifespan.shutdown.complete"})
            return

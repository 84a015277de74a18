"""The ASGI application around Django's: deliveries are answered before Django's handler, and the worker can live here.

    application = automate(get_asgi_application())

Importing this imports no model, so that it may stand above the line that sets Django up.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured

from automate_core.webhooks.asgi_types import Application, Receive, Scope, Send

if TYPE_CHECKING:
    from automate_core.webhooks.application import WebhookApplication

BYTES_A_SECOND = 10_000  #: a body that comes at least this fast has all the time that it needs
TIMEOUT = b"The request did not arrive in time. Send it again."
TOO_LARGE = b"The request is too large."


def automate(application: Application) -> Application:
    """`application` with deliveries answered in front of it, and the managed worker beside it if the settings ask."""
    from automate_core import proxies
    from automate_core.conf import setting
    from automate_core.webhooks.application import WebhookApplication

    webhooks = WebhookApplication()

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            most_bytes = (
                0 if webhooks.serves(scope["path"]) else setting("AUTOMATE_REQUEST_BYTES")
            )  # those have a limit
            body = _Body(receive, send, setting("AUTOMATE_REQUEST_SECONDS"), most_bytes)
            receive, send = body.receive, body.send
            scope = proxies.asgi_scope(scope)
        if scope["type"] == "lifespan":
            await _lifespan(webhooks, receive, send)
        elif scope["type"] == "http" and webhooks.serves(scope["path"]):
            await webhooks(scope, receive, send)
        else:
            await application(scope, receive, send)

    return serve


class _Body:
    """A request whose body has to arrive in time, and to end: else it is answered with 408 or 413 and closed.

    To the application, such a request is one whose sender has gone away. Waiting for the end of the connection, which
    comes after the body, has no deadline.
    """

    def __init__(self, receive: Receive, send: Send, seconds: float, most_bytes: int) -> None:
        self._receive, self._send = receive, send
        self._until = time.monotonic() + seconds if seconds else math.inf
        self._left = most_bytes or math.inf
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
            return await self._refuse(413, TOO_LARGE)
        self._is_arriving = bool(message.get("more_body"))
        return message

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if not self._is_over:
            self._is_answered = True
            await self._send(message)

    async def _refuse(self, status: int, reason: bytes) -> MutableMapping[str, Any]:
        self._is_arriving, self._is_over = False, True
        if not self._is_answered:
            headers = [(b"content-type", b"text/plain"), (b"connection", b"close")]
            headers.append((b"content-length", str(len(reason)).encode()))
            await self._send({"type": "http.response.start", "status": status, "headers": headers})
            await self._send({"type": "http.response.body", "body": reason})
        return {"type": "http.disconnect"}


async def _lifespan(webhooks: WebhookApplication, receive: Receive, send: Send) -> None:
    """Start and stop what lives beside the requests (ASGI lifespan protocol, version 2). Bad keys refuse the start."""
    from automate_core.conf import setting
    from automate_core.webhooks.tally import tally
    from automate_core.worker.managed import managed
    from automate_governance import startup

    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            try:
                await asyncio.to_thread(startup.prepare_process)
            except ImproperlyConfigured as error:
                await send({"type": "lifespan.startup.failed", "message": str(error)})
                return
            if setting("AUTOMATE_WORKER") == "managed":
                managed.start()
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await asyncio.to_thread(managed.stop)
            await webhooks.close()
            await asyncio.to_thread(tally.flush_in_thread)
            await send({"type": "lifespan.shutdown.complete"})
            return

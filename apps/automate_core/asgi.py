"""The ASGI application around Django's: deliveries are answered before Django's handler, and the worker can live here.

    application = automate(get_asgi_application())

Importing this imports no model, so that it may stand above the line that sets Django up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured

if TYPE_CHECKING:
    from automate_core.webhooks.application import HooksApplication

type Scope = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
type Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
type Application = Callable[[Scope, Receive, Send], Awaitable[None]]


def automate(application: Application) -> Application:
    """`application` with deliveries answered in front of it, and the managed worker beside it if the settings ask."""
    from automate_core.webhooks.application import HooksApplication

    hooks = HooksApplication()

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(hooks, receive, send)
        elif scope["type"] == "http" and hooks.takes(scope["path"]):
            await hooks(scope, receive, send)
        else:
            await application(scope, receive, send)

    return serve


async def _lifespan(hooks: HooksApplication, receive: Receive, send: Send) -> None:
    """Start and stop what lives beside the requests (ASGI lifespan protocol, version 2). Bad keys refuse the start."""
    from automate_core.conf import setting
    from automate_core.managed_worker import managed
    from automate_core.webhooks.tally import tally
    from automate_governance import boot

    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            try:
                await asyncio.to_thread(boot.prepare)
            except ImproperlyConfigured as error:
                await send({"type": "lifespan.startup.failed", "message": str(error)})
                return
            if setting("AUTOMATE_WORKER") == "managed":
                managed.start()
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await asyncio.to_thread(managed.stop)
            await hooks.close()
            await asyncio.to_thread(tally.flush_alone)
            await send({"type": "lifespan.shutdown.complete"})
            return

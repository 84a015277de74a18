"""Requests without credentials wait for each other, so that a crowd of them slows no run in the same process.

AUTOMATE_ANONYMOUS_REQUESTS are answered at once. The others wait by address, and the addresses are served in turns: one
sender with a hundred connections delays another by one request. Probes of the process have a queue of their own, or a
crowd would have the process restarted.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import MutableMapping
from typing import Any

from automate_core.conf import setting
from automate_core.refusals import refuse
from automate_core.webhooks.asgi_types import Receive, Scope, Send
from automate_governance.people.rates import network_of
from automate_plugins import text

MOST_WAITING = 100  #: requests of one address; further ones are refused
PROBES = ("/livez/", "/readyz/", "/healthz/")
BUSY = text("Too many requests of this address are waiting. Try again in a few seconds.")


class QueueFullError(Exception):
    """Too many requests of one address wait."""


class FairQueue:
    """Admits requests one address after the other while fewer than `at_once` are being answered."""

    def __init__(self) -> None:
        self._running = 0
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    async def enter(self, address: str, at_once: int) -> None:
        """Wait until a request of this address may go on. Raises QueueFullError when too many others wait."""
        if self._running < at_once and not self._waiting:
            self._running += 1
            return
        own = self._waiting.setdefault(address, deque())
        if len(own) >= MOST_WAITING:
            raise QueueFullError
        admitted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        own.append(admitted)
        try:
            await admitted
        except asyncio.CancelledError:
            if admitted.done() and not admitted.cancelled():
                self.leave()
            raise

    def leave(self) -> None:
        """Let the next one go on: the first of the address that was served longest ago."""
        self._running -= 1
        while self._waiting:
            address, own = next(iter(self._waiting.items()))
            admitted = own.popleft()
            del self._waiting[address]
            if own:
                self._waiting[address] = own
            if not admitted.done():
                self._running += 1
                admitted.set_result(None)
                return


class AnonymousRequests:
    """The queues of a process."""

    def __init__(self) -> None:
        self._pages, self._probes = FairQueue(), FairQueue()

    def admission(self, scope: Scope, receive: Receive, send: Send) -> Admission | None:
        """What a request waits for; None if it goes on at once."""
        at_once = setting("AUTOMATE_ANONYMOUS_REQUESTS")
        if not at_once or not _is_anonymous(scope):
            return None
        queue = self._probes if scope["path"].endswith(PROBES) else self._pages
        address = network_of((scope.get("client") or ("",))[0])
        return Admission(queue, address, at_once, scope, receive, send)


class Admission:
    """A request that waits in a queue between the end of its body and the beginning of its response.

    Neither a slow sender nor a slow reader holds up others: meanwhile no thread works for them.
    """

    def __init__(
        self, queue: FairQueue, address: str, at_once: int, scope: Scope, receive: Receive, send: Send
    ) -> None:
        self._queue, self._address, self._at_once = queue, address, at_once
        self._scope, self._receive, self._send = scope, receive, send
        self._has_body = self._is_running = self._is_refused = False

    async def receive(self) -> MutableMapping[str, Any]:
        message = await self._receive()
        if not self._has_body and not message.get("more_body"):
            self._has_body = True
            try:
                await self._queue.enter(self._address, self._at_once)
            except QueueFullError:
                await self._refuse()
                return {"type": "http.disconnect"}
            self._is_running = True
        return message

    async def send(self, message: MutableMapping[str, Any]) -> None:
        self.end()
        if not self._is_refused:
            await self._send(message)

    def end(self) -> None:
        """Let the next one go on."""
        if self._is_running:
            self._is_running = False
            self._queue.leave()

    async def _refuse(self) -> None:
        self._is_refused = True
        await refuse(self._scope, self._send, 503, BUSY, (b"retry-after", b"5"))


def _is_anonymous(scope: Scope) -> bool:
    """Whether a request names no session and no token, or asks for a page that asks for neither.

    A made-up session or token costs a query, and no page.
    """
    from django.conf import settings
    from django.urls import Resolver404, resolve

    session = settings.SESSION_COOKIE_NAME.encode() + b"="
    if not any(
        name == b"authorization" or (name == b"cookie" and session in value) for name, value in scope["headers"]
    ):
        return True
    try:
        found = resolve(scope["path"])
    except Resolver404:
        return False
    return not getattr(found.func, "login_required", True)

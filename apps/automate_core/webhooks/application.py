"""The ASGI application of webhook endpoints, in front of Django's handler.

Deliveries under load share statements: those that arrive while one runs go out together in the next. Alone, none waits.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from itertools import islice

import psycopg
from django.db import connections

from automate_core import database
from automate_core.conf import setting
from automate_core.faultpoints import reach
from automate_core.outbox import notify
from automate_core.outbox.ingest import FIRST_DELIVERIES, INGEST, IngestBatch, IngestResult, NewEvent
from automate_core.replies.waiting import ReplyOutcome, wait_for_reply_async
from automate_core.webhooks.answers import METHOD_NOT_ALLOWED, Answer
from automate_core.webhooks.asgi_types import Receive, Scope, Send
from automate_core.webhooks.deliveries import answer_delivery
from automate_core.webhooks.kept_connection import KeptConnection
from automate_core.webhooks.receivers import Receiver, ReceiverCache, find_receiver
from automate_core.webhooks.schemes.registry import signature_schemes
from automate_core.webhooks.schemes.signing import Delivery
from automate_governance.admin_site import reverse

log = logging.getLogger(__name__)

MOST_IN_ONE_STATEMENT = 200

type Waiting = tuple[Sequence[NewEvent], asyncio.Future[list[IngestResult]]]


class WebhookApplication:
    """`POST /hooks/<slug>/` without Django's handler, whose price is most of a delivery's (docs/adr/0003)."""

    def __init__(self) -> None:
        self._prefix = ""
        self._receivers = ReceiverCache()
        self._ingestor = GroupIngestor()

    @property
    def prefix(self) -> str:
        """The path that all endpoints begin with, from the URL configuration."""
        if not self._prefix:
            self._prefix = reverse("automate:webhook", args=["x"]).removesuffix("x/")
        return self._prefix

    def prepare(self) -> None:
        """Import what the first delivery would wait for: the URL configuration, and the signature schemes."""
        log.debug("deliveries to %s, schemes %s", self.prefix, ", ".join(signature_schemes.names()))

    def serves(self, path: str) -> bool:
        """Whether it is an endpoint's path. Django serves what lies deeper, such as a callback URL."""
        return path.startswith(self.prefix) and "/" not in path.removeprefix(self.prefix).removesuffix("/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one delivery."""
        slug = scope["path"].removeprefix(self.prefix).removesuffix("/")
        exchange = AsgiExchange(slug, scope, receive, self._receivers, self._ingestor)
        try:
            answer = await answer_delivery(exchange) if scope["method"] == "POST" else METHOD_NOT_ALLOWED
        except ConnectionResetError:  # with part of a body: nothing is accepted, and no sender is left to answer
            return
        await _send_answer(answer, send)

    async def close(self) -> None:
        """Give the database connections back."""
        await self._ingestor.close()


class AsgiExchange:
    """A delivery that came through the ASGI server."""

    def __init__(
        self, slug: str, scope: Scope, receive: Receive, receivers: ReceiverCache, ingestor: GroupIngestor
    ) -> None:
        self.slug = slug
        self.address = (scope.get("client") or ("",))[0]
        self._scope, self._receive = scope, receive
        self._receivers, self._ingestor = receivers, ingestor

    async def read_delivery(self) -> Delivery | None:
        """ASGI servers give the names of headers in lower case."""
        body = await _read_body(self._receive, setting("AUTOMATE_HOOK_BODY_BYTES"))
        if body is None:
            return None
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in self._scope["headers"]}
        query = self._scope.get("query_string", b"").decode("latin-1")
        return Delivery(headers, body, self._scope["path"] + (f"?{query}" if query else ""))

    async def find_receiver(self) -> Receiver:
        receiver = self._receivers.get(self.slug)
        if receiver is None:
            receiver = await self.run_blocking(lambda: find_receiver(self.slug))
            self._receivers.put(self.slug, receiver)
        return receiver

    async def run_blocking[Result](self, act: Callable[[], Result]) -> Result:
        """In a thread: the loop serves the others meanwhile."""
        return await asyncio.to_thread(_in_thread, act)

    async def ingest(self, events: Sequence[NewEvent]) -> list[IngestResult]:
        return await self._ingestor.ingest(events)

    async def wait_for_reply(self, event_id: str, seconds: float) -> ReplyOutcome | None:
        """Wait for the reply, or until the sender goes away."""
        reply = asyncio.ensure_future(wait_for_reply_async(event_id, seconds))
        lost = asyncio.ensure_future(_wait_for_disconnect(self._receive))
        try:
            await asyncio.wait({reply, lost}, return_when=asyncio.FIRST_COMPLETED)
            if not reply.done() and lost.exception() is None:
                raise ConnectionResetError
            return await reply
        finally:
            reply.cancel()
            lost.cancel()


async def _wait_for_disconnect(receive: Receive) -> None:
    """Return when the connection has ended. Nothing else can come behind a body."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send_answer(answer: Answer, send: Send) -> None:
    content, headers = b"", []
    if answer.has_body:
        content = answer.content()
        headers = [(b"content-type", answer.content_type.encode()), (b"content-length", str(len(content)).encode())]
    headers += [(name.lower().encode(), value.encode("latin-1")) for name, value in answer.headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


class GroupIngestor:
    """EventIngestor's statement for many requests at once, on a connection of its own."""

    def __init__(self) -> None:
        self._waiting: list[Waiting] = []
        self._writer: asyncio.Task[None] | None = None
        self._connection = KeptConnection(database.INGEST_OPTIONS)

    async def ingest(self, events: Sequence[NewEvent]) -> list[IngestResult]:
        """Accept the events of a delivery, all or none. Raises whatever kept the database from taking them."""
        future: asyncio.Future[list[IngestResult]] = asyncio.get_running_loop().create_future()
        self._waiting.append((events, future))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_all())
        return await future

    async def close(self) -> None:
        """Close the connection. What waits is answered first."""
        if self._writer is not None:
            await self._writer
        await self._connection.close()

    async def _write_all(self) -> None:
        while self._waiting:
            most = _count_fitting(self._waiting)
            group, self._waiting = self._waiting[:most], self._waiting[most:]
            await self._write_group(group)

    async def _write_group(self, group: list[Waiting]) -> None:
        """Write a group in one statement; if the database rejects it, one by one, so that a bad row stands alone."""
        try:
            answers = await self._write([event for events, _ in group for event in events])
        except Exception as error:  # noqa: BLE001 - it is raised in each delivery that waits
            if len(group) > 1 and not isinstance(error, psycopg.OperationalError):
                for each in group:
                    await self._write_group([each])
                return
            for _, future in group:
                if not future.done():
                    future.set_exception(error)
            return
        each_answer = iter(answers)
        for events, future in group:
            own = list(islice(each_answer, len(events)))
            if not future.done():  # the sender may be gone
                future.set_result(own)
        if any(not answer.duplicate for answer in answers):
            notify.hint()

    async def _write(self, events: list[NewEvent]) -> list[IngestResult]:
        batch = IngestBatch(events)
        connection = await self._connection.open()
        reach("ingest.writing")
        rows = await (await connection.execute(INGEST, {"events": batch.document()})).fetchall()
        reach("ingest.written")
        new = {str(row.id) for row in rows}
        keys = batch.keys(new)
        first = await (await connection.execute(FIRST_DELIVERIES, {"keys": keys})).fetchall() if keys else []
        return batch.results(new, first)


def _count_fitting(waiting: Sequence[Waiting]) -> int:
    """The number of deliveries in the next statement: at least one, however many events it has."""
    events = 0
    for count, (each, _) in enumerate(waiting):
        events += len(each)
        if events > MOST_IN_ONE_STATEMENT:
            return max(count, 1)
    return len(waiting)


def _in_thread[Result](act: Callable[[], Result]) -> Result:
    try:
        return act()
    finally:
        connections.close_all()


async def _read_body(receive: Receive, most: int) -> bytes | None:
    """The body, or None when it is larger than `most` bytes. Counts as it reads: a length header may be missing.

    Raises ConnectionResetError when the sender goes away before its end.
    """
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionResetError
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > most:
            return None
        chunks.append(chunk)
        if not message.get("more_body"):
            return b"".join(chunks)

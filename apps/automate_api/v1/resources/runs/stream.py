"""The live stream of a run, as server-sent events.

`step`, `log` and `run` events; the id of a `run` event is the run's sequence. A client that reconnects with it as
`Last-Event-ID` gets what changed since, and 204 once the run has ended and nothing is left. A server that cannot stream
answers with what has changed so far, and the client's reconnections are its polls.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.db import connections
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.translation import gettext as _
from ninja import Router

from automate_api.models import ApiToken
from automate_api.tokens.use import narrowed
from automate_api.v1.front_door import TokenRequest
from automate_api.v1.not_found import NotFoundError
from automate_api.v1.problems import ProblemError
from automate_api.v1.rendering import Encoder
from automate_api.v1.resources.runs.runs import describe_pending, describe_run, find_run
from automate_api.v1.resources.runs.steps import attempts_of, describe_attempt, record_view
from automate_core.definition.step_paths import key_of
from automate_core.models import ExecutionRun, RunLog
from automate_core.runs.lookup import PendingStart
from automate_core.states import FINAL_RUN_STATES, RunStatus
from automate_governance.permissions import can
from automate_operations.queries.run_watch import HEARTBEAT_SECONDS, STREAM_SECONDS, RunWatch, WatchedStream, hub

router = Router()

LAST_EVENT_ID = "Last-Event-ID"
MOST_SEQ = 2**31 - 1
MOST_LINES = 500  #: of the log, in one part
_RETRY = "retry: 1000\n\n"


@dataclass(frozen=True)
class Changes:
    """What changed in a run since a sequence: the events, and the sequence that they lead to."""

    seq: int
    events: str
    is_over: bool


@router.get(
    "/runs/{uuid:run_id}/stream",
    response={200: None, 204: None},
    openapi_extra={
        "parameters": [
            {
                "in": "header",
                "name": LAST_EVENT_ID,
                "required": False,
                "schema": {"type": "integer", "minimum": 0, "maximum": MOST_SEQ},
            }
        ],
        "responses": {200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
    },
)
async def stream_run(request: TokenRequest, run_id: uuid.UUID) -> HttpResponseBase:
    """Follow a run as server-sent events: its steps, its log and its state, until it ends.

    `Last-Event-ID` is the sequence that is known already: what changed since follows.
    """
    after = _last_event_id(request)
    is_stream = isinstance(request, ASGIRequest)
    changes = await sync_to_async(_read_first)(request, run_id, after, is_stream=is_stream)
    if changes.is_over and not changes.events:
        return HttpResponse(status=204)
    if not is_stream:
        return _respond(HttpResponse, f"{_RETRY}{changes.events}")
    watch = hub.reserve(run_id, request.auth)
    if watch is None:
        detail = _("This token has too many open streams. Close some of them.")
        raise ProblemError(429, detail, code="too_many_streams")
    return _respond(StreamingHttpResponse, WatchedStream(watch, _stream(request, watch, after, changes)))


def _last_event_id(request: TokenRequest) -> int:
    """Raises ProblemError."""
    given = request.headers.get(LAST_EVENT_ID, "").strip()
    if not given:
        return -1
    if not (given.isascii() and given.isdigit() and len(given) <= 10 and int(given) <= MOST_SEQ):
        message = _("This is not the id of an event of this stream.")
        raise ProblemError(422, _("The request is not valid."), [(LAST_EVENT_ID, message)])
    return int(given)


def _respond[R: HttpResponseBase](kind: Callable[..., R], content: Any) -> R:
    headers = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}
    return kind(content, content_type="text/event-stream", headers=headers)


async def _stream(request: TokenRequest, watch: RunWatch, after: int, changes: Changes | None) -> AsyncIterator[str]:
    """The events after a sequence. Holds no database connection between two changes."""
    loop = asyncio.get_running_loop()
    until = loop.time() + STREAM_SECONDS
    with hub.following(watch):
        yield _RETRY
        while changes is not None:
            if changes.events:
                yield changes.events
                after = changes.seq
            if changes.is_over or hub.is_closing or loop.time() >= until:
                return
            await watch.wait(after, HEARTBEAT_SECONDS)
            changes = await asyncio.to_thread(_read_next, request, watch.run_id, after)
            if changes is not None and not changes.events:
                yield ": alive\n\n"


def _read_first(request: TokenRequest, run_id: uuid.UUID, after: int, *, is_stream: bool) -> Changes:
    """Raises NotFoundError. The connection is returned before a stream, which may last."""
    try:
        return _read_changes(request, run_id, after)
    finally:
        if is_stream:
            connections.close_all()


def _read_next(request: TokenRequest, run_id: uuid.UUID, after: int) -> Changes | None:
    """None when the token may no longer view the run."""
    try:
        token = ApiToken.objects.select_related("owner").filter(pk=request.auth.pk).first()
        if token is None or not token.is_valid or not token.owner.is_active:
            return None
        request.auth, request.user = token, token.owner
        with narrowed(token):
            return _read_changes(request, run_id, after)
    except NotFoundError:
        return None
    finally:
        connections.close_all()


def _read_changes(request: TokenRequest, run_id: uuid.UUID, after: int) -> Changes:
    run = find_run(request, run_id)
    if isinstance(run, PendingStart):
        described = describe_pending(run)
        is_over = described["status"] == RunStatus.FAILED
        return Changes(after, _format("run", described) if is_over else "", is_over)
    is_over = run.status in FINAL_RUN_STATES
    if run.seq <= after:
        return Changes(run.seq, "", is_over)
    may_read = can(request.user, "view_payload", run)
    parts = [*_events(request, run, after, may_read=may_read)]
    parts.append(_format("run", describe_run(run, may_view_payload=may_read), seq=run.seq))
    return Changes(run.seq, "".join(parts), is_over)


def _events(request: TokenRequest, run: ExecutionRun, after: int, *, may_read: bool) -> Iterator[str]:
    """Changes up to the sequence that was read with the run: later ones are in the next part."""
    for attempt in attempts_of(run).filter(seq__gt=after, seq__lte=run.seq).order_by("pk"):
        yield _format("step", describe_attempt(attempt, may_read=may_read))
    if may_read:
        lines = RunLog.objects.filter(run=run, seq__gt=after, seq__lte=run.seq).order_by("pk")[:MOST_LINES]
        for number, line in enumerate(lines):
            if not number:
                record_view(request, run, "")
            described = {name: getattr(line, name) for name in ("path", "attempt", "level", "message", "at")}
            yield _format("log", {**described, "key": key_of(line.path)})


def _format(name: str, data: dict[str, Any], *, seq: int | None = None) -> str:
    document = _ENCODER.encode(data)
    return f"{'' if seq is None else f'id: {seq}\n'}event: {name}\ndata: {document}\n\n"


_ENCODER = Encoder(ensure_ascii=False)

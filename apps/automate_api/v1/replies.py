"""Starts that wait for the reply of their run: `POST /api/v1/workflows/SLUG/runs?wait=SECONDS`.

The wait comes after the answer of the start: outside of its transaction, of its idempotency key and of the token's
permissions. So a repeated start waits again, for the same run, and gets the same reply. A wait holds a thread of the
request, under ASGI by Django's synchronous middleware: as many wait at once as AUTOMATE_REPLY_THREADS says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import wraps
from typing import Annotated, Any, Literal

import msgspec
from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.db import connections, transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from ninja import Query

from automate_api.v1.front_door import View
from automate_core.models.events import LONGEST_REPLY_SECONDS
from automate_core.replies.waiting import ReplyOutcome, wait_in_thread, wait_in_thread_async
from automate_core.webhooks.answers import Answer, build_reply_answer
from automate_core.webhooks.view import build_response

RUN_ID = "Automate-Run-Id"  #: names the run in a reply, which problems and other answers do not have
#: Headers of the start that a reply has as well.
_KEPT = ("RateLimit", "RateLimit-Policy", "Cache-Control", "Idempotency-Replayed", "X-Request-Id")

WaitSeconds = Annotated[
    int,
    Query(
        0,
        ge=0,
        le=LONGEST_REPLY_SECONDS,
        description="Wait so many seconds for the reply of the run, which is then the answer, with the header"
        f" {RUN_ID}. Without a reply in time, or when the run ends without one, the answer is 202.",
    ),
]
ReplyKind = Annotated[
    Literal["workflow", "run"],
    Query(
        "workflow",
        description="With wait: the reply of the workflow, of any status and type, or always the run with its status.",
    ),
]


def with_reply(view: View) -> View:
    """Wrap the view that starts a run, so that `?wait=` waits: under ASGI without a database connection."""

    @wraps(view)
    async def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        started: HttpResponseBase = await sync_to_async(view)(request, *args, **kwargs)
        seconds = request.GET.get("wait", "0")
        if started.status_code != 202 or not isinstance(started, HttpResponse) or not int(seconds):
            return started
        body = msgspec.json.decode(started.content)
        outcome: ReplyOutcome | None
        if isinstance(request, ASGIRequest):
            await sync_to_async(_close_connections)()
            outcome = await wait_in_thread_async(body["id"], int(seconds))
        else:
            outcome = await sync_to_async(wait_in_thread)(body["id"], int(seconds))
        if outcome is not None and request.GET.get("reply") == "run":
            outcome = replace(outcome, reply=None)
        return started if outcome is None else _build_response(started, body, outcome)

    return transaction.non_atomic_requests(answer)


def _close_connections() -> None:
    """Give the connection of the request's own thread back while it waits."""
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close()


def _build_response(started: HttpResponse, body: Mapping[str, Any], outcome: ReplyOutcome) -> HttpResponse:
    """The reply, or the answer of the start with the run's present status."""
    if outcome.reply is None:
        started.content = msgspec.json.encode({**body, "status": outcome.status or body["status"]})
        return started
    response = build_response(build_reply_answer(outcome, Answer(202), {RUN_ID: body["id"]}))
    for name in _KEPT:
        if name in started.headers:
            response.headers.setdefault(name, started.headers[name])
    return response

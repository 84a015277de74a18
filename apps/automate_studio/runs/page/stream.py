"""Live updates of an open run page: a stream of patches, or single patches for servers that cannot stream."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

from asgiref.sync import sync_to_async
from django.db import connections, transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from automate_core.models import ExecutionRun
from automate_core.states import FINAL_RUN_STATES
from automate_governance.permissions import User, permitted
from automate_operations.queries.run_watch import RunWatch, WatchedStream
from automate_operations.queries.run_watch import hub as run_hub
from automate_studio.runs.page.live_hub import ViewerLocale, hub
from automate_studio.runs.page.page import load_run
from automate_studio.runs.page.patches import whole_patch
from automate_studio.view_models.run_data import RunView
from automate_ui.navigation.http import parse_number
from automate_ui.request_params import get_run_or_404


@require_safe
def run_patch(request: HttpRequest, run_id: uuid.UUID) -> HttpResponse:
    """Live parts newer than `?after=`, else 204: for servers that cannot stream."""
    run, after = get_run_or_404(request, run_id), parse_number(request.GET.get("after"))
    if after is not None and run.seq <= after:
        return HttpResponse(status=204, headers=_patch_headers(run))
    page = load_run(request.user, run_id, RunView.from_query(request.GET))
    return HttpResponse(whole_patch(page), headers=_patch_headers(page.run))


def _patch_headers(run: ExecutionRun) -> dict[str, str]:
    return {"X-Seq": str(run.seq), "X-Ended": "1" if run.status in FINAL_RUN_STATES else ""}


@transaction.non_atomic_requests  # Django rejects an asynchronous view under ATOMIC_REQUESTS
async def run_stream(request: HttpRequest, run_id: uuid.UUID) -> HttpResponseBase:
    """Live parts as server-sent events with the sequence as id; 429 over the limit, and pages poll."""
    user = await request.auser()
    may = await sync_to_async(_may_watch)(user, run_id)
    if not may:
        raise Http404
    watch = run_hub.reserve(run_id, user)
    if watch is None:
        problem = _("You have too many live run pages open. Close some of them.")
        return HttpResponse(problem, status=429, content_type="text/plain; charset=utf-8")
    after = parse_number(request.GET.get("after"))
    view, locale = RunView.from_query(request.GET), ViewerLocale.current()  # the stream outlives the request's locale
    return StreamingHttpResponse(
        WatchedStream(watch, _stream_events(user, watch, -1 if after is None else after, view, locale)),
        content_type="text/event-stream",
        headers={"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"},
    )


def _may_watch(user: User, run_id: uuid.UUID) -> bool:
    """Permission check before the stream; the connection is returned, since a stream may last."""
    try:
        return user.is_staff and permitted(user, "view", ExecutionRun.objects.filter(pk=run_id)).exists()
    finally:
        connections.close_all()


async def _stream_events(
    user: User, watch: RunWatch, after: int, view: RunView, locale: ViewerLocale
) -> AsyncIterator[str]:
    yield "retry: 1000\n\n"
    async for change in hub.watch(watch, after, user=user, view=view, locale=locale):
        yield _format_event(*change) if change else ": alive\n\n"


def _format_event(seq: int, html: str, ended: bool) -> str:
    lines = "".join(f"data: {line}\n" for line in html.splitlines() if line.strip())
    event = f"id: {seq}\nevent: patch\n{lines}\n"
    return f"{event}event: close\ndata: ended\n\n" if ended else event

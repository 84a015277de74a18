"""Views of the site itself: the start page, the health check, and the demo's echo service."""

from __future__ import annotations

import json
import sys

import psycopg
from django.contrib import admin
from django.db import Error
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe
from django.views.defaults import server_error as unexpected_error

from automate_core.models import Workflow
from automate_core.worker.health import live_workers
from automate_core.worker.managed import managed
from automate_governance.permissions import holds_anywhere
from automate_governance.texts import translated
from automate_operations.database_faults import database_fault
from automate_studio.library import views
from automate_studio.navigation import sidebar

PRODUCT = "django-automate"


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Show the overview, or the getting-started page on a new site.

    People who may see no workflows are redirected to the first page they may open, or to their password.
    """
    if views.is_first_run(request):
        return views.first_run_page(request)
    if holds_anywhere(request.user, "view", Workflow):
        return admin.site.index(request)
    groups = sidebar(request)
    return redirect(groups[0]["items"][0]["link"] if groups else "admin:password_change")


@require_safe
def health(request: HttpRequest) -> JsonResponse:
    """Respond 200 when the database is reachable and a worker is alive, in this process or another; else 503.

    For monitoring. A load balancer asks `/readyz/`: deliveries are accepted without a worker, and wait in the queue.
    """
    state = {"product": PRODUCT, "database": "ok", "worker": "stopped" if managed.state == "stopped" else "ok"}
    try:
        if not live_workers():
            state["worker"] = "missing"
    except (Error, psycopg.Error):
        state |= {"database": "away", "worker": "unknown"}
    is_healthy = (state["database"], state["worker"]) == ("ok", "ok")
    answer = JsonResponse(state, status=200 if is_healthy else 503)
    answer._has_been_logged = True  # type: ignore[attr-defined] # Django would report each probe as an error
    return answer


def server_error(request: HttpRequest) -> HttpResponse:
    """The page for an error that no view expected: 503 with the cause if the database stores nothing, else 500."""
    fault = database_fault(sys.exc_info()[1])  # Django calls this while it handles the error
    if fault is None:
        return unexpected_error(request)
    return render(None, "503.html", {"fault": translated(fault)}, status=503)


@csrf_exempt
@require_POST
def echo(request: HttpRequest, path: str = "") -> JsonResponse:
    """Respond with the request's body, path and idempotency key: the demo's external API."""
    try:
        body = json.loads(request.body or b"null")
    except (ValueError, RecursionError):
        return JsonResponse({"error": "The body is not valid JSON."}, status=400)
    return JsonResponse({"path": path, "received": body, "key": request.headers.get("Idempotency-Key", "")})

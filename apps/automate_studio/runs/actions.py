"""POST views of one run."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from automate_core.operations.retention import pinning
from automate_core.runs import control
from automate_governance.admin_site import reverse
from automate_studio.ui import request_params
from automate_studio.ui.responses import SeeOther, perform


@require_POST
def run_cancel(request: HttpRequest, run_id: uuid.UUID) -> HttpResponse:
    """Cancel a run: its page says who did, and why."""
    run = request_params.run(request, run_id)
    reason = request_params.words(request.POST.get("reason"))
    perform(request, lambda: control.cancel(run, by=request_params.person(request), reason=reason))
    return SeeOther(_run_url(run))


@require_POST
def run_keep(request: HttpRequest, run_id: uuid.UUID) -> HttpResponse:
    """Keep a run for ever with `keep`, or else like any other."""
    run = request_params.run(request, run_id)
    is_kept = bool(request.POST.get("keep"))
    act = pinning.keep if is_kept else pinning.release
    if perform(request, lambda: act(run, by=request_params.person(request))):
        goes = "It is kept until somebody lets it go." if is_kept else "It is deleted when its days are over."
        messages.success(request, goes)
    return SeeOther(_run_url(run))


def _run_url(run: Any) -> str:
    return reverse("admin:automate_core_executionrun_change", args=[run.pk])

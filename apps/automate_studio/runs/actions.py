"""POST views of one run."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from automate_core.runs import control
from automate_operations.retention import pinning
from automate_ui.links import change_url
from automate_ui.navigation.http import HttpResponseSeeOther, clean_text, current_person
from automate_ui.request_params import get_run_or_404
from automate_ui.responses import try_action


@require_POST
def run_cancel(request: HttpRequest, run_id: uuid.UUID) -> HttpResponse:
    """Cancel a run; its page shows who did, and why."""
    run = get_run_or_404(request, run_id)
    reason = clean_text(request.POST.get("reason"))
    try_action(request, lambda: control.cancel(run, by=current_person(request), reason=reason))
    return HttpResponseSeeOther(change_url(run))


@require_POST
def run_pin(request: HttpRequest, run_id: uuid.UUID) -> HttpResponse:
    """Pin a run with `keep`, or unpin it."""
    run = get_run_or_404(request, run_id)
    is_kept = bool(request.POST.get("keep"))
    act = pinning.pin_run if is_kept else pinning.unpin_run
    if try_action(request, lambda: act(run, by=current_person(request))):
        pinned, unpinned = (
            _("Run pinned. Retention does not delete it."),
            _("Run unpinned. Retention deletes it when due."),
        )
        messages.success(request, pinned if is_kept else unpinned)
    return HttpResponseSeeOther(change_url(run))

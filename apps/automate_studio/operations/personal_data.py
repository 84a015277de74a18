"""Pages on personal data: a search for texts, what was found, and its erasure."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from automate_core.models import Erasure
from automate_core.states import ErasureStatus
from automate_governance.admin_site import reverse
from automate_governance.permissions import SITE, can
from automate_governance.texts import translated
from automate_operations.erasure import erasing
from automate_operations.erasure.describe import (
    BACKUPS,
    FoundKind,
    describe_erased,
    describe_found,
    is_search_only,
    progress_percent,
)
from automate_operations.erasure.erasing import ErasureError
from automate_operations.erasure.texts import parse_texts
from automate_plugins.errors import AutomateError
from automate_studio.operations.found_links import FoundLink, find_links
from automate_ui.admin_page import render_page
from automate_ui.navigation.http import HttpResponseSeeOther, current_person

SHOWN = 50  #: of the latest searches
_LONGEST_FORM = 10_000
_STATES = {
    ErasureStatus.SEARCHING: "running",
    ErasureStatus.FOUND: "waiting",
    ErasureStatus.ERASING: "running",
    ErasureStatus.DONE: "succeeded",
    ErasureStatus.STOPPED: "cancelled",
}


@dataclass(frozen=True, kw_only=True)
class ErasureRow:
    """One search or erasure with its result in words."""

    erasure: Erasure
    state: str
    status_name: str
    summary: str


@dataclass(frozen=True, kw_only=True)
class FoundRow:
    """A kind of found data with the links to the first of them."""

    found: FoundKind
    links: list[FoundLink]


@require_http_methods(["GET", "HEAD", "POST"])
def personal_data(request: HttpRequest) -> HttpResponse:
    """The list of searches; a POST of texts begins one."""
    _check_may_erase(request)
    problem, given = "", request.POST.get("texts", "")[:_LONGEST_FORM]
    if request.method == "POST":
        try:
            erasure = erasing.create_search(parse_texts(given.splitlines()), by=current_person(request))
        except AutomateError as error:
            problem = translated(error.args[0])
        else:
            return HttpResponseSeeOther(reverse("studio:erasure", args=[erasure.pk]))
    return render_page(
        request,
        "automate_studio/operations/personal_data.html",
        _("Personal data"),
        status=422 if problem else 200,
        rows=[_row(each) for each in Erasure.objects.defer("texts")[:SHOWN]],
        given=given,
        problem=problem,
    )


@require_http_methods(["GET", "HEAD", "POST"])
def erasure_page(request: HttpRequest, erasure_id: uuid.UUID) -> HttpResponse:
    """What a search found; a POST of a reason erases it."""
    _check_may_erase(request)
    erasure = get_object_or_404(Erasure, pk=erasure_id)
    problem, given = "", request.POST.get("reason", "")[: erasing.LONGEST_REASON + 1]
    if request.method == "POST":
        try:
            erasing.begin_erasure(erasure, reason=given, by=current_person(request))
        except ErasureError as error:
            problem = translated(error.args[0])
        else:
            return HttpResponseSeeOther(reverse("studio:erasure", args=[erasure.pk]))
    return render_page(
        request,
        "automate_studio/operations/erasure.html",
        _("Personal data"),
        status=422 if problem else 200,
        problem=problem,
        given=given,
        **_describe(erasure),
    )


@require_safe
def erasure_progress(request: HttpRequest, erasure_id: uuid.UUID) -> HttpResponse:
    """The progress, and at the end the whole page."""
    _check_may_erase(request)
    erasure = get_object_or_404(Erasure, pk=erasure_id)
    if erasure.status not in (ErasureStatus.SEARCHING, ErasureStatus.ERASING):
        return HttpResponse(headers={"HX-Refresh": "true"})
    return TemplateResponse(request, "automate_studio/operations/erasure_progress.html", _describe(erasure))


@require_POST
def erasure_stop(request: HttpRequest, erasure_id: uuid.UUID) -> HttpResponse:
    """Discard a search, or stop an erasure."""
    _check_may_erase(request)
    erasure = get_object_or_404(Erasure, pk=erasure_id)
    if not erasing.stop_erasure(erasure, by=current_person(request)):
        messages.info(request, _("It had ended already."))
    return HttpResponseSeeOther(reverse("studio:erasure", args=[erasure.pk]))


def _check_may_erase(request: HttpRequest) -> None:
    if not can(request.user, "erase", SITE):
        raise PermissionDenied


def _describe(erasure: Erasure) -> dict[str, object]:
    is_busy = erasure.status in (ErasureStatus.SEARCHING, ErasureStatus.ERASING)
    found = [] if is_busy else describe_found(erasure)
    return {
        "erasure": erasure,
        "is_busy": is_busy,
        "state": _state(erasure),
        "status_name": _status_name(erasure),
        "percent": progress_percent(erasure),
        "summary": translated(describe_erased(erasure.counts)),
        "rows": [FoundRow(found=each, links=find_links(each)) for each in found],
        "may_erase": erasure.status == ErasureStatus.FOUND and any(each.name != BACKUPS for each in found),
    }


def _row(erasure: Erasure) -> ErasureRow:
    return ErasureRow(
        erasure=erasure,
        state=_state(erasure),
        status_name=_status_name(erasure),
        summary=translated(describe_erased(erasure.counts)) if erasure.counts else "",
    )


def _state(erasure: Erasure) -> str:
    return "skipped" if is_search_only(erasure) else _STATES[ErasureStatus(erasure.status)]


def _status_name(erasure: Erasure) -> str:
    return _("Searched, nothing erased") if is_search_only(erasure) else str(erasure.get_status_display())

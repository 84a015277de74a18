"""Approvals: what waits for this person, and the page on which they decide."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from automate_core import answers, approvals
from automate_core.authoring import NotPermittedError
from automate_core.models import Wait
from automate_core.states import WaitStatus
from automate_studio import asked, forms, words
from automate_studio.doing import SeeOther

MOST = 100


@dataclass(frozen=True, kw_only=True)
class Row:
    """An approval in the list."""

    wait: Wait
    name: str
    message: str
    since: str


@require_safe
def approval_list(request: HttpRequest) -> HttpResponse:
    """The open approvals that wait for this person."""
    waits = approvals.assigned_to(request.user).select_related("run__workflow").order_by("id")[:MOST]
    rows = [_row(wait, timezone.now()) for wait in waits]
    return _page(request, "automate_studio/approvals.html", "Approvals", rows=rows)


@require_http_methods(["GET", "HEAD", "POST"])
def approval_page(request: HttpRequest, wait_id: uuid.UUID) -> HttpResponse:
    """One approval: its message, its form and its outcomes; for those who were asked, and nobody else."""
    wait = approvals.asked(request.user).select_related("run__workflow").filter(pk=wait_id).first()
    if wait is None:
        raise Http404
    if request.method == "POST":
        return _decide(request, wait)
    return _show(request, wait, {}, {})


def _decide(request: HttpRequest, wait: Wait) -> HttpResponse:
    given = forms.given(request.POST, (wait.data or {}).get("form", []))
    try:
        approvals.decide(wait, by=asked.person(request), outcome=request.POST.get("outcome", ""), form=given)
    except NotPermittedError:
        raise Http404 from None
    except approvals.OutcomeError:
        return _show(request, wait, given, {"": "Choose one of the outcomes."})
    except answers.AnswersError as error:
        return _show(request, wait, given, error.errors)
    except approvals.NotOpenError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "Decided. The run goes on.")
    return SeeOther(reverse("studio:approval_list"))


def _show(request: HttpRequest, wait: Wait, given: Mapping[str, Any], errors: Mapping[str, str]) -> HttpResponse:
    response = _page(
        request,
        "automate_studio/approval.html",
        approvals.name(wait),
        wait=wait,
        row=_row(wait, timezone.now()),
        fields=forms.fields((wait.data or {}).get("form", []), given, errors),
        error=errors.get("", ""),
        is_open=wait.status == WaitStatus.OPEN,
    )
    response.status_code = 422 if errors else 200
    return response


def _page(request: HttpRequest, template: str, title: str, **context: Any) -> TemplateResponse:
    request.current_app = admin.site.name
    return TemplateResponse(request, template, {**admin.site.each_context(request), "title": title, **context})


def _row(wait: Wait, now: dt.datetime) -> Row:
    message = str((wait.data or {}).get("message", ""))
    return Row(wait=wait, name=approvals.name(wait), message=message, since=words.between(wait.created_at, now))

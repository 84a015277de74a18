"""The audit trail for auditors: its list, its export, its check; and an object's own history."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    StreamingHttpResponse,
)
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from automate_governance import audit
from automate_governance.admin_site import reverse
from automate_governance.audit.verification import last_verification
from automate_governance.permissions import SITE, can
from automate_studio.audit import export
from automate_studio.audit.export import signed_lines
from automate_studio.audit.integrity import integrity_state, verify_chain
from automate_ui.admin_page import render_page
from automate_ui.audit.filters import parse_audit_filters
from automate_ui.audit.history import find_entries
from automate_ui.htmx import HtmxRequest
from automate_ui.navigation.http import HttpResponseSeeOther, current_person


@require_safe
def audit_list(request: HtmxRequest) -> HttpResponse:
    """Entries that match the filters, newest first; htmx gets the list alone."""
    _check_may_audit(request)
    question = parse_audit_filters(request.GET)
    last = last_verification()
    found, is_stopped = find_entries(request, question, last)
    status = 422 if question.problems else 200
    shown: dict[str, Any] = {"found": found, "is_stopped": is_stopped, "integrity": integrity_state(last)}
    template = "automate_studio/audit/list.html"
    if request.htmx:
        return TemplateResponse(request, f"{template}#list", shown, status=status)
    return render_page(request, template, _("Audit trail"), status=status, **shown)


@require_POST
def audit_export(request: HttpRequest) -> HttpResponseBase:
    """Matching entries as a signed file, audited."""
    _check_may_audit(request)
    question, kind = parse_audit_filters(request.GET), request.POST.get("format", "csv")
    if question.problems or kind not in export.KINDS:
        said = " ".join(question.problems) or _("The format must be csv or jsonl.")
        return HttpResponse(said, status=422, content_type="text/plain; charset=utf-8")
    with transaction.atomic():
        audit.record(request.user, "audit.exported", SITE(pk=0), changes={"format": kind, "filters": question.params})
    pieces = signed_lines(kind, question.entries())
    name = f"audit-{timezone.localtime():%Y-%m-%d-%H%M}.{kind}"
    return StreamingHttpResponse(
        pieces,
        content_type=f"{export.KINDS[kind][0]}; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


@require_POST
def audit_verify(request: HttpRequest) -> HttpResponse:
    """Verify the chain and show the result."""
    _check_may_audit(request)
    verify_chain(current_person(request))
    return HttpResponseSeeOther(reverse("admin:automate_governance_auditentry_changelist"))


def _check_may_audit(request: HttpRequest) -> None:
    if not can(request.user, "audit", SITE):
        raise PermissionDenied

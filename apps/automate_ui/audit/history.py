"""Audit entries of an object, for auditors and people who may change it."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.utils.translation import gettext as _

from automate_core.models import ExecutionRun
from automate_governance.audit.verification import last_verification
from automate_governance.governed import Governed
from automate_governance.models import AuditEntry, StoredSecret
from automate_governance.permissions import SITE, can
from automate_operations.queries.statement_timeout import QueryTimeoutError, bounded_queries
from automate_ui.admin_page import render_page
from automate_ui.audit import rows
from automate_ui.audit.filters import AuditFilters
from automate_ui.audit.rows import empty_page, entry_page
from automate_ui.navigation.http import parse_number


def object_history(request: HttpRequest, obj: models.Model, title: str, back: str) -> HttpResponse:
    """Audit entries of `obj`. Raises Http404 without permission."""
    if not may_read_history(request, obj):
        raise Http404
    if request.method not in {"GET", "HEAD"}:
        return HttpResponseNotAllowed(["GET", "HEAD"])
    audits = can(request.user, "audit", SITE)
    question = AuditFilters({"about": f"{obj._meta.label_lower}:{obj.pk}"})
    found = find_entries(request, question, last_verification())[0]
    shown: dict[str, Any] = {"found": found, "back": back, "object": obj, "audits": audits}
    return render_page(
        request, "automate_studio/audit/history.html", _("History of %(object)s") % {"object": title}, **shown
    )


def may_read_history(request: HttpRequest, obj: models.Model) -> bool:
    """Whether the person is an auditor, may change the object or replace the secret; auditors only for people."""
    if can(request.user, "audit", SITE):
        return True
    verb = "replace" if isinstance(obj, StoredSecret) else "change"
    return isinstance(obj, Governed | ExecutionRun) and can(request.user, verb, obj)


def find_entries(request: HttpRequest, question: AuditFilters, last: AuditEntry | None) -> tuple[rows.EntryPage, bool]:
    """(page, whether the search timed out). `last` is the last verification, by which entries are marked."""
    if question.problems:
        return empty_page(question), False
    try:
        with bounded_queries():
            return entry_page(
                question,
                last,
                after=parse_number(request.GET.get("after")),
                before=parse_number(request.GET.get("before")),
            ), False
    except QueryTimeoutError:
        return empty_page(question), True

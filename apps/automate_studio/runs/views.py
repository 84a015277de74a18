"""Run list, run page and its fragments."""

from __future__ import annotations

import uuid

from django.core.handlers.asgi import ASGIRequest
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from automate_core.models import ExecutionRun, FailureGroup
from automate_core.states import FINAL_RUN_STATES
from automate_governance.audit import payload_views
from automate_governance.permissions import SITE, can, holds_anywhere
from automate_studio.runs.listing.page import run_list_page
from automate_studio.runs.page import page as run_page
from automate_studio.runs.page.header import run_lineage
from automate_studio.runs.page.inspector import StepInspector, build_inspector, pending_approvals, reveal_answer_url
from automate_studio.runs.page.page import load_run
from automate_studio.view_models.run_data import RunView
from automate_ui.admin_page import render_page
from automate_ui.htmx import HtmxRequest
from automate_ui.navigation.http import parse_number
from automate_ui.request_params import get_run_or_404
from automate_ui.runs.bulk_progress import open_bulk_actions


@require_safe
def run_list(request: HtmxRequest) -> HttpResponse:
    """Runs that this person may view, newest first; htmx gets the rows, or the whole list."""
    if not holds_anywhere(request.user, "view", ExecutionRun):
        raise Http404
    template = "automate_studio/runs/list.html"
    is_whole = not request.htmx or (request.htmx.target or "list") != "list"
    found = run_list_page(request.user, request.GET, timezone.now(), whole=is_whole)
    payload_views.record_subjects(request.user, (row.subject for row in found.rows))
    if not is_whole:
        return TemplateResponse(request, f"{template}#list", {"found": found})
    return render_page(request, template, _("Runs"), found=found, under_way=open_bulk_actions(request.user))


@require_safe
def run_detail(request: HttpRequest, run_id: uuid.UUID) -> HttpResponse:
    """A run: tree, timeline, and the step or loop item that `?step=` names."""
    page = load_run(request.user, run_id, RunView.from_query(request.GET))
    path = page.step_at(request.GET.get("step") or page.default_path())
    shown = _inspect_step(request, page, path)
    may_run = can(request.user, "run", page.run.workflow)
    kinds = FailureGroup.objects.filter(runs__run=run_id, resolved_at=None)
    response = render_page(
        request,
        "automate_studio/runs/page/page.html",
        _("Run %(id)s") % {"id": page.run},
        page=page,
        may_see=shown.may_see if shown else can(request.user, "view_payload", page.run),
        may_run=may_run,
        may_change=can(request.user, "change", page.run.workflow),
        audits=can(request.user, "audit", SITE),
        failures=kinds.first() if may_run and page.run.status == "failed" else None,
        inspector=shown,
        lineage=run_lineage(page.run, request.user),
        asks=pending_approvals(page.run, request.user),
        selected=path,
        stream=isinstance(request, ASGIRequest),
        is_fullwidth="1",
    )
    return reveal_answer_url(response, shown)


@require_safe
def run_step(request: HttpRequest, run_id: uuid.UUID, path: str) -> HttpResponse:
    """Panel of a step, or of an attempt with `?attempt=`; `?tab=` names open tabs."""
    page = load_run(request.user, run_id, RunView.from_query(request.GET, path))
    shown = _inspect_step(request, page, page.step_at(path))
    if shown is None:
        raise Http404
    context = {"page": page, "inspector": shown}
    return reveal_answer_url(TemplateResponse(request, "automate_studio/runs/page/inspector.html", context), shown)


@require_safe
def run_approvals(request: HttpRequest, run_id: uuid.UUID) -> HttpResponse:
    """Approvals of a run for this person, and once it has ended its reason, which patches leave out."""
    run = get_run_or_404(request, run_id)
    page = load_run(request.user, run_id, RunView()) if run.status in FINAL_RUN_STATES else None
    may_see = page is not None and can(request.user, "view_payload", run)
    context = {"run": run, "asks": pending_approvals(run, request.user), "page": page, "may_see": may_see}
    return TemplateResponse(request, "automate_studio/runs/page/approvals_answer.html", context)


def _inspect_step(request: HttpRequest, page: run_page.RunPage, path: str) -> StepInspector | None:
    attempt, tabs = parse_number(request.GET.get("attempt")), request.GET.get("tab", "").split(",")
    shown = build_inspector(page, path, attempt, request.user, tabs=tabs)
    if shown and shown.values:
        payload_views.record_view(request.user, "run.payload_viewed", page.run, trace_id=page.run.trace_id, step=path)
    return shown

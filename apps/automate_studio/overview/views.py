"""The overview and its actions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from automate_core import database
from automate_core.models import FailureGroup, Workflow
from automate_core.outbox import status as queue_status
from automate_core.runs import control
from automate_governance.admin_site import reverse
from automate_governance.permissions import SITE, NotPermittedError, User, can, holds_anywhere, permitted
from automate_operations import dead_jobs
from automate_operations.statistics import failures, period_figures
from automate_operations.statistics.period_figures import Counts
from automate_operations.statistics.periods import BARS, Period, find_period
from automate_studio import navigation
from automate_studio.overview.attention import (
    MOST_LISTED,
    SHOWN,
    AttentionList,
    build_attention,
    failed_step_names,
    failure_message,
)
from automate_studio.overview.charts import Chart, build_chart
from automate_studio.overview.figures import (
    Figure,
    approvals_figure,
    duration_figure,
    ended_runs_url,
    queue_figure,
    queued_figure,
    runs_figure,
    success_figure,
)
from automate_studio.overview.work import SlowWorkflow, WorkStatus, build_work, slowest_workflows
from automate_studio.view_models.rerun_preset import preset_version
from automate_studio.view_models.task_counts import task_count
from automate_ui.admin_page import render_page
from automate_ui.formatting import as_sentence, format_count
from automate_ui.htmx import HtmxRequest
from automate_ui.navigation.http import HttpResponseSeeOther, current_person, parse_uuid
from automate_ui.navigation.lists import Tab, query_string
from automate_ui.overview_address import TEMPLATE, is_overview_first_page
from automate_ui.overview_address import overview_url as overview_address

#: Short name, title, and title of an empty chart.
_NAMES = {
    "24h": (gettext_lazy("24 h"), gettext_lazy("Last 24 hours"), gettext_lazy("No runs ended in the last 24 hours")),
    "7d": (gettext_lazy("7 d"), gettext_lazy("Last 7 days"), gettext_lazy("No runs ended in the last 7 days")),
    "30d": (gettext_lazy("30 d"), gettext_lazy("Last 30 days"), gettext_lazy("No runs ended in the last 30 days")),
}


@dataclass(frozen=True, kw_only=True)
class Overview:
    """The page. `query` is the query of the page, repeated by its refresh."""

    title: str
    empty_title: str
    period: Period
    periods: list[Tab]
    views: list[Tab]
    query: str
    as_table: bool
    figures: list[Figure]
    chart: Chart
    attention: AttentionList
    slowest: list[SlowWorkflow]
    work: WorkStatus | None
    at: dt.datetime
    tasks: str = ""  #: number of approvals that wait for the person; empty for none

    @property
    def period_name(self) -> str:
        """Short name of the period: `24 h`."""
        return str(_NAMES[self.period.name][0])

    @property
    def failed_runs_url(self) -> str:
        """URL of the failed runs that the page counts."""
        return ended_runs_url(self.period, "failed")

    @property
    def is_empty(self) -> bool:
        """Whether no run ended in the period."""
        return not self.chart.total.runs


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Context of Unfold's first page: the overview for people who may see workflows, else the usual list of apps."""
    if not holds_anywhere(request.user, "view", Workflow):
        return context
    return {**context, "title": _("Overview"), "overview": build_overview(request.user, request.GET)}


@require_safe
def overview_page(request: HtmxRequest) -> HttpResponse:
    """The page; htmx gets its live parts alone."""
    if not holds_anywhere(request.user, "view", Workflow):
        raise Http404
    found = build_overview(request.user, request.GET)
    if not request.htmx:
        if is_overview_first_page():
            return redirect(overview_address() + _overview_query(request.GET))
        page = render_page(request, TEMPLATE, _("Overview"), overview=found)
        page.context_data = {
            **(page.context_data or {}),
            "more": _pages_missing_in_sidebar(request, page.context_data or {}),
        }
        return page
    return TemplateResponse(request, "automate_studio/overview/live.html", {"overview": found})


def _pages_missing_in_sidebar(request: HttpRequest, shown: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Studio pages that this person may open and the project's sidebar does not list."""
    listed = {str(item.get("link")) for group in shown.get("sidebar_navigation", ()) for item in group["items"]}
    ours = [item for group in navigation.sidebar(request) for item in group["items"]]
    return [item for item in ours if item["link"] not in {*listed, overview_address()}]


def build_overview(user: User, query: Any) -> Overview:
    """The whole page, in a fixed number of queries."""
    now = database.now()
    chosen, as_table = find_period(query.get("period", ""), now), query.get("view") == "table"
    workflows = period_figures.visible_workflows(user)
    by_workflow, before = period_figures.read_counts(chosen, workflows)
    times, bars = period_figures.read_times(chosen, workflows), period_figures.read_bars(chosen, workflows)
    total = sum(by_workflow.values(), Counts())
    status = queue_status.read_status() if can(user, "operate", SITE) else None
    points = period_figures.read_lines(chosen, workflows).get(0, [])
    queue = (
        queue_figure(chosen, status, period_figures.read_levels(chosen)) if status else queued_figure(workflows, now)
    )
    lists_all = query.get("attention") == "all"
    kept = {
        "period": chosen.name,
        "view": "table" if as_table else "",
        "attention": "all" if lists_all else "",
    }
    return Overview(
        title=str(_NAMES[chosen.name][1]),
        empty_title=str(_NAMES[chosen.name][2]),
        period=chosen,
        periods=[
            Tab(name=str(_NAMES[n][0]), url=_overview_link({**kept, "period": n}), active=n == chosen.name)
            for n in BARS
        ],
        views=[
            Tab(name=_("Chart"), url=_overview_link({**kept, "view": ""}), active=not as_table),
            Tab(name=_("Table"), url=_overview_link({**kept, "view": "table"}), active=as_table),
        ],
        query=_overview_query(kept),
        as_table=as_table,
        figures=[
            runs_figure(chosen, total, before, bars),
            success_figure(chosen, total, before, bars),
            duration_figure(chosen, times, points),
            queue,
            approvals_figure(user, workflows, bars, now),
        ],
        chart=build_chart(chosen, bars, now),
        attention=build_attention(
            user, workflows, chosen, by_workflow, now, status, most=MOST_LISTED if lists_all else SHOWN
        ),
        slowest=slowest_workflows(chosen, by_workflow, times),
        work=build_work(status) if status else None,
        at=timezone.localtime(now),
        tasks=task_count(user),
    )


def _overview_query(query: Any) -> str:
    """The overview's part of a query."""
    wanted = {name: query.get(name, "") for name in ("period", "view", "attention")}
    return query_string({name: value for name, value in wanted.items() if value in {*BARS, "table", "all"}})


def _overview_link(kept: dict[str, str]) -> str:
    return overview_address() + query_string(kept)


# --- what is done about failures --------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
def retry_group(request: HttpRequest, pk: int) -> HttpResponse:
    """Confirmation of re-running a group's runs, with their number and version; a POST re-runs them.

    `unknown` in the query includes the runs whose outcome is unknown in the number.
    """
    group = _get_group(request, pk)
    if not can(request.user, "run", group):
        raise PermissionDenied
    if request.method != "POST":
        chosen, unknown = failures.split_retryable(group, unknown="unknown" in request.GET)
        step = failed_step_names([group])[group.pk]
        context = {
            "group": group,
            "step": step,
            "message": failure_message(request.user, group),
            "preset": preset_version(chosen),
            "count": len(chosen),
            "unknown": unknown,
            "most": failures.MOST_AT_ONCE,
            "query": _overview_query(request.GET),
        }
        return TemplateResponse(request, "automate_studio/overview/retry.html", context)
    version: control.Version = "newest" if request.POST.get("version") == "newest" else "original"
    unknown = "unknown" in request.POST
    result = failures.retry_group(group, by=current_person(request), version=version, unknown=unknown)
    said = ngettext("Re-ran %(count)s run.", "Re-ran %(count)s runs.", result.done) % {
        "count": format_count(result.done)
    }
    if result.left:
        left = ngettext(
            "%(count)s run remains. Re-run it when these runs have ended.",
            "%(count)s runs remain. Re-run them when these runs have ended.",
            result.left,
        )
        said += " " + left % {"count": format_count(result.left)}
    if result.unknown:
        said += " " + _left_out(result.unknown)
    if result.done or not result.refused:
        (messages.success if result.done else messages.warning)(request, said)
    for reason in list(dict.fromkeys(result.refused.values()))[:3]:
        messages.error(request, as_sentence(reason))
    return HttpResponseSeeOther(overview_address() + _overview_query(request.GET))


_MARKS = {
    "mute": (failures.mute_group, gettext_lazy("Muted. These failures no longer need attention."), "unmute"),
    "unmute": (failures.unmute_group, gettext_lazy("Unmuted."), "mute"),
    "resolve": (failures.resolve_group, gettext_lazy("Resolved. A new failure reopens it."), "reopen"),
    "reopen": (failures.reopen_group, gettext_lazy("Reopened."), "resolve"),
}


@require_POST
def mark_group(request: HtmxRequest, pk: int) -> HttpResponse:
    """Mute or resolve a group, or undo that: responds with the live parts and an undo."""
    group, wanted = _get_group(request, pk), request.POST.get("do", "")
    if wanted not in _MARKS:
        raise Http404
    act, said, undo = _MARKS[wanted]
    try:
        act(group, by=current_person(request))
    except NotPermittedError as error:
        raise PermissionDenied from error
    if not request.htmx:
        messages.success(request, said)
        run = parse_uuid(request.POST.get("run"))
        if run:
            return HttpResponseSeeOther(reverse("admin:automate_core_executionrun_change", args=[run]))
        return HttpResponseSeeOther(overview_address() + _overview_query(request.GET))
    return _live_response(request, {"said": said, "undo": undo, "group": group})


@require_POST
def requeue_dead_jobs(request: HtmxRequest) -> HttpResponse:
    """Requeue dead jobs: responds with the live parts and the result."""
    if not can(request.user, "operate", SITE):
        raise Http404
    result = dead_jobs.requeue_oldest(current_person(request))
    said = ngettext("%(count)s job requeued.", "%(count)s jobs requeued.", result.done) % {
        "count": format_count(result.done)
    }
    if result.left_out.unknown:
        said += " " + _left_out(result.left_out.unknown)
        said += " " + _("Re-run them in the run list, where you can include them.")
    if result.refused:
        left = len(result.refused)
        not_done = ngettext("%(count)s job not requeued: %(reason)s", "%(count)s jobs not requeued: %(reason)s", left)
        reason = as_sentence(next(iter(result.refused.values())))
        said += " " + not_done % {"count": format_count(left), "reason": reason}
    if not request.htmx:
        (messages.success if result.done else messages.warning)(request, said)
        return HttpResponseSeeOther(overview_address() + _overview_query(request.GET))
    return _live_response(request, {"said": said, "is_bad": not result.done})


def _left_out(unknown: int) -> str:
    said = ngettext(
        "%(count)s run was left out, because its outcome is unknown.",
        "%(count)s runs were left out, because their outcome is unknown.",
        unknown,
    )
    return said % {"count": format_count(unknown)}


def _live_response(request: HttpRequest, toast: dict[str, Any]) -> HttpResponse:
    context = {"overview": build_overview(request.user, request.GET), "toast": toast}
    return TemplateResponse(request, "automate_studio/overview/live.html", context)


def _get_group(request: HttpRequest, pk: int) -> FailureGroup:
    groups = FailureGroup.objects.select_related("workflow__published")
    return get_object_or_404(permitted(request.user, "view", groups), pk=pk)

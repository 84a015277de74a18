"""Retention page: sizes, effect of the policy, and past prunings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods

from automate_core.models import Pruning, SitePolicy, Workflow
from automate_governance.admin_site import reverse
from automate_governance.permissions import SITE, can
from automate_governance.texts import translated
from automate_operations.retention import forecast, policy, pruning
from automate_operations.retention.describe import describe_counts
from automate_ui.admin_page import render_page
from automate_ui.formatting import format_count
from automate_ui.navigation.http import HttpResponseSeeOther, clean_text, current_person, parse_number

SHOWN = 50  #: of the largest workflows
PRUNINGS = 10

TITLES = {
    "succeeded": (gettext_lazy("Succeeded runs"), gettext_lazy("Succeeded")),
    "failed": (gettext_lazy("Failed runs"), gettext_lazy("Failed")),
    "cancelled": (gettext_lazy("Cancelled runs"), gettext_lazy("Cancelled")),
    "tests": (gettext_lazy("Test runs"), gettext_lazy("Test runs")),
    "unmatched": (gettext_lazy("Events that started no run"), gettext_lazy("Events")),
}


@dataclass(frozen=True, kw_only=True)
class RetentionKind:
    """One line of the policy: `given` is the text of its field, `usual` the default."""

    name: str
    title: str
    given: str
    usual: int
    there: int
    now: int
    soon: int
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class WorkflowUsage:
    """Space used by a workflow's runs. `own` is its own policy in words."""

    workflow: Workflow
    own: str
    found: forecast.WorkflowForecast
    runs: int
    now: int


@dataclass(frozen=True, kw_only=True)
class PruningRow:
    """One pruning with a summary."""

    pruning: Pruning
    summary: str


@require_http_methods(["GET", "HEAD", "POST"])
def retention_page(request: HttpRequest) -> HttpResponse:
    """The page; with days in the query, a preview of these. A POST of days stores them. Auditors may read it."""
    may_read = request.method != "POST" and can(request.user, "audit", SITE)
    if not may_read and not can(request.user, "administer", SITE):
        raise PermissionDenied
    stored = _site_days()
    given = request.POST if request.method == "POST" else request.GET
    is_given = any(kind in given for kind in policy.KINDS)
    days, errors = _parse_days(given) if is_given else (stored, {})
    if request.method == "POST" and is_given and not errors:
        policy.change_policy(days, by=current_person(request))
        messages.success(request, _("Saved. Applies from the next deletion."))
        return HttpResponseSeeOther(reverse("studio:retention"))
    texts = {kind: clean_text(given.get(kind)) if is_given else _days_field(stored[kind]) for kind in policy.KINDS}
    return _render_page(request, days, texts, errors, is_tried=is_given and not errors and days != stored)


def _render_page(
    request: HttpRequest,
    days: Mapping[str, int | None],
    texts: Mapping[str, str],
    errors: Mapping[str, str],
    *,
    is_tried: bool,
) -> HttpResponse:
    usual = policy.default_days()
    site = usual | {kind: number for kind, number in days.items() if number is not None}
    found = forecast.build_forecast(replace(policy.load_policy(), site=site))
    return render_page(
        request,
        "automate_studio/operations/retention.html",
        _("Retention"),
        status=422 if errors else 200,
        found=found,
        kinds=[
            RetentionKind(
                name=name,
                title=str(TITLES[name][0]),
                given=texts[name],
                usual=usual[name],
                there=round(there),
                now=round(now),
                soon=round(soon),
                error=errors.get(name, ""),
            )
            for name, there, now, soon in found.kinds()
        ],
        workflows=_workflow_usage(found),
        further=max(len(found.workflows) - SHOWN, 0),
        prunings=[
            PruningRow(pruning=each, summary=translated(describe_counts(each.counts)))
            for each in pruning.latest_prunings(PRUNINGS)
        ],
        next_at=pruning.next_pruning_at(),
        is_tried=is_tried,
        may_change=can(request.user, "administer", SITE),
        may_erase=can(request.user, "erase", SITE),
        ahead=forecast.AHEAD,
    )


def _workflow_usage(found: forecast.Forecast) -> list[WorkflowUsage]:
    largest = found.workflows[:SHOWN]
    known = Workflow.objects.only("name", "slug").in_bulk([each.workflow for each in largest])
    return [
        WorkflowUsage(
            workflow=known[each.workflow],
            own=", ".join(
                _("%(kind)s: %(days)s") % {"kind": TITLES[kind][1], "days": _days_text(days)}
                for kind, days in each.own.items()
            ),
            found=each,
            runs=round(each.runs),
            now=round(each.due()),
        )
        for each in largest
        if each.workflow in known
    ]


def _days_text(days: int) -> str:
    return ngettext("%(count)s day", "%(count)s days", days) % {"count": days} if days else _("forever")


def _site_days() -> dict[str, int | None]:
    """Days that administrators set."""
    said = SitePolicy.objects.filter(pk=1).values(*policy.KINDS).first()
    return dict(said) if said else dict.fromkeys(policy.KINDS)


def _parse_days(given: Any) -> tuple[dict[str, int | None], dict[str, str]]:
    """(valid days, errors) by kind."""
    days: dict[str, int | None] = {}
    errors: dict[str, str] = {}
    for kind in policy.KINDS:
        text = clean_text(given.get(kind))
        number = parse_number(text)
        if text and (number is None or number > policy.MOST_DAYS):
            said = _("Enter a whole number from 0 to %(most)s, or leave empty.")
            errors[kind] = said % {"most": format_count(policy.MOST_DAYS)}
        days[kind] = number if not errors.get(kind) else None
    return days, errors


def _days_field(days: int | None) -> str:
    return "" if days is None else str(days)

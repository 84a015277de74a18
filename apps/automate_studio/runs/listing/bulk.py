"""Bulk actions on chosen runs or on all filtered runs: counted first, then performed by a worker."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from automate_core.ids import uuid7
from automate_core.models import BulkAction, ExecutionRun
from automate_core.runs.waits import approvals
from automate_governance.permissions import User, holds_anywhere
from automate_operations import bulk
from automate_operations.bulk_selection import (
    BulkSelection,
    nothing_to_do_reason,
    select_chosen,
    select_filtered,
)
from automate_operations.queries.run_search import LAST
from automate_studio.runs.listing.page import ON_A_PAGE
from automate_studio.view_models.rerun_preset import preset_version
from automate_ui.formatting import format_count
from automate_ui.navigation.http import clean_text, current_person, parse_uuid
from automate_ui.runs.bulk_progress import progress_response
from automate_ui.runs.run_filters import Filters, parse_filters

MOST_REASON = 100
_STARTS = ("failed", "start")


@dataclass(frozen=True, kw_only=True)
class BulkRequest:
    """Requested action: `upto` is the newest counted run, so that later ones are left out.

    `counted_at` is the time of the count.
    """

    verb: str
    start: str
    version: str
    reason: str
    outcome: str
    again: bool
    unknown: bool
    every: bool
    chosen: list[str]
    upto: uuid.UUID
    counted_at: dt.datetime | None

    @property
    def options(self) -> dict[str, Any]:
        """Options of the operation."""
        if self.verb == "retry":
            return {"start": self.start, "version": self.version, "again": self.again, "unknown": self.unknown}
        return {"reason": self.reason, **({"outcome": self.outcome} if self.verb == "review" else {})}


@require_POST
def runs_bulk(request: HttpRequest) -> HttpResponse:
    """Count the runs of an action; with `confirm`, create it.

    404 when this person knows none of the runs, 403 when they may run none, 409 when it applies to none, 422 when it
    is invalid.
    """
    if not holds_anywhere(request.user, "view", ExecutionRun):
        raise Http404
    filters = parse_filters(request.GET)
    wanted = _bulk_request(request)
    if wanted is None or filters.problems:
        said = " ".join(filters.problems.values()) or _select_runs_text()
        return _error_response(request, said, 422)
    is_confirmed, clicked = "confirm" in request.POST, parse_uuid(request.POST.get("request"))
    if is_confirmed and clicked and (earlier := bulk.find_bulk_action(current_person(request), clicked)):
        return progress_response(request, earlier)
    counted = _select_runs(request.user, filters, wanted)
    if not counted.found:
        raise Http404
    if counted.is_too_large:
        problem = _("More than %(limit)s runs match. Add a filter, for example a period.")
        return _error_response(request, problem % {"limit": format_count(bulk.MOST)}, 422)
    if counted.not_theirs == counted.found:
        raise PermissionDenied
    if not counted.ids and (is_confirmed or not counted.is_adjustable):
        return _error_response(request, nothing_to_do_reason(counted), 409)
    if not is_confirmed:
        context = {
            "counted": counted,
            "wanted": wanted,
            "preset": preset_version(counted.ids if wanted.verb == "retry" else ()),
            "query": filters.address(),
            "request_id": uuid7(),
        }
        return TemplateResponse(request, "automate_studio/runs/list/bulk_dialog.html", context)
    by = current_person(request)
    action = bulk.create_bulk_action(
        wanted.verb,
        counted.ids,
        wanted.options,
        by=by,
        request=clicked,
        counted_at=counted.first_counted_at(wanted.counted_at),
    )
    return progress_response(request, action)


@require_safe
def bulk_progress(request: HttpRequest, action_id: uuid.UUID) -> HttpResponse:
    """Progress of an action, for the person who requested it."""
    return progress_response(request, _get_own_action(request, action_id))


@require_POST
def bulk_stop(request: HttpRequest, action_id: uuid.UUID) -> HttpResponse:
    """Stop an action before its remaining runs."""
    action = _get_own_action(request, action_id)
    bulk.stop_bulk_action(action, current_person(request))
    action.refresh_from_db()
    return progress_response(request, action)


def _get_own_action(request: HttpRequest, action_id: uuid.UUID) -> BulkAction:
    actions = BulkAction.objects.all()
    mine = actions if request.user.is_superuser else actions.filter(person=request.user.pk)
    return get_object_or_404(mine, pk=action_id)


def _bulk_request(request: HttpRequest) -> BulkRequest | None:
    given = request.POST
    verb, every, chosen = given.get("do", ""), "all" in given, given.getlist("id")
    start, version = given.get("start", "failed"), given.get("version", "original")
    try:
        upto = uuid.UUID(given["upto"]) if "upto" in given else LAST
        counted_at = (
            dt.datetime.fromisoformat(given["counted_at"]).astimezone(dt.UTC) if "counted_at" in given else None
        )
        for each in chosen:
            uuid.UUID(each)
    except (ValueError, OverflowError):
        return None
    outcome = given.get("outcome", "")
    is_known = verb in {"retry", "cancel", "review"} and start in _STARTS and version in {"original", "newest"}
    if verb == "review" and "confirm" in given and outcome not in approvals.REVIEWS:
        return None
    if not is_known or not (every or 1 <= len(chosen) <= ON_A_PAGE):
        return None
    return BulkRequest(
        verb=verb,
        start=start,
        version=version,
        reason=clean_text(given.get("reason"))[:MOST_REASON],
        outcome=outcome,
        again="again" in given,
        unknown="unknown" in given,
        every=every,
        chosen=[] if every else chosen,
        upto=upto,
        counted_at=counted_at,
    )


def _select_runs(user: User, filters: Filters, wanted: BulkRequest) -> BulkSelection:
    options: dict[str, Any] = {"again": wanted.again, "unknown": wanted.unknown, "outcome": wanted.outcome}
    if wanted.every:
        return select_filtered(user, wanted.verb, filters, upto=wanted.upto, **options)
    return select_chosen(user, wanted.verb, [uuid.UUID(each) for each in wanted.chosen], **options)


def _select_runs_text() -> str:
    words = ngettext(
        "Choose an action, and select %(count)s run or all matching runs.",
        "Choose an action, and select 1 to %(count)s runs or all matching runs.",
        ON_A_PAGE,
    )
    return words % {"count": ON_A_PAGE}


def _error_response(request: HttpRequest, said: str, status: int) -> HttpResponse:
    return TemplateResponse(request, "automate_studio/runs/list/bulk_refused.html", {"said": said}, status=status)

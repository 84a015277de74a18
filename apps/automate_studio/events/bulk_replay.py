"""Replay of many events that started nothing: counted first, then performed by a worker."""

from __future__ import annotations

import uuid

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from automate_core.events.access import may_list_events
from automate_core.ids import uuid7
from automate_core.models import BulkAction, Workflow
from automate_governance.permissions import holds_anywhere
from automate_governance.texts import translated
from automate_operations import bulk
from automate_operations.bulk_replay import (
    ReplaySelection,
    nothing_to_replay_reason,
    select_chosen,
    select_filtered,
)
from automate_operations.queries.event_search import ON_A_PAGE, SearchError
from automate_operations.queries.statement_timeout import QueryTimeoutError, bounded_queries
from automate_studio.events.listing import list_filters
from automate_ui.navigation.http import current_person, parse_uuid
from automate_ui.runs.bulk_progress import progress_response


@require_POST
def events_replay(request: HttpRequest) -> HttpResponse:
    """Count the events of a replay; with `confirm`, create it.

    404 when this person may list no events or knows none of these, 403 when they may run no workflow, 409 when nothing
    is replayed, 422 when the request is invalid.
    """
    if not may_list_events(request.user):
        raise Http404
    if not holds_anywhere(request.user, "run", Workflow):
        raise PermissionDenied
    chosen = [parse_uuid(each) for each in request.POST.getlist("id")]
    every = "all" in request.POST
    if None in chosen or not (every or 1 <= len(chosen) <= ON_A_PAGE):
        return _refusal(request, _("Select events, or choose to replay all that match."), 422)
    clicked, is_confirmed = parse_uuid(request.POST.get("request")), "confirm" in request.POST
    if is_confirmed and clicked and (earlier := bulk.find_bulk_action(current_person(request), clicked)):
        return progress_response(request, earlier)
    try:
        counted = _count(request, [each for each in chosen if each], every=every)
    except (SearchError, QueryTimeoutError) as error:
        return _refusal(request, translated(str(error)), 422)
    if problem := nothing_to_replay_reason(counted):
        return _refusal(request, translated(problem), 422 if counted.found else 409)
    if not is_confirmed:
        context = {
            "counted": counted,
            "every": every,
            "chosen": chosen,
            "query": f"?{request.GET.urlencode()}",
            "request_id": uuid7(),
        }
        return TemplateResponse(request, "automate_studio/events/replay_dialog.html", context)
    verb = BulkAction.Verb.REPLAY
    action = bulk.create_bulk_action(verb, counted.ids, {}, by=current_person(request), request=clicked)
    return progress_response(request, action)


def _count(request: HttpRequest, chosen: list[uuid.UUID], *, every: bool) -> ReplaySelection:
    with bounded_queries():
        if every:
            upto = parse_uuid(request.POST.get("upto"))
            return select_filtered(request.user, list_filters(request.GET), timezone.now(), upto=upto)
        return select_chosen(request.user, chosen)


def _refusal(request: HttpRequest, said: str, status: int) -> HttpResponse:
    return TemplateResponse(request, "automate_studio/runs/list/bulk_refused.html", {"said": said}, status=status)

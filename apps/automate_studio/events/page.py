"""Pages of the event inbox and actions on an event: replay, download, use as a sample."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from automate_authoring.drafts import commands
from automate_authoring.drafts.errors import RefusedError
from automate_core.events import access
from automate_core.events.access import may_list_events
from automate_core.models import Event, ExecutionRun
from automate_core.outbox import subjects
from automate_core.runs.control import ControlError
from automate_governance import audit
from automate_governance.admin_site import reverse
from automate_governance.audit import payload_views
from automate_governance.permissions import SITE, NotPermittedError, User, can, permitted
from automate_governance.texts import escape_invisible
from automate_operations.queries.event_search import find_events, lookup_events
from automate_operations.runs import replay
from automate_studio.events.listing import event_page, event_tabs
from automate_studio.events.match_explanation import build_match_explanation
from automate_studio.samples.choice import choose_sample
from automate_studio.view_models.event_sources import describe_source
from automate_studio.view_models.rejected_deliveries import rejection_page
from automate_ui.admin_page import render_page
from automate_ui.formatting import as_sentence, short_id
from automate_ui.htmx import HtmxRequest
from automate_ui.json.responses import json_file_response, json_rows_response
from automate_ui.json.tree import JsonTree
from automate_ui.links import change_url
from automate_ui.navigation.http import HttpResponseSeeOther, clean_text, current_person, parse_number
from automate_ui.request_params import get_editable_workflow, get_workflow_or_404
from automate_ui.runs.bulk_progress import open_bulk_actions
from automate_ui.runs.run_rows import build_run_rows

MOST_RUNS = 50
CHECKED = 10  #: events of a workflow that are offered to be checked


@dataclass(frozen=True, kw_only=True)
class ReplayOptions:
    """Workflows that a replay can start. `reason` says why there are none."""

    startable: list[replay.StartableWorkflow]
    reason: str = ""

    @property
    def may_run(self) -> bool:
        """Whether the person may start at least one."""
        return any(each.may_run for each in self.startable)


@require_safe
def event_list(request: HtmxRequest) -> HttpResponse:
    """The inbox; htmx gets the list alone."""
    if not may_list_events(request.user):
        raise Http404
    found = event_page(request.user, request.GET, timezone.now())
    status = 422 if found.error else 200
    if request.htmx:
        return TemplateResponse(request, "automate_studio/events/list.html#list", {"found": found}, status=status)
    under_way = open_bulk_actions(request.user)
    return _render_page(request, "list", _("Events"), found=found, under_way=under_way, status=status)


@require_safe
def rejected_list(request: HttpRequest) -> HttpResponse:
    """Rejected deliveries by endpoint, reason and day."""
    if not may_list_events(request.user):
        raise Http404
    found = rejection_page(request.user, timezone.now())
    return _render_page(
        request, "rejected", _("Rejected deliveries"), found=found, tabs=event_tabs({}, of_refused=True)
    )


@require_safe
def event_detail(request: HttpRequest, event_id: uuid.UUID) -> HttpResponse:
    """An event: payload, runs, and match explanation."""
    event = _get_event(request, event_id)
    person = current_person(request)
    why = build_match_explanation(event, person)
    runs = permitted(person, "view", ExecutionRun.objects.filter(event=event, trace_id=event.trace_id))  # by that index
    shown = list(runs.order_by("pk").values_list("pk", flat=True)[:MOST_RUNS])
    if why.may_read and not event.emptied_at:
        payload_views.record_view(person, "event.payload_viewed", event, trace_id=event.trace_id)
    replays = Event.objects.filter(trace_id=event.trace_id, replay_of=event.pk).defer("payload", "headers")
    return _render_page(
        request,
        "page",
        _("Event %(id)s") % {"id": short_id(event.pk)},
        event=event,
        heading=describe_source(event.source).with_type(event.type),
        source=describe_source(event.source),
        why=why,
        audits=can(request.user, "audit", SITE),
        runs=build_run_rows(shown, person, timezone.now()),
        replay=_replay_options(request, event, may_read=why.may_read),
        replays=replays.order_by("-pk")[:20],
        original=_find_visible_event(request.user, event.replay_of),
        tree=_payload_tree(event) if why.may_read and not event.emptied_at else None,
        subject=escape_invisible(event.subject or subjects.guess_subject(event.payload)) if why.may_read else "",
        headers=sorted(event.headers.items()) if why.may_read else [],
    )


@require_safe
def event_value(request: HttpRequest, event_id: uuid.UUID) -> HttpResponse:
    """Rows of the payload, as `json_rows_response` returns them."""
    event = _get_readable_event(request, event_id)
    payload_views.record_view(request.user, "event.payload_viewed", event, trace_id=event.trace_id)
    return json_rows_response(request, event.payload)


@require_POST
def event_replay(request: HttpRequest, event_id: uuid.UUID) -> HttpResponse:
    """Replay the event for the chosen workflows and redirect to the new event."""
    event = _get_event(request, event_id)
    chosen = [number for text in request.POST.getlist("workflow") if (number := parse_number(text)) is not None]
    try:
        done = replay.replay_event(event, chosen, by=current_person(request))
    except NotPermittedError as error:
        raise PermissionDenied from error
    except ControlError as error:
        messages.error(request, as_sentence(str(error)))
        return HttpResponseSeeOther(change_url(event))
    count = len(done.runs)
    said = ngettext("Replayed. %(count)s run started.", "Replayed. %(count)s runs started.", count) % {"count": count}
    messages.success(request, said)
    return HttpResponseSeeOther(change_url(done.event))


@require_POST
def event_download(request: HttpRequest, event_id: uuid.UUID) -> HttpResponse:
    """The stored payload as a file, audited."""
    event = _get_readable_event(request, event_id)
    with transaction.atomic():
        audit.record(request.user, "event.payload_downloaded", event, trace_id=event.trace_id)
    return json_file_response(event.payload, f"event-{event.pk}.json")


@require_POST
def event_sample(request: HttpRequest, event_id: uuid.UUID) -> HttpResponse:
    """Make the event the sample of a workflow's builder, and redirect there."""
    event = _get_event(request, event_id)
    workflow = get_editable_workflow(request, parse_number(request.POST.get("workflow")) or 0)
    if not can(request.user, "view_payload", workflow):
        raise PermissionDenied
    try:
        choose_sample(commands.load_state(workflow), {"choose": f"event:{event.pk}"}, by=current_person(request))
    except RefusedError as error:
        messages.error(request, as_sentence(str(error)))
        return HttpResponseSeeOther(change_url(event))
    return HttpResponseSeeOther(reverse("studio:builder", args=[workflow.pk]))


@require_safe
def event_check(request: HttpRequest, pk: int) -> HttpResponse:
    """Explanation of an event for one workflow."""
    workflow = get_workflow_or_404(request, pk)
    reach = access.find_event_access(request.user, "view")
    text = clean_text(request.GET.get("event"))
    event = next((found for part in lookup_events(text, reach) for found in part[:1]), None) if text else None
    sources = set(workflow.active_triggers.values_list("source", flat=True))
    latest = find_events(reach.limited_to(sources), reach, {}, (None, None), timezone.now()).rows[:CHECKED]
    return _render_page(
        request,
        "check",
        _("Check an event: %(name)s") % {"name": workflow.name},
        workflow=workflow,
        event=event,
        heading=describe_source(event.source).with_type(event.type) if event else "",
        latest=[(each, describe_source(each.source)) for each in latest],
        text=text,
        why=build_match_explanation(event, current_person(request), workflow) if event else None,
    )


def _replay_options(request: HttpRequest, event: Event, *, may_read: bool) -> ReplayOptions:
    if reason := replay.replay_refusal(event):
        return ReplayOptions(startable=[], reason=as_sentence(reason))
    if not may_read:
        return ReplayOptions(startable=[], reason=_("You need the View payloads permission to replay this event."))
    return ReplayOptions(startable=replay.find_startable(event, current_person(request)))


def _get_event(request: HttpRequest, event_id: uuid.UUID) -> Event:
    event = get_object_or_404(Event, pk=event_id)
    if not access.may_access_event(request.user, "view", event):
        raise Http404
    return event


def _get_readable_event(request: HttpRequest, event_id: uuid.UUID) -> Event:
    """An event with a payload that the person may view; 404 otherwise."""
    event = _get_event(request, event_id)
    if not access.may_access_event(request.user, "view_payload", event):
        raise PermissionDenied
    if event.emptied_at:
        raise Http404("the payload was deleted")
    return event


def _payload_tree(event: Event) -> JsonTree:
    url = f"{reverse('studio:event_value', args=[event.pk])}?part=payload"
    download = reverse("studio:event_download", args=[event.pk])
    return JsonTree(part="payload", root="event.payload", url=url, value=event.payload, download=download)


def _find_visible_event(user: User, event_id: uuid.UUID | None) -> Event | None:
    """The event, if this person may know of it."""
    event = Event.objects.defer("payload", "headers").filter(pk=event_id).first() if event_id else None
    return event if event is not None and access.may_access_event(user, "view", event) else None


def _render_page(request: HttpRequest, name: str, title: str, status: int = 200, **context: Any) -> TemplateResponse:
    return render_page(request, f"automate_studio/events/{name}.html", title, status=status, **context)

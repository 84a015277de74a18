"""The event inbox's pages, and what people do with an event: replay it, download it, build with it as a sample."""

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
from django.views.decorators.http import require_POST, require_safe

from automate_core.authoring.drafts import commands
from automate_core.authoring.drafts.errors import RefusedError
from automate_core.events import access
from automate_core.events.access import may_list_events
from automate_core.models import Event, ExecutionRun, Workflow
from automate_core.outbox import subjects
from automate_core.queries.event_search import find, lookup
from automate_core.runs import replay
from automate_core.runs.control import ControlError
from automate_governance import audit, payload_views
from automate_governance.admin_site import reverse
from automate_governance.permissions import SITE, NotPermittedError, User, can, permitted
from automate_studio.events import listing, match_explanation
from automate_studio.ui import admin_page, formatting, request_params, run_rows
from automate_studio.ui.json import responses
from automate_studio.ui.json.tree import Tree
from automate_studio.ui.json.visible import visible
from automate_studio.ui.responses import SeeOther
from automate_studio.ui.samples import choice
from automate_studio.view_models import rejected_deliveries
from automate_studio.view_models.event_sources import describe_source

MOST_RUNS = 50
CHECKED = 10  #: events of a workflow that are offered to be checked


@dataclass(frozen=True, kw_only=True)
class Replay:
    """What a replay would start. `reason` says why there is none."""

    startable: list[replay.Startable]
    reason: str = ""

    @property
    def may_run(self) -> bool:
        """Whether there is something that this person may start."""
        return any(each.may_run for each in self.startable)


@require_safe
def event_list(request: HttpRequest) -> HttpResponse:
    """What came in; htmx asks for the list alone."""
    if not may_list_events(request.user):
        raise Http404
    found = listing.events(request.user, request.GET, timezone.now())
    status = 422 if found.error else 200
    if request.headers.get("HX-Request") == "true":
        return TemplateResponse(request, "automate_studio/events/list.html#list", {"found": found}, status=status)
    return _page(request, "list", "Events", found=found, status=status)


@require_safe
def refused_list(request: HttpRequest) -> HttpResponse:
    """The deliveries that were refused, by endpoint, reason and day."""
    if not may_list_events(request.user):
        raise Http404
    found = rejected_deliveries.refused(request.user, timezone.now())
    return _page(request, "refused", "Refused deliveries", found=found, tabs=listing.tabs({}, of_refused=True))


@require_safe
def event_detail(request: HttpRequest, event_id: uuid.UUID) -> HttpResponse:
    """One event: what it carries, what it started, and why it did or did not start the rest."""
    event = _event(request, event_id)
    person = request_params.person(request)
    why = match_explanation.of(event, person)
    runs = permitted(person, "view", ExecutionRun.objects.filter(event=event, trace_id=event.trace_id))  # by that index
    shown = list(runs.order_by("pk").values_list("pk", flat=True)[:MOST_RUNS])
    if why.may_read and not event.emptied_at:
        payload_views.at(person, "event.payload_viewed", event, trace_id=event.trace_id)
    replays = Event.objects.filter(trace_id=event.trace_id, replay_of=event.pk).defer("payload", "headers")
    return _page(
        request,
        "page",
        f"Event {formatting.short(event.pk)}",
        event=event,
        source=describe_source(event.source),
        why=why,
        audits=can(request.user, "audit", SITE),
        runs=run_rows.of(shown, person, timezone.now()),
        replay=_replay(request, event, may_read=why.may_read),
        replays=replays.order_by("-pk")[:20],
        original=_known(request.user, event.replay_of),
        tree=_tree(event) if why.may_read and not event.emptied_at else None,
        subject=visible(event.subject or subjects.guess(event.payload)) if why.may_read else "",
        headers=sorted(event.headers.items()) if why.may_read else [],
    )


@require_safe
def event_value(request: HttpRequest, event_id: uuid.UUID) -> HttpResponse:
    """Rows of the payload, as `json_answers.rows` says."""
    event = _carrying(request, event_id)
    payload_views.at(request.user, "event.payload_viewed", event, trace_id=event.trace_id)
    return responses.rows(request, event.payload)


@require_POST
def event_replay(request: HttpRequest, event_id: uuid.UUID) -> HttpResponse:
    """Start the chosen workflows from a copy of the event, and go to that."""
    event = _event(request, event_id)
    chosen = [
        number for text in request.POST.getlist("workflow") if (number := request_params.number(text)) is not None
    ]
    try:
        done = replay.replay(event, chosen, by=request_params.person(request))
    except NotPermittedError as error:
        raise PermissionDenied from error
    except ControlError as error:
        messages.error(request, formatting.sentence(str(error)))
        return SeeOther(_url(event))
    count = len(done.runs)
    messages.success(request, f"Replayed as this event: {count} run{'' if count == 1 else 's'} started.")
    return SeeOther(_url(done.event))


@require_POST
def event_download(request: HttpRequest, event_id: uuid.UUID) -> HttpResponse:
    """The stored payload as a file, audited."""
    event = _carrying(request, event_id)
    with transaction.atomic():
        audit.record(request.user, "event.payload_downloaded", event, trace_id=event.trace_id)
    return responses.file(event.payload, f"event-{event.pk}.json")


@require_POST
def event_sample(request: HttpRequest, event_id: uuid.UUID) -> HttpResponse:
    """Choose the event as the sample of a workflow's builder, and go there."""
    event = _event(request, event_id)
    workflow = request_params.workflow(request, request_params.number(request.POST.get("workflow")) or 0)
    if not can(request.user, "view_payload", workflow):
        raise PermissionDenied
    try:
        choice.choose(commands.look(workflow), {"choose": f"event:{event.pk}"}, by=request_params.person(request))
    except RefusedError as error:
        messages.error(request, formatting.sentence(str(error)))
        return SeeOther(_url(event))
    return SeeOther(reverse("studio:builder", args=[workflow.pk]))


@require_safe
def event_check(request: HttpRequest, pk: int) -> HttpResponse:
    """Choose an event, and see why it did or did not start one workflow."""
    workflow = get_object_or_404(permitted(request.user, "view", Workflow.objects.all()), pk=pk)
    reach = access.reach(request.user, "view")
    text = request_params.words(request.GET.get("event"))
    event = next((found for part in lookup(text, reach) for found in part[:1]), None) if text else None
    sources = set(workflow.active_triggers.values_list("source", flat=True))
    latest = find(reach.among(sources), reach, {}, (None, None), timezone.now()).rows[:CHECKED]
    return _page(
        request,
        "check",
        f"Check an event, {workflow.name}",
        workflow=workflow,
        event=event,
        source=describe_source(event.source) if event else None,
        latest=[(each, describe_source(each.source)) for each in latest],
        text=text,
        why=match_explanation.of(event, request_params.person(request), workflow) if event else None,
    )


def _replay(request: HttpRequest, event: Event, *, may_read: bool) -> Replay:
    if reason := replay.refusal(event):
        return Replay(startable=[], reason=formatting.sentence(reason))
    if not may_read:
        return Replay(startable=[], reason="To replay it takes the permission to view its payload.")
    return Replay(startable=replay.startable(event, request_params.person(request)))


def _event(request: HttpRequest, event_id: uuid.UUID) -> Event:
    event = get_object_or_404(Event, pk=event_id)
    if not access.may(request.user, "view", event):
        raise Http404
    return event


def _carrying(request: HttpRequest, event_id: uuid.UUID) -> Event:
    """One whose payload is there, for who may see it."""
    event = _event(request, event_id)
    if not access.may(request.user, "view_payload", event):
        raise PermissionDenied
    if event.emptied_at:
        raise Http404("what it carried was let go")
    return event


def _tree(event: Event) -> Tree:
    url = f"{reverse('studio:event_value', args=[event.pk])}?part=payload"
    return Tree(part="payload", root="event.payload", url=url, value=event.payload)


def _known(user: User, event_id: uuid.UUID | None) -> Event | None:
    """The event, when this person may know of it."""
    event = Event.objects.defer("payload", "headers").filter(pk=event_id).first() if event_id else None
    return event if event is not None and access.may(user, "view", event) else None


def _url(event: Event) -> str:
    return reverse("admin:automate_core_event_change", args=[event.pk])


def _page(request: HttpRequest, name: str, title: str, status: int = 200, **context: Any) -> TemplateResponse:
    return admin_page.page(request, f"automate_studio/events/{name}.html", title, status=status, **context)

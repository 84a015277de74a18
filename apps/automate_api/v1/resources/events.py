"""Events: send, list, read, replay, and why one started a run or none."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from django.db import DataError
from django.utils import timezone
from django.utils.translation import gettext as _
from ninja import Field, Query, Router, Schema
from pydantic import ConfigDict

from automate_api.v1.bodies import RequestSchema
from automate_api.v1.front_door import TokenRequest
from automate_api.v1.not_found import find_object, not_found
from automate_api.v1.pages import Moment, Page, PageQuery, Since, closed, read_uuid_cursor, write_cursor
from automate_api.v1.problems import ProblemError
from automate_api.v1.resources.triggers import KINDS
from automate_api.v1.resources.workflows import get_workflow
from automate_authoring.match_explanation import MatchOutcome, TriggerExplanation, explain_match
from automate_core.events import access
from automate_core.expressions.json_logic import Explanation
from automate_core.models import Event
from automate_governance.admin_site import reverse
from automate_governance.audit import payload_views
from automate_governance.permissions import NotPermittedError
from automate_governance.texts import translated
from automate_operations import event_sending
from automate_operations.queries.event_search import find_events
from automate_operations.queries.statement_timeout import bounded_queries
from automate_operations.runs import replay
from automate_plugins import text

router = Router()
MOST_RUNS = 10  #: of each event in a list
MOST_OPERATORS = 100  #: of a condition that is explained


class SendEvent(RequestSchema):
    type: str = Field(min_length=1, max_length=200, description="One of AUTOMATE_EVENT_TYPES.", examples=["order.paid"])
    payload: dict[str, Any] = Field(default_factory=dict, examples=[{"order": 4711}])


class EventSummary(Schema):
    """An event, without its payload."""

    id: uuid.UUID
    source: str = Field(description="Where it came from, such as webhook:github.")
    type: str
    subject: str | None = Field(description="null without the permission to view payloads")
    received_at: dt.datetime
    trace_id: str
    replay_of: uuid.UUID | None
    is_emptied: bool = Field(description="Whether retention deleted the payload, or an erasure.")
    is_erased: bool = Field(False, description="Whether it was erased as personal data.")
    runs: list[uuid.UUID] = Field(description="The first runs that it started.")
    url: str


class EventWithPayload(EventSummary):
    payload: Any = Field(None, description="null without the permission to view payloads")
    headers: dict[str, Any] | None = None


class ReplayEvent(RequestSchema):
    workflows: list[str] | None = Field(
        None, max_length=100, description="Slugs; by default all that match now and that you may run."
    )


class EventFilterQuery(RequestSchema):
    """Filters of events, those of the inbox."""

    model_config = ConfigDict(populate_by_name=True)
    reads_texts = True

    search: str | None = Field(None, max_length=200, description="Id, trace id or its beginning, or delivery key.")
    source: str | None = Field(None, max_length=200)
    type: str | None = Field(None, max_length=200)
    since: Since = Field(None, description="The last hours or days, a day, or the time after which they came.")
    until: Moment | None = None
    payload: str | None = Field(None, max_length=200, description="JSON or text that the payload contains.")

    def filters(self) -> dict[str, str]:
        """The filters in the form of the core, by the names that it has for them."""
        given = self.model_dump(mode="json", exclude_none=True, exclude={"limit", "cursor"})
        names = {"search": "q", "payload": "held"}
        return {names.get(name, name): stripped for name, value in given.items() if (stripped := str(value).strip())}


class EventQuery(EventFilterQuery, PageQuery):
    show: Literal["started", "nothing"] | None = Field(None, description="Events that started a run, or none.")


class MatchQuery(Schema):
    workflow: str | None = Field(None, max_length=100, description="Explain this workflow alone, by its slug.")


class TriggerMatch(Schema):
    """Why a trigger of a workflow did or did not start it."""

    workflow: str
    outcome: MatchOutcome
    kind: str = Field(description="Kind of the trigger.", json_schema_extra=closed(KINDS))
    event_type: str = Field(description="Type that the trigger asks for; empty for any.")
    version: int | None
    run: uuid.UUID | None
    reasons: list[str]
    condition: dict[str, Any] | None = Field(description="What its condition saw, for those who may view the payload.")


class Match(Schema):
    notes: list[str]
    triggers: list[TriggerMatch]
    may_view_payload: bool
    is_complete: bool


@router.post("/events", response={201: EventSummary})
def send_event(request: TokenRequest, body: SendEvent) -> dict[str, Any]:
    """Send an event. It starts the workflows that listen to its type and that you may run."""
    sent = event_sending.send_event(body.type, body.payload, by=request.user, sender=str(request.auth))
    return _described(request, sent.event)


@router.get("/events", response=Page[EventSummary])
def list_events(request: TokenRequest, query: Query[EventQuery]) -> dict[str, Any]:
    """List events, newest first.

    Filters without an index search a limited number of events: a page may have fewer rows than its limit, or none, and
    still be followed by another.
    """
    if not access.may_list_events(request.user):
        raise NotPermittedError(text("You are not permitted to view this list."))
    after = read_uuid_cursor(query.cursor) if query.cursor is not None else None
    filters = query.filters()
    reach = access.find_event_access(request.user, "view")
    readable = access.find_event_access(request.user, "view_payload")
    if "held" in filters and not readable.is_empty:
        payload_views.record_search(request.user)
    with bounded_search():
        found = find_events(reach, readable, filters, (after, None), timezone.now(), most=query.limit)
    following = found.rows[-1].pk if found.more else found.edge
    return {
        "items": _describe_events(request, found.rows, readable),
        "next": write_cursor(following) if following else None,
    }


@router.get("/events/{uuid:event_id}", response=EventWithPayload)
def read_event(request: TokenRequest, event_id: uuid.UUID) -> dict[str, Any]:
    """Read one event. Its payload is recorded as viewed."""
    event = _get_event(request, event_id)
    described = _described(request, event)
    if event.emptied_at or not access.may_access_event(request.user, "view_payload", event):
        return described
    payload_views.record_view(request.user, "event.payload_viewed", event, trace_id=event.trace_id)
    return {**described, "subject": event.subject, "payload": event.payload, "headers": event.headers}


@router.get("/events/{uuid:event_id}/match", response=Match)
def explain_event_match(request: TokenRequest, event_id: uuid.UUID, query: Query[MatchQuery]) -> dict[str, Any]:
    """Explain why an event did or did not start the workflows that you may view."""
    event = _get_event(request, event_id)
    workflow = get_workflow(request, query.workflow) if query.workflow is not None else None
    found = explain_match(event, by=request.user, workflow=workflow)
    if found.may_read and any(each.explanation for each in found.explanations):
        payload_views.record_view(request.user, "event.payload_viewed", event, trace_id=event.trace_id)
    return {
        "notes": [translated(note) for note in found.notes],
        "triggers": [_describe_match(each) for each in found.explanations],
        "may_view_payload": found.may_read,
        "is_complete": not found.more,
    }


@router.post("/events/{uuid:event_id}/replay", response={201: EventSummary})
def replay_event(request: TokenRequest, event_id: uuid.UUID, body: ReplayEvent) -> dict[str, Any]:
    """Process an event again: a copy of it starts the chosen workflows, all or none."""
    event = _get_event(request, event_id)
    done = replay.replay_event(event, _chosen_workflows(request, event, body.workflows), by=request.user)
    return _described(request, done.event)


def _chosen_workflows(request: TokenRequest, event: Event, slugs: list[str] | None) -> list[int]:
    """Raises NotPermittedError, and ProblemError for a workflow that the event does not match."""
    if replay.replay_refusal(event):
        return []
    startable = replay.find_startable(event, request.user)
    if slugs is None:
        return [each.workflow.pk for each in startable if each.may_run]
    by_slug = {each.workflow.slug: each.workflow.pk for each in startable}
    if unknown := [slug for slug in slugs if slug not in by_slug]:
        message = _("The event does not match the workflow %(workflow)s.") % {"workflow": unknown[0]}
        raise ProblemError(422, message, [("workflows", message)])
    return [by_slug[slug] for slug in slugs]


def _get_event(request: TokenRequest, event_id: uuid.UUID) -> Event:
    event = find_object(Event.objects.all(), pk=event_id)
    if not access.may_access_event(request.user, "view", event):
        raise not_found(Event, event_id)
    return event


@contextmanager
def bounded_search() -> Iterator[None]:
    """Limit the time of the search. Raises ProblemError, QueryTimeoutError."""
    try:
        with bounded_queries():
            yield
    except DataError as error:
        message = _("This text contains characters that no payload can contain, such as NUL.")
        raise ProblemError(422, message, [("payload", message)]) from error


def _described(request: TokenRequest, event: Event) -> dict[str, Any]:
    return _describe_events(request, [event], None)[0]


def _describe_events(
    request: TokenRequest, events: list[Event], readable: access.EventAccess | None
) -> list[dict[str, Any]]:
    """Two queries. Subjects are left out where `readable` is None."""
    rows = Event.objects.filter(pk__in=[event.pk for event in events])
    started = dict(rows.values_list("pk", access.started_run_ids(request.user, MOST_RUNS))) if events else {}
    subjects = dict(rows.filter(readable.condition()).values_list("pk", "subject")) if readable and events else {}
    payload_views.record_subjects(request.user, subjects.values())
    return [
        {
            "id": event.pk,
            "source": event.source,
            "type": event.type,
            "subject": subjects.get(event.pk),
            "received_at": event.received_at,
            "trace_id": event.trace_id,
            "replay_of": event.replay_of,
            "is_emptied": event.emptied_at is not None,
            "is_erased": event.erasure is not None,
            "runs": started.get(event.pk) or [],  # null where none may be viewed
            "url": reverse("automate_api:read_event", kwargs={"event_id": event.pk}),
        }
        for event in events
    ]


def _describe_match(match: TriggerExplanation) -> dict[str, Any]:
    explanation = match.explanation
    return {
        "workflow": match.workflow.slug,
        "outcome": match.outcome,
        "kind": match.kind,
        "event_type": match.takes,
        "version": match.version.number if match.version else None,
        "run": match.run.pk if match.run else None,
        "reasons": [translated(reason) for reason in match.reasons],
        "condition": explanation and _describe_condition(explanation),
    }


def _describe_condition(explained: Explanation, left: Iterator[int] | None = None) -> dict[str, Any]:
    """An operator of a condition and its operands, no more than MOST_OPERATORS of them."""
    left = left or iter(range(MOST_OPERATORS))
    parts = [_describe_condition(part, left) for part in explained.parts if next(left, None) is not None]
    values = json.loads(json.dumps(explained.values, default=str))
    return {"operator": explained.operator, "passed": explained.passed, "values": values, "parts": parts}

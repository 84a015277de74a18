"""Bulk replays: process many events again that started nothing, counted first."""

from __future__ import annotations

import uuid
from typing import Any

from django.utils import timezone
from ninja import Field, Router, Schema, Status
from pydantic import ConfigDict

from automate_api.v1.bodies import RequestSchema, either
from automate_api.v1.front_door import TokenRequest
from automate_api.v1.not_found import NotFoundError, not_found
from automate_api.v1.problems import ProblemError
from automate_api.v1.resources.bulk import (
    MOST_CHOSEN,
    BulkActionWithRefusals,
    describe_with_refusals,
    own_actions,
)
from automate_api.v1.resources.events import EventFilterQuery, bounded_search
from automate_core.events import access
from automate_core.models import BulkAction, Event, Workflow
from automate_governance.audit import payload_views
from automate_governance.permissions import NotPermittedError, holds_anywhere
from automate_governance.texts import translated
from automate_operations import bulk
from automate_operations.bulk_replay import (
    ReplaySelection,
    nothing_to_replay_reason,
    select_chosen,
    select_filtered,
)
from automate_plugins import text

router = Router()


class ReplayEvents(RequestSchema):
    """Either `events` or `filters` say which events."""

    model_config = ConfigDict(
        json_schema_extra=either(events={"type": "array", "minItems": 1}, filters={"type": "object"})
    )

    events: list[uuid.UUID] = Field([], max_length=MOST_CHOSEN)
    filters: EventFilterQuery | None = Field(None, description="All matching events, as in the list of events.")
    upto: uuid.UUID | None = Field(None, description="`newest` of a count: later events are left out.")
    dry_run: bool = Field(False, description="Only count the events.")


class ReplayCount(Schema):
    """The events that started no run and that a replay would apply to, and why others are left out."""

    found: int
    applies_to: int
    newest: uuid.UUID | None
    not_permitted: int = Field(description="Events whose payload the token may not view.")
    replayed: int = Field(description="Events that were already replayed.")
    unprocessed: int = Field(description="Events that no worker has processed yet.")
    unsuitable: int = Field(description="Events that were made for one run, or whose payload was deleted.")


@router.post("/events/replay", response={200: ReplayCount, 202: BulkActionWithRefusals})
def replay_events(request: TokenRequest, body: ReplayEvents) -> Status[Any]:
    """Process many events again that started no run, by a bulk action; with `dry_run`, count them.

    Each event starts the workflows that match it now and that you may run.
    """
    if not access.may_list_events(request.user):
        raise NotPermittedError(text("You are not permitted to view this list."))
    if not holds_anywhere(request.user, "run", Workflow):
        raise NotPermittedError(text("You need the Run permission for a workflow that these events start."))
    selection = _select(request, body)
    if not selection.found and selection.is_complete:
        if body.events:
            raise not_found(Event, *body.events)
        raise NotFoundError(text("No event that you can view matches the filters."))
    problem = nothing_to_replay_reason(selection)
    if selection.is_too_large or not selection.is_complete:
        raise ProblemError(422, translated(problem))
    if selection.unreadable == selection.found:
        raise NotPermittedError(problem)
    if body.dry_run:
        return Status(200, _describe_count(selection))
    if problem:
        raise ProblemError(409, translated(problem))
    made = bulk.create_bulk_action(BulkAction.Verb.REPLAY, selection.ids, {}, by=request.user)
    return Status(202, describe_with_refusals(request, own_actions(request).get(pk=made.pk)))


def _select(request: TokenRequest, body: ReplayEvents) -> ReplaySelection:
    if bool(body.events) == (body.filters is not None):
        message = translated(text("Choose the events either by `events` or by `filters`."))
        raise ProblemError(422, translated(text("The request is not valid.")), [("events", message)])
    if body.filters is None:
        return select_chosen(request.user, body.events)
    filters = body.filters.filters()
    if "held" in filters:
        payload_views.record_search(request.user)
    with bounded_search():
        return select_filtered(request.user, filters, timezone.now(), upto=body.upto)


def _describe_count(selection: ReplaySelection) -> dict[str, Any]:
    return {
        "found": selection.found,
        "applies_to": len(selection.ids),
        "newest": selection.newest,
        "not_permitted": selection.unreadable,
        "replayed": selection.replayed,
        "unprocessed": selection.unprocessed,
        "unsuitable": selection.unsuitable,
    }

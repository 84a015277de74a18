"""Bulk actions: re-run or cancel many runs, which a worker does one after the other."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any, Literal

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from ninja import Field, Query, Router, Schema, Status
from pydantic import AwareDatetime, ConfigDict

from automate_api.v1.bodies import RequestSchema, either
from automate_api.v1.front_door import TokenRequest
from automate_api.v1.not_found import NotFoundError, find_object, not_found
from automate_api.v1.pages import Page, PageQuery, check_list, read_page
from automate_api.v1.problems import ProblemError
from automate_api.v1.resources.runs.runs import RunFilterQuery
from automate_core.events.access import find_event_access
from automate_core.models import BulkAction, Event, ExecutionRun
from automate_core.states import BulkStatus
from automate_governance.admin_site import reverse
from automate_governance.permissions import NotPermittedError, holds_anywhere, permitted
from automate_governance.texts import translated
from automate_operations import bulk
from automate_operations.bulk_selection import (
    BulkSelection,
    nothing_to_do_reason,
    select_chosen,
    select_filtered,
)
from automate_operations.queries.run_search import LAST
from automate_plugins import text

router = Router()
MOST_CHOSEN = 1_000  #: runs that are named one by one
MOST_REFUSALS = 100  #: that are listed
_VERBS = {"rerun": BulkAction.Verb.RETRY, "cancel": BulkAction.Verb.CANCEL, "review": BulkAction.Verb.REVIEW}
_ACTIONS = {verb.value: name for name, verb in _VERBS.items()} | {BulkAction.Verb.REPLAY.value: "replay"}


class CreateBulkAction(RequestSchema):
    """Either `runs` or `filters` say which runs."""

    model_config = ConfigDict(
        json_schema_extra=either(runs={"type": "array", "minItems": 1}, filters={"type": "object"})
    )

    action: Literal["rerun", "cancel", "review"]
    runs: list[uuid.UUID] = Field([], max_length=MOST_CHOSEN)
    filters: RunFilterQuery | None = Field(None, description="All matching runs, as in the list of runs.")
    upto: uuid.UUID | None = Field(None, description="`newest` of a count: later runs are left out.")
    counted_at: AwareDatetime | None = Field(
        None, description="Of a review: `counted_at` of a count. Steps that are in doubt only since then are left out."
    )
    from_step: Literal["failed", "start"] = "failed"
    version: Literal["original", "newest"] = "original"
    again: bool = Field(False, description="Also runs whose re-run succeeded or has not ended.")
    unknown: bool = Field(
        False, description="Also runs with a step whose outcome is unknown; its effect may be repeated."
    )
    reason: str = Field("", max_length=100, description="Of a cancellation or a review.")
    outcome: Literal["succeeded", "failed", "again"] | None = Field(
        None,
        description=(
            "Of a review: the steps that wait for one succeeded, failed, or failed and run again. Check at the service "
            "first: `again` sends the same idempotency key, and a service that ignores it repeats the effect."
        ),
    )
    dry_run: bool = Field(False, description="Only count the runs.")


class BulkCount(Schema):
    """The runs that an action would apply to, and why others are left out."""

    action: Literal["rerun", "cancel", "review"]
    found: int
    applies_to: int
    newest: uuid.UUID
    counted_at: dt.datetime
    not_permitted: int
    wrong_state: int
    rerun_succeeded: int
    rerun_open: int
    rerun_deleted: int
    rerun_in_selection: int
    unknown_outcome: int = Field(description="Runs with a step that may have taken effect.")
    output_read: int = Field(
        description=(
            "Of a review: runs whose later steps read the output. The outcome `succeeded` leaves them out: set it on "
            "each run, with the output."
        )
    )
    output_readers: list[str] = Field(description="Names of the steps that read it.")


class Refusal(Schema):
    run: uuid.UUID = Field(description="The run, or the event of a replay.")
    reason: str


class BulkActionState(Schema):
    """A bulk action and its progress."""

    id: uuid.UUID
    action: Literal["rerun", "cancel", "review", "replay"] = Field(description="A replay is of events.")
    status: BulkStatus
    total: int
    done: int
    refused: int
    created_at: dt.datetime
    ended_at: dt.datetime | None
    url: str


class BulkActionWithRefusals(BulkActionState):
    refusals: list[Refusal]


@router.post("/bulk-actions", response={200: BulkCount, 202: BulkActionWithRefusals})
def create_bulk_action(request: TokenRequest, body: CreateBulkAction) -> Status[Any]:
    """Re-run or cancel many runs, or set the outcome of their steps in doubt; with `dry_run`, count them."""
    check_list(request.user, "view", ExecutionRun)
    selection = _select(request, body)
    if not selection.found:
        if body.runs:
            raise not_found(ExecutionRun, *body.runs)
        raise NotFoundError(text("No run that you can view matches the filters."))
    if selection.is_too_large:
        raise ProblemError(
            422, _("More than %(limit)s runs match. Add a filter, for example a period.") % {"limit": bulk.MOST}
        )
    if selection.not_theirs == selection.found:
        raise NotPermittedError(text("You need the Run permission for the workflows of these runs."))
    if body.dry_run:
        return Status(200, _describe_count(body.action, selection))
    if not selection.ids:
        raise ProblemError(409, nothing_to_do_reason(selection), code="nothing_to_do")
    made = bulk.create_bulk_action(
        selection.verb,
        selection.ids,
        _options(body),
        by=request.user,
        counted_at=selection.first_counted_at(body.counted_at),
    )
    return Status(202, describe_with_refusals(request, own_actions(request).get(pk=made.pk)))


@router.get("/bulk-actions", response=Page[BulkActionState])
def list_bulk_actions(request: TokenRequest, page: Query[PageQuery]) -> dict[str, Any]:
    """List your bulk actions of the last 30 days, newest first."""
    check_list(request.user, "view", ExecutionRun)
    found, following = read_page(own_actions(request), page)
    return {"items": [_describe(action) for action in found], "next": following}


@router.get("/bulk-actions/{uuid:action_id}", response=BulkActionWithRefusals)
def read_bulk_action(request: TokenRequest, action_id: uuid.UUID) -> dict[str, Any]:
    """Read one bulk action, with its first refusals."""
    return describe_with_refusals(request, _get_action(request, action_id))


@router.post("/bulk-actions/{uuid:action_id}/stop", response=BulkActionWithRefusals)
def stop_bulk_action(request: TokenRequest, action_id: uuid.UUID) -> dict[str, Any]:
    """Stop a bulk action before its remaining runs."""
    action = _get_action(request, action_id)
    if not holds_anywhere(request.user, "run", ExecutionRun):
        raise NotPermittedError(text("You need the Run permission to stop a bulk action."))
    if not bulk.stop_bulk_action(action, request.user):
        raise ProblemError(409, _("This bulk action has already ended."), code="already_ended")
    action.refresh_from_db()
    return describe_with_refusals(request, action)


def _options(body: CreateBulkAction) -> dict[str, Any]:
    if body.action == "rerun":
        return {"start": body.from_step, "version": body.version, "again": body.again, "unknown": body.unknown}
    reason = {"reason": body.reason.strip()}
    return {**reason, "outcome": body.outcome} if body.action == "review" else reason


def _select(request: TokenRequest, body: CreateBulkAction) -> BulkSelection:
    if bool(body.runs) == (body.filters is not None):
        message = _("Choose the runs either by `runs` or by `filters`.")
        raise ProblemError(422, _("The request is not valid."), [("runs", message)])
    if body.action == "review" and body.outcome is None and not body.dry_run:
        raise ProblemError(422, _("The request is not valid."), [("outcome", _("Choose an outcome."))])
    verb = _VERBS[body.action]
    options: dict[str, Any] = {"again": body.again, "unknown": body.unknown, "outcome": body.outcome or ""}
    if body.filters is None:
        return select_chosen(request.user, verb, body.runs, **options)
    return select_filtered(request.user, verb, body.filters.filters(), upto=body.upto or LAST, **options)


def own_actions(request: TokenRequest) -> QuerySet[BulkAction]:
    return BulkAction.objects.filter(person=request.user.pk)


def _get_action(request: TokenRequest, action_id: uuid.UUID) -> BulkAction:
    if not holds_anywhere(request.user, "view", ExecutionRun):
        raise not_found(BulkAction, action_id)
    return find_object(own_actions(request), pk=action_id)


def _describe_count(action: str, selection: BulkSelection) -> dict[str, Any]:
    left = selection.left_out
    return {
        "action": action,
        "found": selection.found,
        "applies_to": len(selection.ids),
        "newest": selection.newest,
        "counted_at": selection.counted_at,
        "not_permitted": selection.not_theirs,
        "wrong_state": selection.wrong_state,
        "rerun_succeeded": left.succeeded,
        "rerun_open": left.open,
        "rerun_deleted": left.deleted,
        "rerun_in_selection": left.superseded,
        "unknown_outcome": left.unknown,
        "output_read": len(selection.output_read.runs),
        "output_readers": list(map(translated, selection.output_read.steps)),
    }


def _describe(action: BulkAction) -> dict[str, Any]:
    return {
        "id": action.pk,
        "action": _ACTIONS[action.verb],
        "status": action.status,
        "total": action.total,
        "done": action.done,
        "refused": action.refused,
        "created_at": action.created_at,
        "ended_at": action.ended_at,
        "url": reverse("automate_api:read_bulk_action", kwargs={"action_id": action.pk}),
    }


def describe_with_refusals(request: TokenRequest, action: BulkAction) -> dict[str, Any]:
    """With the refusals of runs or events that the token may view, and of deleted ones."""
    refusals = bulk.list_refusals(action, MOST_REFUSALS)
    keys = [key for _reason, key in refusals]
    known: QuerySet[Any] = ExecutionRun.objects.filter(pk__in=keys)
    visible: QuerySet[Any] = permitted(request.user, "view", known)
    if action.verb == BulkAction.Verb.REPLAY:
        known = Event.objects.filter(pk__in=keys)
        visible = known.filter(find_event_access(request.user, "view").condition())
    hidden = set(known.values_list("pk", flat=True)) - set(visible.values_list("pk", flat=True))
    shown = [{"run": run, "reason": translated(reason)} for reason, run in refusals if run not in hidden]
    return {**_describe(action), "refusals": shown}

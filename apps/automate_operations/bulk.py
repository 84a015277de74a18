"""Bulk actions: re-running or cancelling runs, setting their outcome, or replaying events; a worker does a few at once.

Each item is processed by itself, with the person's permissions at that moment, and with an audit entry of its own. An
action that an API token requested stays within the limits of the token, and stops when that is not valid any more.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.db import OperationalError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from automate_core.database import AutomateNow
from automate_core.ids import uuid7
from automate_core.models import BulkAction, BulkItem, Event, ExecutionRun
from automate_core.runs import control
from automate_core.states import BULK_EDGES, BulkStatus, move
from automate_governance import audit
from automate_governance.people import token_limits
from automate_governance.permissions import NotPermittedError, Person
from automate_governance.texts import kept_text
from automate_operations.runs import replay
from automate_operations.statistics import failures
from automate_plugins import text
from automate_plugins.texts import restored

log = logging.getLogger(__name__)

MOST = 10_000  #: runs of one action
BATCH = 20  #: runs of one transaction
KEPT = dt.timedelta(days=30)  #: for which one that has ended is remembered

DUE = "EXISTS (SELECT FROM automate_core_bulkaction WHERE status = 'open')"


@transaction.atomic
def create_bulk_action(
    verb: str,
    runs: Sequence[uuid.UUID],
    options: Mapping[str, Any],
    *,
    by: Person,
    request: uuid.UUID | None = None,
    counted_at: dt.datetime | None = None,
) -> BulkAction:
    """Have a worker do `verb` to these runs or events, oldest first. `options` are those of `control`.

    A review leaves out what is in doubt only since `counted_at`. A repeated `request` of that person gives the action
    that it created. The worker acts within the limits that the person has now, by an API token. Raises ValueError for
    none or too many.
    """
    subject = "events" if verb == BulkAction.Verb.REPLAY else "runs"
    if not 1 <= len(runs) <= MOST:
        raise ValueError(text("Choose 1 to %(limit)s runs, not %(count)s.", limit=MOST, count=len(runs)))
    BulkAction.objects.filter(ended_at__lt=timezone.now() - KEPT).delete()
    ordered = sorted(set(runs))
    given = dict(options)
    if counted_at and verb == BulkAction.Verb.REVIEW:
        given["counted_at"] = counted_at.isoformat()
    limits = token_limits.remember_limits(by)
    values = {"verb": verb, "options": given, "total": len(ordered), "limits": limits}
    action, is_new = BulkAction.objects.get_or_create(person=by, request=request or uuid7(), defaults=values)
    if not is_new:
        return action
    BulkItem.objects.bulk_create(
        (BulkItem(action=action, number=number, run=run) for number, run in enumerate(ordered)), batch_size=1_000
    )
    audit.record(by, f"{subject}.bulk_{verb}", action, changes={subject: len(ordered), **options})
    return action


def find_bulk_action(by: Person, request: uuid.UUID) -> BulkAction | None:
    """The action that this request of a person created, in any state."""
    return BulkAction.objects.filter(person=by, request=request).first()


@transaction.atomic
def stop_bulk_action(action: BulkAction, by: Person) -> bool:
    """Stop an action before its remaining runs, audited. False when it has ended already."""
    ended = move(BULK_EDGES, BulkStatus.OPEN, BulkStatus.STOPPED)
    still_open = BulkAction.objects.filter(pk=action.pk, status=BulkStatus.OPEN)
    is_stopped = bool(still_open.update(status=ended, ended_at=AutomateNow()))
    if is_stopped:
        audit.record(by, "runs.bulk_stopped", action)
    return is_stopped


def run_next_batch() -> float | None:
    """Process the next runs of the oldest action that no other worker processes; gives 0 while there may be more.

    The effects and the progress commit together: a worker that dies leaves a whole batch or nothing.
    """
    with transaction.atomic():
        free = BulkAction.objects.select_for_update(skip_locked=True, of=("self",)).select_related("person")
        action = free.filter(status=BulkStatus.OPEN).order_by("id").first()
        if action is None:
            return None
        try:
            with token_limits.limited_as(action.person, action.limits):
                _run_batch(action)
        except token_limits.TokenEndedError as ended:
            _stop_without_token(action, str(ended))
    return 0.0


def _run_batch(action: BulkAction) -> None:
    """Process the next runs of a locked action."""
    items = list(_remaining(action).order_by("number")[:BATCH])
    keys = [item.run for item in items]
    if action.verb == BulkAction.Verb.REPLAY:
        events = Event.objects.in_bulk(keys)
        for item in items:
            _replay_item(action, item, events.get(item.run))
    else:
        runs = ExecutionRun.objects.select_related("workflow__published", "version", "event").in_bulk(keys)
        for item in items:
            _run_item(action, item, runs.get(item.run))
    for item in items:
        item.refusal_text = kept_text(item.refusal, item.refusal)
    BulkItem.objects.bulk_update(items, ["result", "refusal", "refusal_text"])
    refused = sum(bool(item.refusal) for item in items)
    action.done, action.refused = action.done + len(items) - refused, action.refused + refused
    if len(items) < BATCH:
        action.status = move(BULK_EDGES, action.status, BulkStatus.DONE)
        action.ended_at = AutomateNow()
        if action.verb == BulkAction.Verb.RETRY:
            failures.resolve_retried(action.items.exclude(result=None).values_list("run", flat=True), by=action.person)
    action.save(update_fields=["done", "refused", "status", "ended_at"])


def _remaining(action: BulkAction) -> QuerySet[BulkItem]:
    return action.items.filter(number__gte=action.done + action.refused)


def _stop_without_token(action: BulkAction, reason: str) -> None:
    """Refuse the remaining runs of an action whose token is not valid any more. Audited."""
    action.refused += _remaining(action).update(refusal=reason, refusal_text=kept_text(reason, reason))
    action.status = move(BULK_EDGES, action.status, BulkStatus.STOPPED)
    action.ended_at = AutomateNow()
    action.save(update_fields=["refused", "status", "ended_at"])
    audit.record(action.person, "runs.bulk_stopped", action, changes={"reason": reason})


def _run_item(action: BulkAction, item: BulkItem, run: ExecutionRun | None) -> None:
    if run is None:
        item.refusal = text("The run was deleted.")
        return
    person = action.person
    with _refusals_of(item, action):
        if action.verb == BulkAction.Verb.RETRY:
            item.result = control.rerun(run, by=person, **{"again": False, "unknown": False, **action.options}).pk
        elif action.verb == BulkAction.Verb.REVIEW:
            item.result = control.set_outcome(run, by=person, **_review_options(action)).pk
        else:
            item.result = control.cancel(run, by=person, **action.options).pk


def _review_options(action: BulkAction) -> dict[str, Any]:
    options = dict(action.options)
    if counted_at := options.pop("counted_at", None):
        options["counted_at"] = dt.datetime.fromisoformat(counted_at)
    return options


def _replay_item(action: BulkAction, item: BulkItem, event: Event | None) -> None:
    if event is None:
        item.refusal = text("The event was deleted.")
        return
    with _refusals_of(item, action):
        item.result = replay.replay_unstarted(event, by=action.person).runs[0].pk


@contextlib.contextmanager
def _refusals_of(item: BulkItem, action: BulkAction) -> Iterator[None]:
    """A transaction of one item, whose errors become its refusal: the others go on."""
    try:
        with transaction.atomic():
            yield
    except (control.ControlError, NotPermittedError) as error:
        item.refusal = str(error)
    except OperationalError:
        raise
    except Exception:
        log.exception("%s: %s failed", item.run, action.verb)
        item.refusal = text("The action failed. Ask an administrator to check the worker log.")


def list_refusals(action: BulkAction, most: int) -> list[tuple[str, uuid.UUID]]:
    """The first refusals as (reason, run or event); reasons are marked texts."""
    rows = action.items.exclude(refusal="").order_by("number").values_list("refusal_text", "refusal", "run")
    return [(restored(kept, refusal), run) for kept, refusal, run in rows[:most]]

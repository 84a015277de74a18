"""Events that a bulk replay applies to: those that started nothing, counted first, with the reasons of the others."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from automate_core.events import access
from automate_core.models import Event, OutboxJob
from automate_core.runs import control
from automate_core.states import JobStatus
from automate_governance.permissions import NotPermittedError, Person, User
from automate_operations import bulk
from automate_operations.queries.event_search import find_events
from automate_operations.runs import replay
from automate_plugins import text

AT_ONCE = 500
MOST_SEARCHES = 40  #: of up to 10,000 events each


@dataclass(frozen=True, kw_only=True)
class ReplaySelection:
    """Events found, those that are replayed, and exclusions by reason.

    `newest` is the newest event found: a second selection with it as `upto` leaves out later ones. `is_complete` is
    false when the search ended before it had seen all events.
    """

    found: int = 0
    ids: list[uuid.UUID] = field(default_factory=list)
    newest: uuid.UUID | None = None
    unreadable: int = 0
    replayed: int = 0
    unprocessed: int = 0
    unsuitable: int = 0
    is_complete: bool = True

    @property
    def is_too_large(self) -> bool:
        """Whether more events match than one action takes; it applies to none of them then."""
        return self.found > bulk.MOST


def select_filtered(
    user: User, filters: Mapping[str, str], now: dt.datetime, *, upto: uuid.UUID | None = None
) -> ReplaySelection:
    """The events that `user` may view, that started nothing and that the `filters` match. Raises SearchError."""
    reach, readable = access.find_event_access(user, "view"), access.find_event_access(user, "view_payload")
    wanted = {**filters, "show": "nothing"}
    after = uuid.UUID(int=upto.int + 1) if upto else None
    keys: list[uuid.UUID] = []
    for _ in range(MOST_SEARCHES):
        found = find_events(reach, readable, wanted, (after, None), now, most=AT_ONCE)
        keys += [row.pk for row in found.rows]
        after = found.rows[-1].pk if found.more else found.edge
        if after is None or len(keys) > bulk.MOST:
            break
    return _select(user, keys, is_complete=after is None)


def select_chosen(user: User, events: Sequence[uuid.UUID]) -> ReplaySelection:
    """Those of `events` that `user` may view and that started nothing."""
    reach = access.find_event_access(user, "view")
    mine = Event.objects.filter(reach.condition(), ~Q(access.has_started_run(reach.workflows)), pk__in=events)
    return _select(user, list(mine.order_by("-pk").values_list("pk", flat=True)), is_complete=True)


def nothing_to_replay_reason(selection: ReplaySelection) -> str:
    """Why none of the events is replayed; empty when some are."""
    if selection.is_too_large:
        return text("More than %(limit)s events match. Add a filter, for example a period.", limit=bulk.MOST)
    if not selection.is_complete:
        return text("There are too many events to search. Add a filter, for example a source and a period.")
    if not selection.found:
        return text("No event that started no run matches.")
    if selection.ids:
        return ""
    if selection.unreadable == selection.found:
        return text("You need the View payloads permission to replay these events.")
    return text("Nothing to replay: these events were already replayed, or are not processed yet.")


def replay_now(events: Sequence[uuid.UUID], by: Person) -> control.BulkResult:
    """Replay these events, the oldest first, each in its own transaction, by the rule of a bulk replay."""
    result = control.BulkResult()
    for event in Event.objects.filter(pk__in=events).order_by("pk"):
        try:
            with transaction.atomic():
                replay.replay_unstarted(event, by=by)
            result.done += 1
        except (control.ControlError, NotPermittedError) as error:
            result.refused[str(event.pk)] = str(error)
    return result


def _select(user: User, keys: list[uuid.UUID], *, is_complete: bool) -> ReplaySelection:
    if not keys or len(keys) > bulk.MOST or not is_complete:
        return ReplaySelection(found=len(keys), is_complete=is_complete)
    events = Event.objects.filter(pk__in=keys)
    readable = events.filter(access.find_event_access(user, "view_payload").condition())
    suitable = readable.filter(emptied_at=None, replay_of=None).exclude(_made_for_one_run())
    again = Event.objects.filter(trace_id=OuterRef("trace_id"), replay_of=OuterRef("pk"))
    jobs = OutboxJob.objects.filter(
        event=OuterRef("pk"), kind=OutboxJob.Kind.DISPATCH, status__in=[JobStatus.READY, JobStatus.LEASED]
    )
    rows = suitable.annotate(is_replayed=Exists(again), is_open=Exists(jobs)).values_list(
        "pk", "is_replayed", "is_open"
    )
    states = list(rows.order_by("-pk"))
    count = readable.count()
    return ReplaySelection(
        found=len(keys),
        ids=[pk for pk, is_replayed, is_open in states if not is_replayed and not is_open],
        newest=keys[0],
        unreadable=len(keys) - count,
        unsuitable=count - len(states),
        replayed=sum(is_replayed for _, is_replayed, _ in states),
        unprocessed=sum(is_open and not is_replayed for _, is_replayed, is_open in states),
    )


def _made_for_one_run() -> Q:
    """Calls, and copies of events that were made for a run."""
    found = Q()
    for kind in ("call", *access.COPY_KINDS):
        found |= Q(source__startswith=f"{kind}:")
    return found

"""Polls: new items of services that are asked again and again become events of published workflows.

A worker leases the polls that are due, asks outside of any transaction, and writes the events of what is new together
with the cursor. A worker that dies in between leaves both as they were: the next one asks with the same cursor. What
comes again is known by its id, among the ids that were seen last and by the event's delivery key.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
import uuid
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import psycopg
from django.db import DatabaseError, DataError, connections, models, transaction
from django.db.models import F

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.limits.calls import WAITS_FOR_LIMIT
from automate_connectors.models import Connection
from automate_connectors.polling.calls import Found, FoundItem, call_poll
from automate_connectors.registry import find_poll
from automate_core.database import AutomateNow, now
from automate_core.definition.document import Definition, PollTrigger
from automate_core.expressions.durations import parse_duration
from automate_core.faultpoints import reach
from automate_core.files.store import FileOwner, store_file
from automate_core.ids import new_trace_id, uuid7
from automate_core.models import PollState, Workflow
from automate_core.outbox.ingest import EventIngestor, NewEvent
from automate_core.triggers.connector_calls import (
    FAILED,
    LEASED,
    count_failure,
    count_success,
    open_call,
    spread,
    take_lease,
)
from automate_core.triggers.pacing import next_page_at
from automate_governance.permissions import Person
from automate_governance.redaction.redactor import Redactor, redact_text, redactor_context
from automate_plugins import text

log = logging.getLogger(__name__)

#: SQL: whether a poll of an active workflow is due. One that is leased is due when the lease is over.
DUE = """EXISTS (
    SELECT FROM automate_core_pollstate poll JOIN automate_core_workflow workflow ON workflow.id = poll.workflow_id
    WHERE poll.next_at <= automate_now() AND workflow.status = 'active' AND workflow.published_id IS NOT NULL)"""

SEEN_IDS = 2_000  #: that are remembered, beside all of the last result
ITEM_ID, ITEM_TIME = "item-id", "item-time"  #: headers of an event
LONGEST_KEY = 200  #: characters of a delivery key
LOST = ConnectorError(
    text("The worker stopped, or the poll took too long. The poll is repeated automatically."),
    code="poll_lost",
    retryable=True,
)


@dataclass(frozen=True, kw_only=True)
class Lease:
    """A poll that this process may ask, with all that it needs. `token` is the number of the lease."""

    pk: int
    token: int
    slug: str
    run_as: Person
    state: PollState


# --- publishing -------------------------------------------------------------------------------------------------------


def activate_polls(workflow: Workflow, definition: Definition) -> None:
    """Replace a workflow's polls by those of a published version; one that asks the same keeps its cursor.

    A new one is due at once, for its baseline, and so is one that failed.
    """
    wanted = {trigger.key: trigger for trigger in definition.enabled_triggers if isinstance(trigger, PollTrigger)}
    workflow.polls.exclude(key__in=wanted).delete()
    present = {state.key: state for state in workflow.polls.select_for_update()} if wanted else {}
    at = now()
    for key, trigger in wanted.items():
        digest, seconds = poll_digest(trigger), parse_duration(trigger.every)
        state = present.get(key)
        if state is None or state.digest != digest:
            fresh = PollState(pk=state.pk if state else None, workflow=workflow, key=key, digest=digest, next_at=at)
            fresh.token = state.token + 1 if state else 0  # what is asked now for the one before is not written
            state = fresh
        elif state.failures and state.lease_until is None:
            state.next_at = at
        elif state.lease_until is None:
            state.next_at = min(state.next_at, at + dt.timedelta(seconds=seconds))
        state.poll, state.connection, state.inputs = trigger.poll, trigger.connection, trigger.inputs
        state.seconds, state.due_since = seconds, at
        state.save()


def poll_digest(trigger: PollTrigger) -> str:
    """A hash of what is asked: the poll, its connection and its inputs."""
    asked = msgspec.json.encode([trigger.poll, trigger.connection, trigger.inputs], order="sorted")
    return hashlib.sha256(asked).hexdigest()


def resume_polls(workflow: Workflow) -> None:
    """Count from now on how long the polls of a resumed workflow had no success. They go on where they were."""
    workflow.polls.update(due_since=AutomateNow())


def poll_again(sender: Any, connection: Connection, **_: Any) -> None:
    """Make failed polls of a connection due that works again. A receiver of `health.recovered`."""
    failed = PollState.objects.filter(connection=connection.slug, failures__gt=0, lease_until=None)
    failed.update(next_at=AutomateNow())


# --- leases -----------------------------------------------------------------------------------------------------------


@transaction.atomic
def lease_due(most: int) -> list[Lease]:
    """Lease polls that are due, at most so many, the longest due first.

    A lease that ran out counts as a failure: its worker died, or the call did not return. After the second one in
    succession the poll has to wait, so that one which ends its worker does so seldom.
    """
    due = list(
        PollState.objects.select_related("workflow__published__run_as")
        .defer("workflow__published__definition")
        .filter(next_at__lte=AutomateNow(), workflow__status=Workflow.Status.ACTIVE, workflow__published__isnull=False)
        .order_by("next_at")
        .select_for_update(of=("self",), skip_locked=True, no_key=True)[:most]
    )
    if not due:
        return []
    at, leased = now(), []
    for state in due:
        state.polled_at = at if state.lease_until is not None else state.polled_at
        if take_lease(state, LOST, at, state.seconds):
            leased.append(state)
    PollState.objects.bulk_update(due, [*LEASED, *FAILED, "polled_at"])
    return [
        Lease(pk=state.pk, token=state.token, slug=state.workflow.slug, run_as=version.run_as, state=state)
        for state in leased
        if (version := state.workflow.published) is not None
    ]


def seconds_to_next() -> float | None:
    """Seconds until a poll of an active workflow is due; None when there is none."""
    active = PollState.objects.filter(workflow__status=Workflow.Status.ACTIVE, workflow__published__isnull=False)
    next_at = active.aggregate(seconds=models.Min("next_at") - AutomateNow())["seconds"]
    return None if next_at is None else max(next_at.total_seconds(), 0.0)


# --- one poll ---------------------------------------------------------------------------------------------------------


def run_poll(lease: Lease) -> bool:
    """Ask, and write what came of it. Whether there is more to ask at once. Never raises.

    No transaction and no connection to the database is open while the service is asked.
    """
    try:
        with redactor_context() as redactor:
            try:
                found = _call_service(lease)
                reach("poll.asked", lease.state.key)
                has_more = _store(lease, _with_files(lease, found), redactor)
                reach("poll.committed", lease.state.key)
                return has_more
            except ConnectorError as error:
                message = redact_text(error.message)
                log.info("workflow %s: the poll %s failed: %s", lease.slug, lease.state.key, message)
                _store_failure(lease, error)
    except (DataError, psycopg.DataError) as error:
        reason = text("The items cannot be stored: %(reason)s", reason=str(error).strip())
        _store_failure(lease, ConnectorError(reason, code="not_storable"))
    except (DatabaseError, psycopg.Error) as error:  # the lease runs out, and it is asked again
        log.warning("workflow %s: the poll %s could not be saved: %s", lease.slug, lease.state.key, str(error).strip())
    except Exception as error:  # a thread that dies would leave nobody to poll
        log.exception("workflow %s: the poll %s failed unexpectedly", lease.slug, lease.state.key)
        _store_failure(lease, ConnectorError(f"{type(error).__name__}: {error}", code="internal_error"))
    finally:
        connections.close_all()
    return False


def _call_service(lease: Lease) -> Found:
    """One call, by the rules of a step's. Raises ConnectorError."""
    state = lease.state
    try:
        adapter, poll = find_poll(state.poll)
    except LookupError as error:
        raise ConnectorError(str(error), code="connector_not_found") from error
    key = f"poll-{lease.pk}-{lease.token}"
    with open_call(adapter, state.connection, run_as=lease.run_as, workflow=lease.slug, key=key) as call:
        return call.perform(lambda: call_poll(adapter, poll, dict(state.inputs), state.cursor, call.context))


@dataclass(frozen=True, kw_only=True)
class FiledItem(FoundItem):
    """An item whose files are stored, for the event with these ids."""

    event_id: uuid.UUID
    trace_id: str


def _with_files(lease: Lease, found: Found) -> Found:
    """The result with the files of new items stored, before any row is locked: a storage may be slow.

    Raises ConnectorError when the storage cannot be reached.
    """
    seen = set(lease.state.seen)
    if not lease.state.has_baseline or not any(item.files for item in found.items):
        return found
    items = (_filed(lease, item) if item.files and _hash(item.id) not in seen else item for item in found.items)
    return replace(found, items=tuple(items))


def _filed(lease: Lease, item: FoundItem) -> FoundItem:
    event_id, trace_id, data = uuid7(), new_trace_id(), msgspec.json.decode(item.data)
    owner = FileOwner(trace_id=trace_id, workflow_id=lease.state.workflow_id, event_id=event_id)
    for member, files in item.files.items():
        stored, rejected = [], []
        for each in files:
            try:
                stored.append(store_file(each.content, name=each.name, content_type=each.content_type, owner=owner))
            except ConnectorError as error:
                if error.code == "files_not_kept":
                    return item
                if error.retryable or error.code == "document_away":
                    raise
                rejected.append({"name": each.name, "type": each.content_type, "code": error.code})
        data |= {member: stored, **({f"rejected_{member}": rejected} if rejected else {})}
    return FiledItem(id=item.id, time=item.time, data=msgspec.json.encode(data), event_id=event_id, trace_id=trace_id)


@transaction.atomic
def _store(lease: Lease, found: Found, redactor: Redactor) -> bool:
    """Write the events and the cursor, both or neither; nothing when the lease is another's. Whether there is more."""
    state = _locked(lease)
    if state is None:
        return False
    hashes = {item.id: _hash(item.id) for item in found.items}
    seen = set(state.seen)
    fresh = [item for item in found.items if hashes[item.id] not in seen] if state.has_baseline else []
    at = now()
    if fresh:
        EventIngestor().ingest(*(_event(lease, item, redactor) for item in fresh))
        state.found_at = at
    reach("poll.ingested", state.key)
    newest = [*reversed(hashes.values()), *state.seen]
    state.seen = list(dict.fromkeys(newest))[: max(SEEN_IDS, len(found.items))]
    state.cursor, state.has_baseline = found.cursor, state.has_baseline or not found.more
    count_success(state)
    state.polled_at = state.succeeded_at = state.due_since = at
    usual = at + dt.timedelta(seconds=spread(state.seconds))
    has_more = found.more and bool(found.items)
    state.next_at = next_page_at(state, at, usual, has_more=has_more, new=fresh)
    state.save()
    return state.next_at == at


def _event(lease: Lease, item: FoundItem, redactor: Redactor) -> NewEvent:
    state = lease.state
    own: dict[str, Any] = {"id": item.event_id, "trace_id": item.trace_id} if isinstance(item, FiledItem) else {}
    headers = {ITEM_ID: item.id, **({ITEM_TIME: item.time.isoformat()} if item.time else {})}
    return NewEvent(
        source=f"poll:{lease.slug}",
        type=state.key,
        payload=redactor.document(item.data.decode()),
        delivery_key=item_key(state.key, state.digest, item.id),
        headers=headers,
        **own,
    )


def item_key(key: str, digest: str, identifier: str) -> str:
    """The delivery key of an item: another feed, or another trigger of the workflow, may have the same ids.

    `key` is that of the trigger, and `digest` a hash of what it asks for.
    """
    prefix = f"{key} {digest[:16]}"
    whole = f"{prefix} {identifier}"
    if len(whole) <= LONGEST_KEY:
        return whole
    return f"{prefix} sha256:{hashlib.sha256(identifier.encode('utf-8', 'surrogatepass')).hexdigest()}"


@transaction.atomic
def _store_failure(lease: Lease, error: ConnectorError) -> None:
    """Write a failure, unless the lease is another's. The next call waits the longer, the more have failed."""
    state = _locked(lease)
    if state is not None:
        at = now()
        state.polled_at = state.polled_at if error.code == WAITS_FOR_LIMIT else at
        count_failure(state, error, at, state.seconds)
        state.save()


def _locked(lease: Lease) -> PollState | None:
    return PollState.objects.select_for_update(no_key=True).filter(pk=lease.pk, token=lease.token).first()


def _hash(identifier: str) -> str:
    return hashlib.sha256(identifier.encode("utf-8", "surrogatepass")).hexdigest()[:16]


# --- health -----------------------------------------------------------------------------------------------------------


def overdue_polls(intervals: float) -> models.QuerySet[PollState]:
    """Polls of active workflows that had no success for more than so many intervals."""
    edge = AutomateNow() - _span(intervals)
    return PollState.objects.filter(workflow__status=Workflow.Status.ACTIVE, due_since__lt=edge)


def _span(intervals: float) -> models.Func:
    return models.Func(
        F("seconds") * intervals,
        function="make_interval",
        template="%(function)s(secs => %(expressions)s)",
        output_field=models.DurationField(),
    )

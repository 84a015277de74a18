"""Registrations at services: made, looked for, renewed and removed by workers.

A worker leases the rows that are due, calls the service outside of any transaction, and writes what came of it. A
worker that dies in between leaves the row as it was: the next one first looks for a registration with the same URL,
where the service can tell, and so makes no second one.
"""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import dataclass, replace

import psycopg
from django.db import DatabaseError, connections, models, transaction

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.adapters.webhooks import Registration
from automate_connectors.polling.calls import Found
from automate_connectors.registry import find_webhook
from automate_connectors.webhooks.calls import WebhookCalls
from automate_core.database import AutomateNow, now
from automate_core.faultpoints import reach
from automate_core.models import ServiceWebhook, Workflow
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
from automate_core.webhooks.endpoints import hook_url
from automate_core.webhooks.registration.activation import State, forget, store_secret
from automate_core.webhooks.registration.changes import ingest_changes
from automate_governance.permissions import Person
from automate_governance.redaction.redactor import Redactor, redact_text, redactor_context
from automate_plugins import text

log = logging.getLogger(__name__)

#: SQL: whether something has to be done at a service.
DUE = """EXISTS (SELECT FROM automate_core_servicewebhook webhook WHERE webhook.next_at <= automate_now())"""

FIRST_WAIT = 60.0  #: seconds after a failure; twice as long after each further one
MAY_HAVE_MOVED = "EXISTS (SELECT FROM automate_core_servicewebhook WHERE state = 'registered' AND url <> '')"
CHECK_SECONDS = 86_400.0  #: after which a registration is looked for, as it may have been deleted at the service
RENEWAL = 0.75  #: part of its time after which a registration is renewed, at the latest RENEWAL_DAYS before its end
RENEWAL_DAYS = dt.timedelta(days=3)
AFTER_LIMIT = dt.timedelta(minutes=5)  #: a service that always has more changes is asked again
MOST_REMOVALS = 20  #: failures in succession after which a registration is left to the service
LOST = ConnectorError(
    text("The worker stopped, or the service took too long. A new attempt follows automatically."),
    code="call_lost",
    retryable=True,
)


@dataclass(frozen=True, kw_only=True)
class Lease:
    """A webhook that this process may call its service about. `token` is the number of the lease."""

    pk: int
    token: int
    slug: str
    run_as: Person | None
    webhook: ServiceWebhook


# --- leases -----------------------------------------------------------------------------------------------------------


@transaction.atomic
def lease_due(most: int) -> list[Lease]:
    """Lease what is due, at most so many, the longest due first."""
    due = list(
        ServiceWebhook.objects.select_related("workflow", "run_as", "secret")
        .filter(next_at__lte=AutomateNow())
        .order_by("next_at")
        .select_for_update(of=("self",), skip_locked=True, no_key=True)[:most]
    )
    if not due:
        return []
    at = now()
    leased = [webhook for webhook in due if take_lease(webhook, LOST, at, FIRST_WAIT)]
    ServiceWebhook.objects.bulk_update(due, [*LEASED, *FAILED])
    return [
        Lease(
            pk=webhook.pk,
            token=webhook.token,
            slug=webhook.workflow.slug if webhook.workflow else "",
            run_as=webhook.run_as,
            webhook=webhook,
        )
        for webhook in leased
    ]


def seconds_to_next() -> float | None:
    """Seconds until something is due; None when nothing will be."""
    next_at = ServiceWebhook.objects.aggregate(seconds=models.Min("next_at") - AutomateNow())["seconds"]
    return None if next_at is None else max(next_at.total_seconds(), 0.0)


# --- one call ---------------------------------------------------------------------------------------------------------


def run_lease(lease: Lease) -> bool:
    """Call the service, and write what came of it. Never raises; gives False, as nothing follows at once.

    No transaction and no connection to the database is open while the service is asked.
    """
    try:
        with redactor_context() as redactor:
            try:
                found = _call_service(lease)
                reach("webhook.called", lease.webhook.key)
                if isinstance(found, Found):
                    _store_changes(lease, found, redactor)
                else:
                    _store(lease, found)
                reach("webhook.committed", lease.webhook.key)
            except ConnectorError as error:
                message = redact_text(error.message)
                log.info("workflow %s: its webhook %s failed: %s", lease.slug, lease.webhook.webhook, message)
                _store_failure(lease, error)
    except (DatabaseError, psycopg.Error) as error:  # the lease runs out, and it is tried again
        log.warning("workflow %s: its webhook could not be saved: %s", lease.slug, str(error).strip())
    except Exception as error:  # a thread that dies would leave nobody to register
        log.exception("workflow %s: its webhook %s failed", lease.slug, lease.webhook.webhook)
        _store_failure(lease, ConnectorError(f"{type(error).__name__}: {error}", code="internal_error"))
    finally:
        connections.close_all()
    return False


def _call_service(lease: Lease) -> Registration | Found | None:
    """The registration as it is now, None once it is removed, or the changes that it announces.

    Raises ConnectorError.
    """
    webhook = lease.webhook
    try:
        adapter, described = find_webhook(webhook.webhook)
    except LookupError as error:
        raise ConnectorError(str(error), code="connector_not_found") from error
    at = now()
    secret = webhook.secret.reveal() if webhook.secret else ""
    # The same until a registration is stored; where one that was made before is found, each attempt is a new request
    since = int(webhook.registered_at.timestamp()) if webhook.registered_at else 0
    key = f"webhook-{webhook.slug}-{lease.token if adapter.can_find_webhooks else since}"
    with open_call(adapter, webhook.connection, run_as=lease.run_as, workflow=lease.slug, key=key) as call:
        calls = WebhookCalls(
            adapter=adapter,
            webhook=described,
            inputs=dict(webhook.inputs),
            events=tuple(webhook.events) or described.event_types,
            url=hook_url(webhook.slug),
            context=call.context,
        )
        known = _known(webhook, at)
        if _is_removed(webhook):
            return call.perform(lambda: _remove(calls, known))
        if known is not None and _has_moved(webhook) and not described.announces:
            return call.perform(lambda: _move(calls, known, secret))
        is_due = webhook.renew_at is not None and webhook.renew_at <= at
        renewed = known if is_due or _has_moved(webhook) else None
        if described.announces and known is None:
            renewed = _stored(webhook)  # another one in its place goes on where it ended
        if renewed is not None:
            return call.perform(lambda: calls.renew(renewed, secret))
        if described.announces and known is not None:
            return call.perform(lambda: calls.read_changes(known))
        return call.perform(lambda: _ensure(calls, known, secret))


def _known(webhook: ServiceWebhook, at: dt.datetime) -> Registration | None:
    """The registration that is stored, unless it has expired."""
    return None if webhook.expires_at is not None and webhook.expires_at <= at else _stored(webhook)


def _stored(webhook: ServiceWebhook) -> Registration | None:
    """The registration that is stored, also one that has expired."""
    if not webhook.registration_id:
        return None
    return Registration(id=webhook.registration_id, expires=webhook.expires_at, data=webhook.data)


def _is_removed(webhook: ServiceWebhook) -> bool:
    return webhook.state == State.REMOVING or webhook.workflow_id is None


def _has_moved(webhook: ServiceWebhook) -> bool:
    """Whether the site had another URL when it registered."""
    return bool(webhook.url) and webhook.url != hook_url(webhook.slug)


def _move(calls: WebhookCalls, known: Registration, secret: str) -> Registration:
    calls.remove(known)
    return calls.register(secret)


def notice_moves() -> None:
    """Have the registrations of a former URL of the site replaced at once."""
    for webhook in ServiceWebhook.objects.filter(state=State.REGISTERED, next_at__gt=now()).exclude(url=""):
        if _has_moved(webhook):
            ServiceWebhook.objects.filter(pk=webhook.pk, lease_until=None).update(next_at=now())


def _remove(calls: WebhookCalls, known: Registration | None) -> None:
    registration = known or calls.find()  # it may have been made by a worker that died
    if registration is not None:
        calls.remove(registration)


def _ensure(calls: WebhookCalls, known: Registration | None, secret: str) -> Registration:
    """The registration that is there, else a new one. Raises ConnectorError."""
    if known is not None and not calls.adapter.can_find_webhooks:
        return known
    found = calls.find()
    is_known = found is not None and known is not None and found.id == known.id
    if found is not None and calls.webhook.makes_secret and not is_known:
        calls.remove(found)  # nobody knows its secret any more
        found = None
    if found is None:
        if known is not None:
            calls.remove(known)  # of the URL that the site had before, or one that was deleted at the service
        return calls.register(secret)
    return replace(found, expires=known.expires, data=known.data) if is_known and known and not found.expires else found


# --- what came of it --------------------------------------------------------------------------------------------------


@transaction.atomic
def _store(lease: Lease, registration: Registration | None) -> None:
    """Write the registration, or delete the row of one that is removed; nothing when the lease is another's.

    A workflow that left it meanwhile has it removed at once.
    """
    webhook = _locked(lease)
    if webhook is None:
        return
    if registration is None:
        forget(webhook)
        return
    at = now()
    count_success(webhook)
    is_other = webhook.registration_id != registration.id or webhook.expires_at != registration.expires
    webhook.registration_id, webhook.data = registration.id, dict(registration.data)
    webhook.expires_at, webhook.due_since = registration.expires, at
    if is_other or webhook.registered_at is None:
        webhook.registered_at, webhook.renew_at = at, _renewal(at, registration.expires)
    if registration.secret and webhook.workflow is not None:
        _replace_secret(webhook, webhook.workflow, registration.secret)
    if _is_removed(webhook):
        webhook.next_at = at
    else:
        webhook.url = hook_url(webhook.slug)
        webhook.state, webhook.next_at = State.REGISTERED, _next_call(webhook, at)
    webhook.save()


@transaction.atomic
def _store_changes(lease: Lease, found: Found, redactor: Redactor) -> None:
    """Write the events of changes, and the place behind them, both or neither; nothing when the lease is another's.

    What was announced meanwhile is read at once.
    """
    webhook = _locked(lease)
    if webhook is None:
        return
    at = now()
    if not _is_removed(webhook):
        ingest_changes(webhook, lease.slug, found.items, redactor)
    count_success(webhook)
    webhook.data, webhook.due_since = dict(found.cursor), at
    if webhook.announced_at == lease.webhook.announced_at and not found.more:
        webhook.announced_at = None
    has_more = found.more or webhook.announced_at is not None or _is_removed(webhook)
    asked = next_page_at(webhook, at, at + AFTER_LIMIT, has_more=has_more, new=found.items)
    webhook.next_at = asked if has_more else _next_call(webhook, at)
    webhook.save()


def _replace_secret(webhook: ServiceWebhook, workflow: Workflow, value: str) -> None:
    """Keep the secret that the service made."""
    if webhook.secret is None:
        webhook.secret = store_secret(workflow, webhook.slug, value)
    else:
        webhook.secret.put(value)
        webhook.secret.save()


def _renewal(at: dt.datetime, expires: dt.datetime | None) -> dt.datetime | None:
    """When a registration is renewed: after most of its time, spread, so that those of one day do not come together."""
    if expires is None:
        return None
    whole = max(expires - at, dt.timedelta(0))
    early = max(whole * RENEWAL, whole - RENEWAL_DAYS) if whole * (1 - RENEWAL) > RENEWAL_DAYS else whole * RENEWAL
    return at + dt.timedelta(seconds=min(spread(early.total_seconds()), whole.total_seconds() * 0.95))


def _next_call(webhook: ServiceWebhook, at: dt.datetime) -> dt.datetime | None:
    """When the service is called next: to renew it, to see whether it is still there, or what it announced in vain.

    Not at once, also where a service says that the registration is over, or does not extend it.
    """
    renewal = max(webhook.renew_at, at + dt.timedelta(seconds=spread(FIRST_WAIT))) if webhook.renew_at else None
    try:
        adapter, described = find_webhook(webhook.webhook)
    except LookupError:
        return renewal
    is_checked = adapter.can_find_webhooks or described.announces
    check = at + dt.timedelta(seconds=spread(CHECK_SECONDS)) if is_checked else None
    return min(filter(None, (check, renewal)), default=None)


@transaction.atomic
def _store_failure(lease: Lease, error: ConnectorError) -> None:
    """Write a failure, unless the lease is another's. The next call waits the longer, the more have failed."""
    webhook = _locked(lease)
    if webhook is None:
        return
    at = now()
    count_failure(webhook, error, at, FIRST_WAIT)
    if _is_removed(webhook) and webhook.failures >= MOST_REMOVALS:
        log.warning("%s: a webhook remains at its service because it cannot be removed: %s", lease.slug, webhook.error)
        forget(webhook)
        return
    if webhook.state == State.REGISTERED and webhook.expires_at is not None and webhook.expires_at <= at:
        webhook.state = State.REGISTERING
    webhook.save()


def _locked(lease: Lease) -> ServiceWebhook | None:
    rows = ServiceWebhook.objects.select_related("workflow", "secret")
    return rows.select_for_update(of=("self",), no_key=True).filter(pk=lease.pk, token=lease.token).first()


# --- health -----------------------------------------------------------------------------------------------------------


def failing_webhooks(failures: float) -> models.QuerySet[ServiceWebhook]:
    """Webhooks of active workflows that failed at least so often in succession."""
    active = ServiceWebhook.objects.filter(workflow__status=Workflow.Status.ACTIVE).exclude(state=State.REMOVING)
    return active.filter(failures__gte=failures)

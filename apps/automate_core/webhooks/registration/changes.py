"""Changes that a service announces: read from it by a worker, each of them one event.

The deliveries of such a webhook carry no data. One marks the row, and the worker that leases it reads the changes
behind the place that the registration has in its `data`. Events and the new place are stored in one transaction.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Case, F, When

from automate_connectors.polling.calls import FoundItem
from automate_core.database import AutomateNow
from automate_core.ids import new_trace_id
from automate_core.models import ServiceWebhook
from automate_core.outbox.ingest import EventIngestor, NewEvent
from automate_core.triggers.polling import ITEM_ID, ITEM_TIME, item_key
from automate_governance.redaction.redactor import Redactor


def announce_changes(webhook_id: int) -> None:
    """Have a worker read the changes at once, or right after the call that it makes now."""
    due = Case(When(lease_until=None, then=AutomateNow()), default=F("next_at"))
    rows = ServiceWebhook.objects.filter(pk=webhook_id, state=ServiceWebhook.State.REGISTERED)
    rows.update(announced_at=AutomateNow(), next_at=due)


def ingest_changes(webhook: ServiceWebhook, slug: str, items: Iterable[FoundItem], redactor: Redactor) -> None:
    """Store an event for each change, in the transaction that stores the new place. `slug` is the workflow's."""
    events = [_event(webhook, slug, item, redactor) for item in items]
    if events:
        EventIngestor().ingest(*events)


def _event(webhook: ServiceWebhook, slug: str, item: FoundItem, redactor: Redactor) -> NewEvent:
    return NewEvent(
        source=f"service:{slug}",
        type=webhook.key,
        payload=redactor.document(item.data.decode()),
        delivery_key=item_key(webhook.key, webhook.digest, item.id),
        trace_id=new_trace_id(),
        headers={ITEM_ID: item.id, **({ITEM_TIME: item.time.isoformat()} if item.time else {})},
    )

"""Functions for the host project's own code.

from automate_core.api import emit

with transaction.atomic():
    order.save()
    emit("order.paid", {"order": order.pk})
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from automate_core.outbox.ingest import EventIngestor, Ingested, NewEvent
from automate_core.triggers.host_events import as_json


def emit(event_type: str, payload: Mapping[str, Any], *, key: str | None = None) -> Ingested:
    """Hand in an event of the host's code, for the triggers `{kind: event, event: TYPE}`.

    It belongs to the caller's transaction: a rollback leaves nothing. Two events with one `key` are one. Dates,
    decimals and UUIDs in `payload` become what JSON has for them. Raises psycopg.Error when the database does not take
    it, and TypeError for what no JSON can hold.
    """
    [ingested] = EventIngestor().ingest(
        NewEvent(source="app", type=event_type, payload=as_json(payload), delivery_key=key)
    )
    return ingested

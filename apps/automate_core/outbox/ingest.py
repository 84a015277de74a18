"""EventIngestor: stores an event with its outbox job, both or neither, once for each delivery.

The statement takes any number of events as one JSON document, so that one row and a hundred cost one round trip.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import psycopg

from automate_core import database
from automate_core.definition.document import FormField
from automate_core.ids import new_trace_id, uuid7
from automate_core.outbox import notify, subjects
from automate_core.outbox.lifecycle import DISPATCH_JOBS
from automate_plugins import text

INGEST = f"""
WITH incoming AS (
    SELECT * FROM json_to_recordset(%(events)s::json) AS e(
        id uuid, source text, endpoint_id bigint, type text, delivery_key text, payload jsonb, headers jsonb,
        trace_id text, subject text)
), accepted AS (
    INSERT INTO automate_core_event
        (id, source, endpoint_id, type, delivery_key, payload, headers, trace_id, received_at, subject)
    SELECT id, source, endpoint_id, type, delivery_key, payload, headers, trace_id, automate_now(), subject
    FROM incoming
    ON CONFLICT (source, delivery_key, endpoint_id) WHERE delivery_key IS NOT NULL DO NOTHING
    RETURNING id, source, type
), new_events AS (SELECT * FROM accepted), new_jobs AS ({DISPATCH_JOBS})
SELECT id FROM accepted
"""  # noqa: S608 - one of our own texts inside another

FIRST_DELIVERIES = """
SELECT source, delivery_key, endpoint_id, id, trace_id FROM automate_core_event
JOIN json_to_recordset(%(keys)s::json) AS k(source text, delivery_key text, endpoint_id bigint)
    USING (source, delivery_key, endpoint_id)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    """An event to store. `payload` is a JSON document as text, stored as it was received.

    `source` says where it came from (`webhook:<slug>`), and `endpoint_id` which endpoint took it, if one did. Two
    events of both with one `delivery_key` are one. Who stores files for it first gives it its `id` (`uuid7`).
    `form` has the fields whose answers the payload is.
    """

    source: str
    type: str
    payload: str
    endpoint_id: int = 0
    delivery_key: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    trace_id: str = field(default_factory=new_trace_id)
    id: uuid.UUID = field(default_factory=uuid7)
    form: Sequence[FormField] = ()


@dataclass(frozen=True, slots=True)
class IngestResult:
    """The ids of a stored event, or those of the first delivery when it is a duplicate."""

    event_id: str
    trace_id: str
    duplicate: bool


class IngestBatch:
    """Events for one statement, and the reading of its results."""

    def __init__(self, events: Iterable[NewEvent]) -> None:
        self.events = [(str(event.id), event) for event in events]

    def document(self) -> str:
        """The statement's parameter."""
        return msgspec.json.encode(
            [
                {
                    "id": identifier,
                    "source": event.source,
                    "endpoint_id": event.endpoint_id,
                    "type": event.type,
                    "delivery_key": event.delivery_key,
                    "payload": msgspec.Raw(event.payload.encode()),
                    "headers": dict(event.headers),
                    "trace_id": event.trace_id,
                    "subject": subjects.guess_subject_of_json(event.payload, event.form),
                }
                for identifier, event in self.events
            ]
        ).decode()

    def keys(self, accepted: set[str]) -> str:
        """The parameter that finds the first deliveries of events not accepted; empty when all were."""
        duplicates = [event for identifier, event in self.events if identifier not in accepted]
        keys = [
            {"source": event.source, "delivery_key": event.delivery_key, "endpoint_id": event.endpoint_id}
            for event in duplicates
        ]
        return msgspec.json.encode(keys).decode() if keys else ""

    def results(self, accepted: set[str], first: Iterable[Any]) -> list[IngestResult]:
        """One result for each event, in order. Raises psycopg.OperationalError when a first delivery has vanished."""
        known = {(row.source, row.delivery_key, row.endpoint_id): row for row in first}
        results = []
        for identifier, event in self.events:
            if identifier in accepted:
                results.append(IngestResult(identifier, event.trace_id, duplicate=False))
            else:
                row = known.get((event.source, event.delivery_key, event.endpoint_id))
                if row is None:
                    raise psycopg.OperationalError(
                        text("The first delivery with this key was just deleted. Send the delivery again.")
                    )
                results.append(IngestResult(str(row.id), row.trace_id, duplicate=True))
        return results


class EventIngestor:
    """The only way in for events. Atomic with the caller's transaction when there is one."""

    def find_first_delivery(self, source: str, delivery_key: str) -> IngestResult | None:
        """The stored event of a source without endpoint that has this key, as a duplicate; None when there is none."""
        key = [{"source": source, "delivery_key": delivery_key, "endpoint_id": 0}]
        found = database.run(None, FIRST_DELIVERIES, {"keys": msgspec.json.encode(key).decode()})
        return IngestResult(str(found[0].id), found[0].trace_id, duplicate=True) if found else None

    def ingest(self, *events: NewEvent) -> list[IngestResult]:
        """Accept events, all or none. Raises psycopg.Error when the database does not take them.

        An event with the key of an earlier one is answered with the earlier one's ids. The worker is woken after
        the commit.
        """
        batch = IngestBatch(events)
        accepted = {str(row.id) for row in database.run(None, INGEST, {"events": batch.document()})}
        keys = batch.keys(accepted)
        first = database.run(None, FIRST_DELIVERIES, {"keys": keys}) if keys else []
        if accepted:
            notify.after_commit()
        return batch.results(accepted, first)

"""The scope of `event` in expressions: the same names and formats for runs, filters, previews, limits and re-runs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from automate_core.models import Event
    from automate_core.outbox.store import ClaimedJob


def event_scope(event: Event | None) -> dict[str, Any]:
    """The scope of a stored event; without one, all names are there and empty."""
    if event is None:
        return _scope("", "", "", None, {}, None)
    return _scope(str(event.pk), event.source, event.type, event.payload, event.headers, event.received_at)


def job_event_scope(job: ClaimedJob) -> dict[str, Any]:
    """The scope of the event that was claimed with a job."""
    if job.event_id is None:
        return event_scope(None)
    payload = msgspec.json.decode(job.payload) if job.payload else None
    headers = msgspec.json.decode(job.headers) if job.headers else {}
    return _scope(str(job.event_id), job.source or "", job.type or "", payload, headers, job.received_at)


def _scope(
    identifier: str, source: str, kind: str, payload: Any, headers: Mapping[str, str], at: dt.datetime | None
) -> dict[str, Any]:
    time = f"{at.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%S.%fZ}" if at else ""
    return {"payload": payload, "type": kind, "source": source, "headers": headers, "id": identifier, "time": time}

"""Event search: by key, by index, and for other filters among a bounded number of the newest events."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from django.db.models import BooleanField, Manager, Q, QuerySet, TextField
from django.db.models.expressions import RawSQL
from django.db.models.functions import Cast
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from automate_core.events import access
from automate_core.events.access import EventAccess
from automate_core.ids import first_uuid7
from automate_core.models import Event
from automate_operations.queries.run_filters import PERIODS, find_period
from automate_operations.queries.trace_ids import TRACE_BEGINNING, hexadecimal
from automate_plugins import text
from automate_plugins.errors import AutomateError

ON_A_PAGE = 25
SLICES = (200, 1_800, 8_000)  #: how many of the newest events are looked at, one after the other, until a page is full
_SKEW = dt.timedelta(hours=1)  #: by which the clock that made a key may differ from the database's

type Between = tuple[uuid.UUID | None, uuid.UUID | None]


class SearchError(AutomateError, ValueError):
    """An unreadable filter; the message says what to write."""


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """Events, newest first. `more` says that there are others; else `looked` events were searched, down to `edge`."""

    rows: list[Event] = field(default_factory=list)
    more: bool = False
    looked: int = 0
    edge: uuid.UUID | None = None


def find_events(
    reach: EventAccess,
    readable: EventAccess,
    filters: Mapping[str, str],
    between: Between,
    now: dt.datetime,
    *,
    most: int | None = None,
) -> SearchResult:
    """One page of accessible events: those below the key `after`, or the nearest above `before`. By default ON_A_PAGE.

    `readable` is the access to payloads, which `held` searches. Raises SearchError.
    """
    most = ON_A_PAGE if most is None else most
    after, before = between
    conditions = _conditions(reach, readable, filters, now)
    narrowed = reach.limited_to({filters["source"]}) if "source" in filters else reach
    if "q" in filters:
        return _find_named(filters["q"], narrowed, conditions, between, most)
    above, below = _keys(filters, now)
    if before:
        above = max(before, above) if above else before
    elif after:
        below = min(after, below) if below else after
    if narrowed.is_partial:
        conditions.append(narrowed.condition())
    return _in_slices(narrowed, conditions, (above, below), most, is_back=bool(before))


def _find_named(text: str, reach: EventAccess, conditions: list[Q], between: Between, most: int) -> SearchResult:
    """The events that a text names."""
    after, before = between
    rows: dict[uuid.UUID, Event] = {}
    for part in lookup_events(text, reach):
        beyond = part.filter(pk__lt=after) if after else part.filter(pk__gt=before) if before else part
        nearest = _without_payload(beyond).filter(*conditions).order_by("pk" if before else "-pk")
        rows |= {row.pk: row for row in nearest[: most + 1]}
    return _build_page(sorted(rows.values(), key=lambda row: row.pk, reverse=not before), most, is_back=bool(before))


def lookup_events(text: str, reach: EventAccess) -> list[QuerySet[Event]]:
    """Accessible events by trace id or its beginning, by id or by delivery key: each as a query, by index."""
    plain = hexadecimal(text)
    mine = Event.objects.filter(reach.condition())
    parts = [mine.filter(source__in=reach.names, delivery_key=text)]
    if len(plain) == 32:
        parts += [mine.filter(trace_id=plain), mine.filter(pk=uuid.UUID(plain))]
    elif len(plain) >= TRACE_BEGINNING:
        parts.append(mine.filter(trace_id__gte=plain, trace_id__lt=f"{plain}g"))
    return parts


def has_id_among(ids: list[uuid.UUID]) -> RawSQL:
    """The condition that an event has one of these ids. As one parameter: their number is not part of the statement."""
    return RawSQL("automate_core_event.id = ANY(%s::uuid[])", [ids], output_field=BooleanField())


# --- conditions -------------------------------------------------------------------------------------------------------


def _conditions(reach: EventAccess, readable: EventAccess, filters: Mapping[str, str], now: dt.datetime) -> list[Q]:
    """The conditions of filters other than the source. Raises SearchError."""
    found = []
    if "type" in filters:
        found.append(Q(type=filters["type"]))
    if "show" in filters:
        started = Q(access.has_started_run(reach.workflows))
        found.append(started if filters["show"] == "started" else ~started)
    first, last = _times(filters, now)
    if first:
        found.append(Q(received_at__gte=first))
    if last:
        found.append(Q(received_at__lte=last))
    if held := filters.get("held"):
        found += [readable.condition(), _payload_contains(held)]
    return found


def _payload_contains(sought: str) -> Q:
    """The condition that a payload contains a JSON document, or a text as it stands in it."""
    try:
        document = json.loads(sought, parse_constant=str)
    except (ValueError, RecursionError):
        document = sought
    if isinstance(document, dict | list) and document:
        return Q(payload__contains=document)
    inner = json.dumps(sought, ensure_ascii=False)[1:-1]
    return Q(payload_text__icontains=inner)


def _parse_time(text: str) -> dt.datetime | None:
    try:
        moment = parse_datetime(text)
    except ValueError:
        return None
    if moment is None or not 1970 < moment.year < 9000:
        return None
    return moment if timezone.is_aware(moment) else timezone.make_aware(moment)


def _times(filters: Mapping[str, str], now: dt.datetime) -> tuple[dt.datetime | None, dt.datetime | None]:
    """The first and the last time that the filters ask for. Raises SearchError."""
    times = {name: _parse_time(filters[name]) for name in ("since", "until") if name in filters}
    last = times.get("until")
    if (period := filters.get("since")) in PERIODS:
        times["since"], end = find_period(period, now)
        last = min(filter(None, (last, end and end - dt.timedelta.resolution)), default=None)
    if None in times.values():
        raise SearchError(text("Enter a date and a time, for example %(example)s.", example="2026-11-30 17:15"))
    return times.get("since"), last


def _keys(filters: Mapping[str, str], now: dt.datetime) -> Between:
    """(above, below): keys between which events of the times asked for are, since keys begin with their time."""
    first, last = _times(filters, now)
    return first_uuid7(first - _SKEW) if first else None, first_uuid7(last + _SKEW) if last else None


# --- slices -----------------------------------------------------------------------------------------------------------


def _in_slices(
    reach: EventAccess,
    conditions: list[Q],
    keys_between: Between,
    most: int,
    *,
    is_back: bool,
) -> SearchResult:
    """Slice by slice until a page is full, nothing is left, or enough was looked at."""
    above, below = keys_between
    found: list[Event] = []
    looked, edge = 0, None
    for size in SLICES if conditions else (most + 1,):
        keys = reach.newest(size, above=above, below=below, rising=is_back)
        looked += len(keys)
        if keys:
            rows = (
                _without_payload(Event.objects)
                .filter(has_id_among(keys), *conditions)
                .order_by("pk" if is_back else "-pk")
            )
            found += rows[: most + 1 - len(found)]
        edge = keys[-1] if len(keys) == size else None
        if len(found) > most or edge is None:
            break
        above, below = (edge, below) if is_back else (above, edge)
    cut = _build_page(found, most, is_back=is_back)
    return cut if cut.more or not conditions else replace(cut, looked=looked, edge=edge)


def _without_payload(rows: QuerySet[Event] | Manager[Event]) -> QuerySet[Event]:
    """The rows without payload and headers; `payload_text` is there to be searched."""
    return rows.defer("payload", "headers").alias(payload_text=Cast("payload", TextField()))


def _build_page(found: list[Event], most: int, *, is_back: bool) -> SearchResult:
    rows = found[:most]
    return SearchResult(rows=rows[::-1] if is_back else rows, more=len(found) > most)

"""The event inbox: events, newest first, and the runs they started.

Pages are keyset pages. Filters without an index (type, runs, payload text) scan a bounded number of the newest events
in a bounded time; the page says how far they came.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from django.db import DataError
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from automate_core.events import access
from automate_core.events.access import EventAccess
from automate_core.models import Event, ExecutionRun, OutboxJob, Workflow
from automate_core.states import JobStatus
from automate_governance.admin_site import reverse
from automate_governance.audit import payload_views
from automate_governance.permissions import SITE, User, can, holds_anywhere
from automate_governance.texts import escape_invisible, translated
from automate_operations.queries.event_search import SearchError, SearchResult, find_events, has_id_among
from automate_operations.queries.run_filters import PERIODS
from automate_operations.queries.statement_timeout import QueryTimeoutError, bounded_queries
from automate_studio.view_models.event_sources import EventSource, describe_source
from automate_ui.keyset_pages import KeysetPage, keyset_links
from automate_ui.navigation.http import parse_uuid
from automate_ui.navigation.lists import FilterChoice, Query, Tab, query_string

RUNS_SHOWN = 3  #: of one event in the list
RECENT = 500  #: of the newest events, the sources and types to choose from are taken
MOST_CHOICES = 60

_TABS = {
    "": gettext_lazy("All events"),
    "started": gettext_lazy("Started a run"),
    "nothing": gettext_lazy("Started no run"),
}


@dataclass(frozen=True, kw_only=True)
class EventRow:
    """An event in the list. `is_unprocessed`: no worker has processed it yet. `more`: it started further runs.

    `replay`: the newest event that it was replayed as, if it started nothing itself.
    `subject` is empty for people who may not view the payload.
    """

    event: Event
    source: EventSource
    runs: list[ExecutionRun]
    more: bool
    is_unprocessed: bool
    replay: uuid.UUID | None = None
    subject: str = ""


@dataclass(frozen=True, kw_only=True)
class EventPage(KeysetPage):
    """A page of the inbox. `scanned` events were scanned, back to `scanned_to`, unless the scan was complete.

    `continue_url` continues the scan; `stopped` means that it timed out, `is_live` that new events appear.
    `may_replay`: the events are some that started nothing, and the person may replay them.
    `address` is the query of the filters.
    """

    choices: list[FilterChoice]
    until: str
    held: str
    may_search: bool
    may_erase: bool = False
    scanned: int = 0
    scanned_to: dt.datetime | None = None
    continue_url: str = ""
    stopped: bool = False
    error: str = ""
    is_live: bool = False
    may_replay: bool = False
    address: str = ""


def event_tabs(kept: Mapping[str, str], *, of_refused: bool = False) -> list[Tab]:
    """Tabs of named filters, and the tab of rejected deliveries."""
    base = "" if not of_refused else reverse("admin:automate_core_event_changelist")
    shown = [
        Tab(
            name=str(name),
            url=base + query_string({**kept, "show": key}),
            active=not of_refused and key == kept.get("show", ""),
        )
        for key, name in _TABS.items()
    ]
    return [*shown, Tab(name=_("Rejected deliveries"), url=reverse("studio:event_rejected"), active=of_refused)]


def event_page(user: User, query: Query, now: dt.datetime) -> EventPage:
    """A page of the events that `user` may view, newest first."""
    kept = list_filters(query)
    reach = access.find_event_access(user, "view")
    readable = access.find_event_access(user, "view_payload")
    after, before = parse_uuid(query.get("after")), parse_uuid(query.get("before"))
    found, choices, stopped, error = SearchResult(), _with_selected(kept, [], []), False, ""
    if "held" in kept and not readable.is_empty:
        payload_views.record_search(user)
    try:
        with bounded_queries():
            choices = _filter_choices(reach, kept)
            found = find_events(reach, readable, kept, (after, before), now)
    except SearchError as unreadable:
        error = str(unreadable)
    except DataError:
        error = _("This text contains characters that no payload can contain, such as NUL.")
    except QueryTimeoutError:
        stopped = True
    rows = found.rows
    may_replay = kept.get("show") == "nothing" and not readable.is_empty and holds_anywhere(user, "run", Workflow)
    back_to = Event.objects.filter(pk=found.edge).values_list("received_at", flat=True).first() if found.edge else None
    return EventPage(
        rows=_event_rows(rows, user, reach, readable),
        tabs=event_tabs(kept),
        search=kept.get("q", ""),
        filtered=bool(kept),
        hidden={name: kept[name] for name in ("show",) if name in kept},
        choices=choices,
        until=kept.get("until", ""),
        held=kept.get("held", ""),
        may_search=not readable.is_empty,
        may_erase=can(user, "erase", SITE),
        scanned=found.looked,
        scanned_to=back_to,
        continue_url=query_string({**kept, "before" if before else "after": str(found.edge)}) if found.edge else "",
        stopped=stopped,
        error=error,
        may_replay=may_replay,
        address=query_string(kept),
        is_live=not (may_replay or after or before or "held" in kept or stopped or error),
        **keyset_links(rows, kept, lambda row: row.pk, more=found.more, after=after, before=before),
    )


# --- what is asked for ------------------------------------------------------------------------------------------------


def list_filters(query: Query) -> dict[str, str]:
    """Valid parameters of the list, repeated in its links; invalid ones are dropped."""
    names = ("show", "q", "source", "type", "since", "until", "held")
    given = {name: (query.get(name) or "").replace("\0", "").strip()[:200] for name in names}
    known: dict[str, Collection[str]] = {"show": _TABS, "since": PERIODS}
    return {name: value for name, value in given.items() if value and value in known.get(name, (value,))}


# --- the page ---------------------------------------------------------------------------------------------------------


def _event_rows(found: list[Event], user: User, reach: EventAccess, readable: EventAccess) -> list[EventRow]:
    keys = [event.pk for event in found]
    if not keys:
        return []
    rows = Event.objects.filter(pk__in=keys)
    started: dict[uuid.UUID, list[uuid.UUID]] = dict(
        rows.values_list("pk", access.started_run_ids(user, RUNS_SHOWN + 1))
    )
    subjects = dict(rows.filter(readable.condition()).exclude(subject="").values_list("pk", "subject"))
    payload_views.record_subjects(user, subjects.values())
    wanted = [run for runs in started.values() for run in runs]
    runs = ExecutionRun.objects.select_related("workflow").only("status", "workflow__name", "workflow__slug")
    by_key = runs.in_bulk(wanted)
    jobs = OutboxJob.objects.filter(event__in=keys, kind="dispatch", status__in=[JobStatus.READY, JobStatus.LEASED])
    ahead = set(jobs.values_list("event_id", flat=True))
    replays = _find_replays([event for event in found if not started.get(event.pk)], reach)
    return [
        EventRow(
            event=event,
            source=describe_source(event.source),
            runs=[by_key[run] for run in started.get(event.pk, [])[:RUNS_SHOWN] if run in by_key],
            more=len(started.get(event.pk, [])) > RUNS_SHOWN,
            is_unprocessed=event.pk in ahead,
            replay=replays.get(event.pk),
            subject=escape_invisible(subjects.get(event.pk, "")),
        )
        for event in found
    ]


def _find_replays(events: list[Event], reach: EventAccess) -> dict[uuid.UUID, uuid.UUID]:
    """The newest visible replay of each of the events that has one."""
    if not events:
        return {}
    traces, keys = {event.trace_id for event in events}, [event.pk for event in events]
    replays = Event.objects.filter(reach.condition(), trace_id__in=traces, replay_of__in=keys)
    return {event: replay for event, replay in replays.order_by("pk").values_list("replay_of", "pk") if event}


def _filter_choices(reach: EventAccess, kept: dict[str, str]) -> list[FilterChoice]:
    """Sources and types of the newest events, and the periods."""
    keys = reach.newest(RECENT)
    seen = Event.objects.filter(has_id_among(keys), reach.condition() if reach.is_partial else Q()).order_by()
    pairs = sorted(set(seen.values_list("source", "type").distinct()[: 4 * MOST_CHOICES]))
    sources = list(dict.fromkeys(origin for origin, _type in pairs))
    chosen = kept.get("source", "")
    types = list(dict.fromkeys(kind for origin, kind in pairs if kind and chosen in {"", origin}))
    return _with_selected(kept, sources[:MOST_CHOICES], sorted(types)[:MOST_CHOICES])


def _with_selected(kept: dict[str, str], sources: list[str], types: list[str]) -> list[FilterChoice]:
    """Choices, including the selected ones in any case."""
    present, kind = kept.get("source", ""), kept.get("type", "")
    sources = sources if not present or present in sources else [present, *sources]
    types = types if not kind or kind in types else [kind, *types]
    return [
        FilterChoice(
            name="source", label=_("Source"), value=present, options=[(each, _type_option(each)) for each in sources]
        ),
        FilterChoice(name="type", label=_("Type"), value=kind, options=[(each, each) for each in types]),
        FilterChoice(
            name="since",
            label=_("Received"),
            value=kept.get("since", ""),
            options=[(key, translated(name)) for key, name in PERIODS.items()],
        ),
    ]


def _type_option(text: str) -> str:
    said = describe_source(text)
    return _("%(kind)s, %(name)s") % {"kind": said.kind, "name": said.name} if said.name else said.kind

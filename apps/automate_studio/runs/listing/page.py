"""The run list: filtered by its address, paged by key, with a histogram above it."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from django.utils import timezone
from django.utils.translation import gettext as _

from automate_core.ids import uuid7_time
from automate_core.models import Workflow
from automate_governance.permissions import User, holds_anywhere
from automate_governance.texts import translated
from automate_operations.queries.run_filters import ORIGINS, PERIODS, REASONS, RERUNS, STATUSES
from automate_operations.queries.run_search import FIRST, LAST, RunSearch
from automate_plugins import text
from automate_studio.runs.listing.histogram import Histogram, build_histogram
from automate_studio.runs.listing.saved_views import ViewBar, build_view_bar
from automate_ui.navigation.http import parse_uuid
from automate_ui.navigation.lists import Query
from automate_ui.runs.run_filters import CHIPS, Chip, Filters, parse_filters
from automate_ui.runs.run_rows import RunRow, build_run_rows

ON_A_PAGE = 25
_SHOWN_ALWAYS = ("status", "rerun", "time", "workflow", "origin")  #: filters that can be added by a button of their own
_CHOSEN = {"status": STATUSES, "reason": REASONS, "origin": ORIGINS, "rerun": RERUNS}
_LABELS = {
    "status": text("Status"),
    "time": text("Started"),
    "workflow": text("Workflow"),
    "origin": text("Trigger"),
    "rerun": text("Re-run status"),
}


@dataclass(frozen=True, kw_only=True)
class FilterEditor:
    """Editor of a filter: its chip, when set, and a form with `template`, which keeps `hidden`.

    `options` are (value, label, whether chosen); `values` are its fields' values; `reasons` are wait reasons, in the
    editor of the other filters.
    """

    kind: str
    label: str
    template: str
    hidden: Mapping[str, str]
    values: Mapping[str, str]
    options: list[tuple[str, str, bool]] = field(default_factory=list)
    reasons: list[tuple[str, str]] = field(default_factory=list)
    chip: Chip | None = None


@dataclass(frozen=True, kw_only=True)
class RunListPage:
    """A page of runs, and URLs of the pages before and after (empty for none).

    `scanned_to` is the oldest scanned time, when a filter without an index found less than a page. `query` is the
    page's own query, `filtered` whether there is a filter to clear.
    """

    rows: list[RunRow]
    bar: ViewBar | None
    may_bulk: bool
    filters: Filters
    editors: list[FilterEditor]
    query: str
    filtered: bool
    search: str
    hidden: dict[str, str]
    previous: str = ""
    following: str = ""
    scanned_to: dt.datetime | None = None
    histogram: Histogram | None = None


def run_list_page(user: User, query: Query, now: dt.datetime, *, whole: bool = True) -> RunListPage:
    """A page of the runs that `user` may view, newest first; only the rows unless `whole`."""
    filters = parse_filters(query)
    search = RunSearch(user, filters, now)
    ids, looked_to, links = _page_ids(search, parse_uuid(query.get("after")), parse_uuid(query.get("before")))
    newest = ids[0] if ids else None
    return RunListPage(
        rows=build_run_rows(ids, user, now),
        bar=build_view_bar(user, filters) if whole else None,
        may_bulk=filters.tab != "tests" and holds_anywhere(user, "run", Workflow),
        filters=filters,
        editors=_filter_editors(filters, search) if whole else [],
        query=filters.address(**{name: str(query.get(name) or "") for name in ("after", "before")}),
        filtered=filters.is_narrowed,
        search=filters.params.get("q", ""),
        hidden=filters.without(["q"]),
        scanned_to=uuid7_time(looked_to) if looked_to else None,
        histogram=build_histogram(search, filters, now, newest) if whole else None,
        **{name: filters.address(**link) for name, link in links.items()},
    )


def _page_ids(
    search: RunSearch, after: uuid.UUID | None, before: uuid.UUID | None
) -> tuple[list[uuid.UUID], uuid.UUID | None, dict[str, dict[str, str]]]:
    """(ids, oldest scanned id, links): keyset pages, so that page 1,000 costs as much as page 1."""
    if before is not None:
        found = search.newer_than(before, ON_A_PAGE + 1)
        ids = found.ids[:ON_A_PAGE][::-1]
        links = {"following": {"after": str(ids[-1] if ids else _key_above(before))}}
        if (more := found.scanned_to or (ids[0] if len(found.ids) > ON_A_PAGE else None)) is not None:
            links["previous"] = {"before": str(more)}
        return ids, None, links
    found = search.older_than(after or LAST, ON_A_PAGE + 1)
    ids = found.ids[:ON_A_PAGE]
    links = {}
    if after is not None:
        links["previous"] = {"before": str(ids[0] if ids else _key_below(after))}
    if (more := found.scanned_to or (ids[-1] if len(found.ids) > ON_A_PAGE else None)) is not None:
        links["following"] = {"after": str(more)}
    return ids, found.scanned_to, links


def _key_above(key: uuid.UUID) -> uuid.UUID:
    """A key above that one."""
    return uuid.UUID(int=min(key.int + 1, LAST.int))


def _key_below(key: uuid.UUID) -> uuid.UUID:
    return uuid.UUID(int=max(key.int - 1, FIRST.int))


# --- what sets filters ------------------------------------------------------------------------------------------------


def _filter_editors(filters: Filters, search: RunSearch) -> list[FilterEditor]:
    """Editors of set filters, of those that are always offered, and one for the others."""
    names = {each.slug: each.name for each in search.known}
    chips = {chip.kind: chip for chip in filters.chips(names)}
    wanted = [kind for kind in CHIPS if kind in chips or kind in _SHOWN_ALWAYS]
    found = [_filter_editor(kind, chips.get(kind), filters, names, search) for kind in wanted]
    others = [parts for kind, (_name, parts, _label) in CHIPS.items() if kind not in wanted and kind != "bulk"]
    more = FilterEditor(
        kind="more",
        label=_("More filters"),
        template="automate_studio/runs/list/other_filters.html",
        hidden=dict(filters.params),
        values={name: "" for parts in others for name in parts},
        options=_term_names(search, ""),
        reasons=[(value, translated(label)) for value, label in REASONS.items()],
    )
    return [*found, more]


def _filter_editor(
    kind: str, chip: Chip | None, filters: Filters, names: Mapping[str, str], search: RunSearch
) -> FilterEditor:
    label, parts, _label = CHIPS[kind]
    values = {name: filters.params.get(name, "") for name in parts}
    template, options = "choices", []
    if kind in _CHOSEN or kind == "workflow":
        chosen = filters.many(kind)
        known = {value: translated(word) for value, word in _CHOSEN.get(kind, {}).items()}
        known = known or {**{slug: slug for slug in chosen}, **names}
        options = [(value, name, value in chosen) for value, name in known.items()]
    elif kind in {"time", "ended"}:
        template = "time"
        periods = PERIODS if kind == "time" else {}
        options = [(key, translated(name), values["since"] == key) for key, name in periods.items()]
        start, end = filters.period(timezone.now())
        times = {"from": start, "to": end, "ended": filters.ended_from}
        local = {name: timezone.localtime(at) for name, at in times.items() if at and values.get(name)}
        values |= {name: f"{at:%Y-%m-%dT%H:%M:%S}" for name, at in local.items()}
    elif kind == "term":
        name, value = filters.term or ("", "")
        template, options, values = "term", _term_names(search, name), {"term": value}
    elif kind == "took":
        template = "duration"
    else:
        template = "text"
    return FilterEditor(
        kind=kind,
        label=translated(_LABELS.get(kind, label)),
        template=f"automate_studio/runs/list/{template}.html",
        hidden=filters.without(parts),
        values=values,
        options=options,
        chip=chip,
    )


def _term_names(search: RunSearch, chosen: str) -> list[tuple[str, str, bool]]:
    """Declared names of search terms, and the selected one."""
    declared = {name for each in search.known for name in each.search_terms} | ({chosen} - {""})
    return [(name, name, name == chosen) for name in sorted(declared)]

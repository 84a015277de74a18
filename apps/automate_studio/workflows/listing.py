"""Workflow list: searched, filtered, sorted and paged in a fixed number of queries.

Only the twenty latest runs of each workflow are read, by index.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Exists, Func, OuterRef, Q, QuerySet, TextField
from django.utils.translation import gettext as _

from automate_authoring import pausing
from automate_authoring.drafts.parsing import parse_trigger
from automate_core.definition.document import WebhookTrigger
from automate_core.events import stops
from automate_core.models import Trigger, Workflow
from automate_governance.people.names import username_field
from automate_governance.permissions import User, permitted
from automate_governance.texts import translated
from automate_operations.queries.latest_runs import LATEST, SORT_ORDERS, read_latest_runs, sort_by_latest_runs
from automate_operations.runs.open_reviews import runs_to_review
from automate_plugins import text
from automate_studio.view_models.connector_tiles import connector_tiles
from automate_studio.view_models.step_card import trigger_icon
from automate_ui.describe import TRIGGER_KINDS, describe_trigger
from automate_ui.formatting import format_ago, format_duration, format_percent, state_word
from automate_ui.links import runs_to_review_url
from automate_ui.navigation.lists import (
    MOST_CHOICES,
    FilterChoice,
    ListPage,
    ListQuery,
    Query,
    build_list_page,
    filter_choice,
    list_query,
    owner_condition,
    owner_contains,
    owner_filter,
    page_slice,
)

ON_A_PAGE = 25

_OWNER = f"owner__{username_field()}"
_BY_FIELD = {
    "name": ("name", "pk"),
    "-name": ("-name", "-pk"),
    "owner": (_OWNER, "name", "pk"),
    "-owner": (f"-{_OWNER}", "name", "pk"),
}
_FIRST = {"last": "-last", "p95": "-p95"}  #: newest and slowest first, before the other way round

_STOPPED = "stopped"  #: the tab of published workflows that start nothing (`events.stops`)
_TABS = {
    "": text("All"),
    Workflow.Status.ACTIVE.value: text("Published"),
    _STOPPED: text("Stopped"),
    Workflow.Status.DRAFT.value: text("Drafts"),
    Workflow.Status.PAUSED.value: text("Paused"),
    Workflow.Status.ARCHIVED.value: text("Archived"),
}
_KNOWN = {"trigger": TRIGGER_KINDS, "sort": {*_BY_FIELD, *SORT_ORDERS}}


@dataclass(frozen=True, kw_only=True)
class WorkflowRow:
    """A workflow in the list. `may_manage`: the person may pause and resume it, and perhaps archive it.

    `has_namesake`: another one that the person may view has the same name.
    `stop` says why it is stopped; empty for others. `to_review` counts the runs that wait for a review.
    """

    workflow: Workflow
    tiles: list[tuple[str, int]]
    trigger: str
    trigger_icon: str
    tracker: list[str]
    success: str
    is_bad: bool
    p95: str
    last_state: str
    last: str
    last_at: dt.datetime | None
    may_manage: bool
    may_change: bool
    has_namesake: bool
    stop: str
    to_review: int

    @property
    def review_url(self) -> str:
        """URL of the runs that wait for a review."""
        return runs_to_review_url(workflow=self.workflow.slug)

    @property
    def tracker_words(self) -> list[str]:
        """The states of the tracker in words."""
        return [state_word(state) for state in self.tracker]

    @property
    def gaps(self) -> range:
        """Empty places of the tracker."""
        return range(LATEST - len(self.tracker))


@dataclass(frozen=True, kw_only=True)
class SortColumn:
    """A sortable heading; `order` is the value of `aria-sort`."""

    url: str
    order: str


@dataclass(frozen=True, kw_only=True)
class WorkflowPage(ListPage):
    """A page of the list, with its sortable headings. `archive`: it shows the archived workflows."""

    columns: dict[str, SortColumn]
    archive: bool


def workflow_page(user: User, query: Query, now: dt.datetime) -> WorkflowPage:
    """A page of the workflows that `user` may view. Archived ones are only under their own tab."""
    known = permitted(user, "view", Workflow.objects.all())
    kept = list_query(query, _TABS, "owner", "tag", "trigger", "sort", known=_KNOWN, size=ON_A_PAGE)
    found = _filter_workflows(known, kept)
    stopped = stops.stopped_workflows(found)
    counts = dict(found.order_by().values_list("status").annotate(Count("pk")))
    counts[""] = sum(count for status, count in counts.items() if status != Workflow.Status.ARCHIVED)
    counts[_STOPPED] = len(stopped)
    counts[Workflow.Status.ACTIVE] = counts.get(Workflow.Status.ACTIVE, 0) - len(stopped)
    found = _filter_tab(found, kept.tab, stopped)
    rows = _page_rows(found, kept.values.get("sort", "name"), page_slice(kept, counts.get(kept.tab, 0)).start)
    page = build_list_page(
        kept, _workflow_rows(rows, user, now, stopped), counts, tabs=_TABS, filters=_filter_choices(known, kept)
    )
    return WorkflowPage(
        **vars(page),
        columns={name: _sort_column(name, kept) for name in ("name", "success", "p95", "last", "owner")},
        archive=kept.tab == Workflow.Status.ARCHIVED,
    )


# --- what is asked for ------------------------------------------------------------------------------------------------


def _filter_tab(found: QuerySet[Workflow], tab: str, stopped: Iterable[int]) -> QuerySet[Workflow]:
    """The workflows of a tab: those that are stopped have their own, and are not among the published ones."""
    if not tab:
        return found.exclude(status=Workflow.Status.ARCHIVED)
    if tab == _STOPPED:
        return found.filter(pk__in=stopped)
    return found.filter(status=tab).exclude(pk__in=stopped)


def _filter_workflows(found: QuerySet[Workflow], kept: ListQuery) -> QuerySet[Workflow]:
    if search := kept.search:
        found = found.filter(Q(name__icontains=search) | Q(slug__icontains=search) | owner_contains(search))
    found = found.filter(**owner_condition(kept))
    if tag := kept.values.get("tag"):
        found = found.filter(tags__contains=[tag])
    if kind := kept.values.get("trigger"):
        found = found.filter(Exists(Trigger.objects.filter(workflow=OuterRef("pk"), kind=kind)))
    return found


def _filter_choices(known: QuerySet[Workflow], kept: ListQuery) -> list[FilterChoice]:
    """Only values that a visible workflow has."""
    each_tag = Func("tags", function="jsonb_array_elements_text", output_field=TextField())
    tags = known.order_by().annotate(each_tag=each_tag).values_list("each_tag", flat=True).distinct()
    kinds = [(kind, translated(name)) for kind, name in TRIGGER_KINDS.items()]
    return [
        filter_choice(kept, "trigger", _("Trigger"), kinds),
        owner_filter(kept, known),
        filter_choice(kept, "tag", _("Tag"), [(name, name) for name in sorted(tags[:MOST_CHOICES])]),
    ]


def _sort_column(name: str, kept: ListQuery) -> SortColumn:
    present, first = kept.values.get("sort", "name"), _FIRST.get(name, name)
    order = "" if present.lstrip("-") != name else "descending" if present.startswith("-") else "ascending"
    turned = name if first.startswith("-") else f"-{name}"
    return SortColumn(url=kept.url(sort=turned if present == first else first), order=order)


# --- the rows ---------------------------------------------------------------------------------------------------------


def _page_rows(found: QuerySet[Workflow], sort: str, start: int) -> list[Workflow]:
    """The page's workflows, in order."""
    window = found.select_related("owner", "published").defer("published__definition")
    window = window.prefetch_related("triggers", "steps")
    if sort in _BY_FIELD:
        return list(window.order_by(*_BY_FIELD[sort])[start : start + ON_A_PAGE])
    keys = list(found.order_by("name", "pk").values_list("pk", flat=True))
    shown = sort_by_latest_runs(keys, sort, page=ON_A_PAGE, start=start)
    by_key = window.in_bulk(shown)
    return [by_key[key] for key in shown if key in by_key]


def _workflow_rows(
    rows: list[Workflow], user: User, now: dt.datetime, stopped: dict[int, stops.WorkflowStop]
) -> list[WorkflowRow]:
    if not rows:
        return []
    latest = read_latest_runs([row.pk for row in rows])
    facts = _row_facts(user, latest)
    in_doubt = runs_to_review().filter(workflow__in=latest).order_by()
    to_review = dict(in_doubt.values_list("workflow").annotate(Count("pk")))
    return [
        _workflow_row(
            row, latest[row.pk], now, stopped.get(row.pk), to_review=to_review.get(row.pk, 0), **facts[row.pk]
        )
        for row in rows
    ]


def _row_facts(user: User, keys: Iterable[int]) -> dict[int, dict[str, bool]]:
    """What rows say of the person, and whether another workflow that they may view has the same name. One query."""
    itself = Workflow.objects.filter(pk=OuterRef("pk"))
    others = Workflow.objects.filter(name=OuterRef("name")).exclude(pk=OuterRef("pk"))
    found = Workflow.objects.filter(pk__in=keys).annotate(
        may_manage=Exists(pausing.pausable(user, itself)),
        may_change=Exists(permitted(user, "change", itself)),
        has_namesake=Exists(permitted(user, "view", others)),
    )
    names = ("may_manage", "may_change", "has_namesake")
    return {pk: dict(zip(names, facts, strict=True)) for pk, *facts in found.values_list("pk", *names)}


def _workflow_row(
    workflow: Workflow, runs: list[Any], now: dt.datetime, stop: stops.WorkflowStop | None, **what: Any
) -> WorkflowRow:
    ended = [run for run in runs if run.status in {"succeeded", "failed"}]
    good = sum(run.status == "succeeded" for run in ended)
    took = sorted(run.worked for run in ended if run.started_at)
    last_at = runs[0].started_at or runs[0].created_at if runs else None
    return WorkflowRow(
        workflow=workflow,
        tiles=connector_tiles(workflow),
        trigger="; ".join(_trigger_texts(workflow)) or _("No trigger"),
        trigger_icon=next(_trigger_icons(workflow), "touch_app"),
        tracker=[run.status for run in reversed(runs)],
        success=_success_rate(good / len(ended)) if ended else "",
        is_bad=good * 20 < len(ended) * 19,
        p95=format_duration(took[min(len(took) - 1, int(len(took) * 0.95))]) if took else "",
        last_state=runs[0].status if runs else "",
        last=format_ago(last_at, now) if last_at else _("Never"),
        last_at=last_at,
        **what,
        stop=" ".join(translated(sentence) for sentence in stop.sentences) if stop else "",
    )


def _trigger_icons(workflow: Workflow) -> Iterator[str]:
    for row in workflow.triggers.all():
        yield trigger_icon(parse_trigger({"kind": row.kind, "key": row.key, **row.config}))


def _trigger_texts(workflow: Workflow) -> Iterator[str]:
    for row in workflow.triggers.all():
        part = parse_trigger({"kind": row.kind, "key": row.key, **row.config})
        kind, which = describe_trigger(part)
        if isinstance(part, WebhookTrigger) and not part.event:
            which = part.endpoint
        words = f"{kind} {which}"
        yield _("%(trigger)s (off)") % {"trigger": words} if part.disabled else words


def _success_rate(share: float) -> str:
    """`95%`, with a decimal where it has one."""
    percent = round(share * 100, 1)
    return format_percent(percent, 0 if percent.is_integer() else 1)

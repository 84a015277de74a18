"""Workflow list: searched, filtered, sorted and paged in a fixed number of queries.

Only the twenty latest runs of each workflow are read, by index.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Count, Exists, Func, OuterRef, Q, QuerySet, TextField
from django.utils.translation import gettext as _

from automate_core.authoring import pausing
from automate_core.authoring.drafts.parsing import parse_trigger
from automate_core.definition.document import WebhookTrigger
from automate_core.models import Trigger, Workflow
from automate_core.queries.latest_runs import LATEST, SORT_ORDERS, read_latest_runs, sort_by_latest_runs
from automate_governance.people.names import username_field
from automate_governance.permissions import User, permitted
from automate_governance.texts import translated
from automate_plugins import text
from automate_studio.ui.describe import describe_trigger
from automate_studio.ui.formatting import format_ago, format_duration, format_percent, state_word
from automate_studio.ui.lists import FilterChoice, Query, Tab, query_string
from automate_studio.ui.request_params import clean_text, parse_number
from automate_studio.view_models.connector_tiles import connector_tiles
from automate_studio.view_models.step_card import trigger_icon

ON_A_PAGE = 25
MOST_CHOICES = 200  #: owners or tags to choose from


_OWNER = f"owner__{username_field()}"
_BY_FIELD = {
    "name": ("name", "pk"),
    "-name": ("-name", "-pk"),
    "owner": (_OWNER, "name", "pk"),
    "-owner": (f"-{_OWNER}", "name", "pk"),
}
_FIRST = {"last": "-last", "p95": "-p95"}  #: newest and slowest first, before the other way round

_KINDS = {
    Trigger.Kind.WEBHOOK.value: text("Webhook"),
    Trigger.Kind.SCHEDULE.value: text("Schedule"),
    Trigger.Kind.MODEL.value: text("Model change"),
    Trigger.Kind.MANUAL.value: text("Manual"),
    Trigger.Kind.EVENT.value: text("Event from code"),
    Trigger.Kind.RUN.value: text("Another workflow"),
}
_TABS = {
    "": text("All"),
    Workflow.Status.ACTIVE.value: text("Published"),
    Workflow.Status.DRAFT.value: text("Drafts"),
    Workflow.Status.PAUSED.value: text("Paused"),
    Workflow.Status.ARCHIVED.value: text("Archived"),
}


@dataclass(frozen=True, kw_only=True)
class WorkflowRow:
    """A workflow in the list. `may_manage`: the person may pause and resume it, and perhaps archive it."""

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
class WorkflowPage:
    """Rows, and URLs of the pages before and after (empty for none).

    `query` is the page's own query; `first`, `last` and `total` count matching workflows from 1.
    """

    rows: list[WorkflowRow]
    tabs: list[Tab]
    filters: list[FilterChoice]
    columns: dict[str, SortColumn]
    search: str
    filtered: bool
    query: str
    hidden: dict[str, str]
    first: int
    last: int
    total: int
    previous: str = ""
    following: str = ""
    archive: bool = False


def workflow_page(user: User, query: Query, now: dt.datetime) -> WorkflowPage:
    """A page of the workflows that `user` may view. Archived ones are only under their own tab."""
    known = permitted(user, "view", Workflow.objects.all())
    kept = _list_query(query)
    found = _filter_workflows(known, kept)
    counts = dict(found.order_by().values_list("status").annotate(Count("pk")))
    counts[""] = sum(count for status, count in counts.items() if status != Workflow.Status.ARCHIVED)
    tab = kept.get("show", "")
    found = found.filter(status=tab) if tab else found.exclude(status=Workflow.Status.ARCHIVED)
    total, pages = counts.get(tab, 0), max(1, -(-counts.get(tab, 0) // ON_A_PAGE))
    number = min(pages, max(1, parse_number(query.get("page")) or 1))
    start = (number - 1) * ON_A_PAGE
    rows = _page_rows(found, kept.get("sort", "name"), start)
    return WorkflowPage(
        rows=_workflow_rows(rows, user, now),
        tabs=[
            Tab(
                name=translated(name),
                url=query_string({**kept, "show": key}),
                active=key == tab,
                count=f"{counts.get(key, 0):,}",
            )
            for key, name in _TABS.items()
        ],
        filters=_filter_choices(known, kept),
        columns={name: _sort_column(name, kept) for name in ("name", "success", "p95", "last", "owner")},
        search=kept.get("q", ""),
        filtered=bool(kept.keys() - {"sort"}),
        query=query_string({**kept, "page": str(number) if number > 1 else ""}),
        hidden={name: kept[name] for name in ("show", "sort") if name in kept},
        first=start + 1,
        last=start + len(rows),
        total=total,
        previous=query_string({**kept, "page": str(number - 1)}) if number > 1 else "",
        following=query_string({**kept, "page": str(number + 1)}) if number < pages else "",
        archive=tab == Workflow.Status.ARCHIVED,
    )


# --- what is asked for ------------------------------------------------------------------------------------------------


def _list_query(query: Query) -> dict[str, str]:
    """Valid parameters of the list, repeated in its links; invalid ones are dropped."""
    given = {name: clean_text(query.get(name)) for name in ("show", "q", "owner", "tag", "trigger", "sort")}
    known = {"show": _TABS, "trigger": Trigger.Kind.values, "sort": {**_BY_FIELD, **SORT_ORDERS}}
    return {name: value for name, value in given.items() if value and value in known.get(name, (value,))}


def _filter_workflows(found: QuerySet[Workflow], kept: dict[str, str]) -> QuerySet[Workflow]:
    if search := kept.get("q"):
        by_owner = Q(**{f"{_OWNER}__icontains": search})
        found = found.filter(Q(name__icontains=search) | Q(slug__icontains=search) | by_owner)
    if owner := kept.get("owner"):
        found = found.filter(**{_OWNER: owner})
    if tag := kept.get("tag"):
        found = found.filter(tags__contains=[tag])
    if kind := kept.get("trigger"):
        found = found.filter(Exists(Trigger.objects.filter(workflow=OuterRef("pk"), kind=kind)))
    return found


def _filter_choices(known: QuerySet[Workflow], kept: dict[str, str]) -> list[FilterChoice]:
    """Only values that a visible workflow has."""
    people = get_user_model()._default_manager.filter(pk__in=known.order_by().values("owner"))
    owners = list(people.order_by(username_field()).values_list(username_field(), flat=True)[:MOST_CHOICES])
    each_tag = Func("tags", function="jsonb_array_elements_text", output_field=TextField())
    tags = known.order_by().annotate(each_tag=each_tag).values_list("each_tag", flat=True).distinct()
    return [
        _filter_choice("trigger", _("Trigger"), kept, [(kind, translated(name)) for kind, name in _KINDS.items()]),
        _filter_choice("owner", _("Owner"), kept, [(name, name) for name in owners]),
        _filter_choice("tag", _("Tag"), kept, [(name, name) for name in sorted(tags[:MOST_CHOICES])]),
    ]


def _filter_choice(name: str, label: str, kept: dict[str, str], options: list[tuple[str, str]]) -> FilterChoice:
    value = kept.get(name, "")
    if value and value not in dict(options):
        options = [(value, value), *options]
    return FilterChoice(name=name, label=label, value=value, options=options)


def _sort_column(name: str, kept: dict[str, str]) -> SortColumn:
    present, first = kept.get("sort", "name"), _FIRST.get(name, name)
    order = "" if present.lstrip("-") != name else "descending" if present.startswith("-") else "ascending"
    turned = name if first.startswith("-") else f"-{name}"
    return SortColumn(url=query_string({**kept, "sort": turned if present == first else first}), order=order)


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


def _workflow_rows(rows: list[Workflow], user: User, now: dt.datetime) -> list[WorkflowRow]:
    if not rows:
        return []
    latest = read_latest_runs([row.pk for row in rows])
    managed = pausing.pausable(user, Workflow.objects.filter(pk__in=latest))
    managed_keys = set(managed.values_list("pk", flat=True))
    return [_workflow_row(row, latest[row.pk], row.pk in managed_keys, now) for row in rows]


def _workflow_row(workflow: Workflow, runs: list[Any], may_manage: bool, now: dt.datetime) -> WorkflowRow:
    ended = [run for run in runs if run.status in {"succeeded", "failed"}]
    good = sum(run.status == "succeeded" for run in ended)
    took = sorted((run.finished_at - run.started_at).total_seconds() for run in ended if run.started_at)
    last_at = runs[0].started_at or runs[0].created_at if runs else None
    return WorkflowRow(
        workflow=workflow,
        tiles=connector_tiles(workflow),
        trigger="; ".join(_trigger_texts(workflow)) or _("No trigger"),
        trigger_icon=next(_trigger_icons(workflow), "webhook"),
        tracker=[run.status for run in reversed(runs)],
        success=_success_rate(good / len(ended)) if ended else "",
        is_bad=good * 20 < len(ended) * 19,
        p95=format_duration(took[min(len(took) - 1, int(len(took) * 0.95))]) if took else "",
        last_state=runs[0].status if runs else "",
        last=format_ago(last_at, now) if last_at else _("Never"),
        last_at=last_at,
        may_manage=may_manage,
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
        yield f"{kind} {which}"


def _success_rate(share: float) -> str:
    """`95%`, with a decimal where it has one."""
    percent = round(share * 100, 1)
    return format_percent(percent, 0 if percent.is_integer() else 1)

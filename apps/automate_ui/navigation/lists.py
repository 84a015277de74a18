"""Pages of a list: tabs with counts, search, filters, and links to other pages."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth import get_user_model
from django.db.models import Q, QuerySet
from django.utils import formats
from django.utils.translation import gettext as _

from automate_governance.people.names import names_contain, people_named, username_field
from automate_governance.texts import translated
from automate_ui.navigation.http import clean_text, parse_number

ON_A_PAGE = 24
MOST_CHOICES = 200

type Query = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Tab:
    """A tab above a list; `count` is empty where counting would cost too much."""

    name: str
    url: str
    active: bool
    count: str = ""


@dataclass(frozen=True, kw_only=True)
class FilterChoice:
    """A filter: `options` are (value, label)."""

    name: str
    label: str
    value: str
    options: list[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class ListQuery:
    """Parameters of a list, repeated by its links: `show` is the tab, `q` the search, `sort` the order."""

    values: dict[str, str]
    page: int = 1
    size: int = ON_A_PAGE

    @property
    def tab(self) -> str:
        """The chosen tab; empty for all."""
        return self.values.get("show", "")

    @property
    def search(self) -> str:
        return self.values.get("q", "")

    def url(self, **changed: str) -> str:
        """URL of this list with changed parameters, at its first page."""
        return query_string({**self.values, **changed})


@dataclass(frozen=True, kw_only=True)
class ListPage:
    """A page of rows; `first`, `last` and `total` count matching rows from 1. The search form keeps `hidden`."""

    rows: list[Any]
    tabs: list[Tab]
    filters: list[FilterChoice]
    search: str
    filtered: bool
    query: str
    first: int
    last: int
    total: int
    hidden: dict[str, str] = field(default_factory=dict)
    previous: str = ""
    following: str = ""


def query_string(values: Mapping[str, str]) -> str:
    """Query of a link, without empty values."""
    kept = {name: value for name, value in values.items() if value}
    return f"?{urlencode(kept)}" if kept else "?"


def list_query(
    query: Query,
    tabs: Mapping[str, str],
    *names: str,
    known: Mapping[str, Container[str]] | None = None,
    size: int = ON_A_PAGE,
) -> ListQuery:
    """Parsed parameters: a tab, a search, and the filters `names`.

    Tabs that do not exist are dropped, and so are values that are not among the `known` of their filter.
    """
    given = {name: clean_text(query.get(name)) for name in ("show", "q", *names)}
    allowed: dict[str, Container[str]] = {**(known or {}), "show": tabs}
    values = {name: value for name, value in given.items() if value and value in allowed.get(name, (value,))}
    return ListQuery(values=values, page=max(1, parse_number(query.get("page")) or 1), size=size)


def page_slice(asked_for: ListQuery, total: int) -> slice:
    """Slice of the requested page, or of the last one."""
    size = asked_for.size
    start = (min(asked_for.page, max(1, -(-total // size))) - 1) * size
    return slice(start, start + size)


def build_list_page(
    asked_for: ListQuery,
    rows: Sequence[Any],
    counts: Mapping[str, int],
    *,
    tabs: Mapping[str, str],
    filters: list[FilterChoice],
) -> ListPage:
    """Page of these `rows`; `counts` are the totals by tab."""
    total = counts.get(asked_for.tab, 0)
    shown = page_slice(asked_for, total)
    number = shown.stop // asked_for.size
    return ListPage(
        rows=list(rows),
        tabs=[
            Tab(
                name=translated(name),
                url=asked_for.url(show=key),
                active=key == asked_for.tab,
                count=formats.number_format(counts.get(key, 0), use_l10n=True, force_grouping=True),
            )
            for key, name in tabs.items()
        ],
        filters=[choice for choice in filters if choice.options],
        search=asked_for.search,
        filtered=bool(asked_for.values.keys() - {"sort"}),
        query=asked_for.url(page=str(number) if number > 1 else ""),
        first=shown.start + 1,
        last=shown.start + len(rows),
        total=total,
        hidden={name: asked_for.values[name] for name in ("show", "sort") if name in asked_for.values},
        previous=asked_for.url(page=str(number - 1)) if number > 1 else "",
        following=asked_for.url(page=str(number + 1)) if shown.stop < total else "",
    )


def filter_choice(asked_for: ListQuery, name: str, label: str, options: list[tuple[str, str]]) -> FilterChoice:
    """A filter; the selected value is always an option."""
    value = asked_for.values.get(name, "")
    if value and value not in dict(options):
        options = [(value, value), *options]
    return FilterChoice(name=name, label=label, value=value, options=options)


def owner_filter(asked_for: ListQuery, known: QuerySet[Any]) -> FilterChoice:
    """Filter by owner: people who own at least one of `known`."""
    people = get_user_model()._default_manager.filter(pk__in=known.order_by().values("owner"))
    names = map(str, people.order_by(username_field()).values_list(username_field(), flat=True)[:MOST_CHOICES])
    return filter_choice(asked_for, "owner", _("Owner"), [(name, name) for name in names])


def owner_condition(asked_for: ListQuery) -> dict[str, Any]:
    """Lookup of the filter by owner."""
    name = asked_for.values.get("owner")
    return {"owner__in": people_named(name)} if name else {}


def owner_contains(search: str) -> Q:
    """Objects whose owner's username or name contains the words of this text."""
    return names_contain(search, path="owner__")

"""Frame of lists: tabs with counts, search, filters, pages, and their fragments for htmx."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django_htmx.http import push_url

from automate_governance.texts import translated
from automate_studio.ui.admin_page import render_page
from automate_studio.ui.formatting import format_count
from automate_studio.ui.htmx import as_htmx_request
from automate_studio.ui.lists import FilterChoice, Query, Tab, query_string
from automate_studio.ui.request_params import clean_text, parse_number

ON_A_PAGE = 24
MOST_CHOICES = 200


@dataclass(frozen=True, kw_only=True)
class ListQuery:
    """Parameters of a list, repeated by its links: `show` is the tab, `q` the search."""

    values: dict[str, str]
    page: int = 1

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
    """A page of rows; `first`, `last` and `total` count matching rows from 1."""

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


def list_query(query: Query, tabs: Mapping[str, str], *names: str) -> ListQuery:
    """Parsed parameters: a known tab, a search, and the filters `names`."""
    given = {name: clean_text(query.get(name)) for name in ("show", "q", *names)}
    if given["show"] not in tabs:
        given["show"] = ""
    values = {name: value for name, value in given.items() if value}
    return ListQuery(values=values, page=max(1, parse_number(query.get("page")) or 1))


def page_slice(found: ListQuery, total: int) -> slice:
    """Slice of the requested page, or of the last one."""
    start = (min(found.page, max(1, -(-total // ON_A_PAGE))) - 1) * ON_A_PAGE
    return slice(start, start + ON_A_PAGE)


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
    start = page_slice(asked_for, total).start
    number = start // ON_A_PAGE + 1
    return ListPage(
        rows=list(rows),
        tabs=[
            Tab(
                name=translated(name),
                url=asked_for.url(show=key),
                active=key == asked_for.tab,
                count=format_count(counts.get(key, 0)),
            )
            for key, name in tabs.items()
        ],
        filters=[choice for choice in filters if choice.options],
        search=asked_for.search,
        filtered=bool(asked_for.values),
        query=asked_for.url(page=str(number) if number > 1 else ""),
        first=start + 1,
        last=start + len(rows),
        total=total,
        hidden={"show": asked_for.tab} if asked_for.tab else {},
        previous=asked_for.url(page=str(number - 1)) if number > 1 else "",
        following=asked_for.url(page=str(number + 1)) if start + ON_A_PAGE < total else "",
    )


def filter_choice(asked_for: ListQuery, name: str, label: str, options: list[tuple[str, str]]) -> FilterChoice:
    """A filter; the selected value is always an option."""
    value = asked_for.values.get(name, "")
    if value and value not in dict(options):
        options = [(value, value), *options]
    return FilterChoice(name=name, label=label, value=value, options=options)


def owner_filter(asked_for: ListQuery, known: QuerySet[Any]) -> FilterChoice:
    """Filter by owner: people who own at least one of `known`."""
    users = get_user_model()
    people = users._default_manager.filter(pk__in=known.order_by().values("owner"))
    names = people.order_by(users.USERNAME_FIELD).values_list(users.USERNAME_FIELD, flat=True)[:MOST_CHOICES]
    return filter_choice(asked_for, "owner", _("Owner"), [(name, name) for name in names])


def owner_condition(asked_for: ListQuery) -> dict[str, str]:
    """Lookup of the filter by owner."""
    name = asked_for.values.get("owner")
    return {f"owner__{get_user_model().USERNAME_FIELD}": name} if name else {}


def list_response(
    request: HttpRequest, template: str, title: str, url: str, found: ListPage, **more: Any
) -> HttpResponse:
    """The list as a page, or its changed part for htmx."""
    shown = {"found": found, "url": url, **more}
    if as_htmx_request(request).htmx.target != "list":
        return render_page(request, template, title, **shown)
    fragment = TemplateResponse(request, f"{template}#answer", shown)
    return push_url(fragment, f"{url}{found.query}")

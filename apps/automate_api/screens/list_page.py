"""Pages of a list, in the shape that the templates of lists take: tabs, search, filters and links to other pages."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import QueryDict

ON_A_PAGE = 24


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A filter above the list: `options` are (value, label)."""

    name: str
    label: str
    value: str
    options: list[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class Tab:
    """A tab above the list."""

    name: str
    url: str
    active: bool
    count: str


@dataclass(frozen=True, kw_only=True)
class ListPage:
    """A page of rows; `first`, `last` and `total` count matching objects from 1. The search keeps `hidden`."""

    rows: list[Any]
    search: str
    filtered: bool
    query: str
    first: int
    last: int
    total: int
    previous: str
    following: str
    tabs: list[Tab] = field(default_factory=list)
    filters: list[Choice] = field(default_factory=list)
    hidden: dict[str, str] = field(default_factory=dict)


def list_parameters(query: QueryDict, *names: str) -> dict[str, str]:
    """Parameters of a list, in a form that the database accepts: `q` and `page` among them."""
    return {name: query.get(name, "").replace("\0", "").strip()[:100] for name in ("q", "page", *names)}


def list_url(kept: dict[str, str], **changed: str) -> str:
    """URL of a list with changed parameters, at its first page."""
    values = {name: value for name, value in {**kept, "page": "", **changed}.items() if value}
    return f"?{urlencode(values)}"


def build_list_page(found: QuerySet[Any], kept: dict[str, str], **more: Any) -> ListPage:
    """The page of `found` that the parameters ask for, or the last one. `more` are further values of the page."""
    pages = Paginator(found, ON_A_PAGE)
    page = pages.get_page(kept["page"])
    return ListPage(
        rows=list(page.object_list),
        search=kept["q"],
        filtered=any(value for name, value in kept.items() if name not in {"page", "show"}),
        query=list_url(kept, page=str(page.number) if page.number > 1 else ""),
        first=page.start_index(),
        last=page.end_index(),
        total=pages.count,
        previous=list_url(kept, page=str(page.number - 1)) if page.has_previous() else "",
        following=list_url(kept, page=str(page.number + 1)) if page.has_next() else "",
        hidden={"show": kept["show"]} if kept.get("show") else {},
        **more,
    )

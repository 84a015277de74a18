"""Shared parts of lists: tabs, filters, pages and their URLs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

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
class KeysetPage:
    """Rows, and URLs of the pages before and after (empty for none). The search form keeps `hidden`."""

    rows: list[Any]
    tabs: list[Tab]
    search: str
    filtered: bool
    previous: str = ""
    following: str = ""
    hidden: dict[str, str] = field(default_factory=dict)


def query_string(values: Mapping[str, str]) -> str:
    """Query of a link, without empty values."""
    kept = {name: value for name, value in values.items() if value}
    return f"?{urlencode(kept)}" if kept else "?"


def keyset_links[Row](
    rows: list[Row], kept: Mapping[str, str], key: Callable[[Row], Any], *, more: bool, after: Any, before: Any
) -> dict[str, str]:
    """URLs of the pages before and after a keyset page.

    The page begins `after` a key, ends `before` one, or is the first; `more` says whether there are further rows in
    its direction.
    """
    found = {}
    if rows and (more if before else after):
        found["previous"] = query_string({**kept, "before": str(key(rows[0]))})
    if rows and (more or before):
        found["following"] = query_string({**kept, "after": str(key(rows[-1]))})
    return found

"""What lists share: their tabs and what they are chosen by, their pages, and the addresses of these."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

type Query = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Tab:
    """A named filter above a list; `count` is empty where counting would cost too much."""

    name: str
    url: str
    active: bool
    count: str = ""


@dataclass(frozen=True, kw_only=True)
class FilterChoice:
    """Something to choose by: `options` are (value, what it is called)."""

    name: str
    label: str
    value: str
    options: list[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class KeysetPage:
    """Rows, and where the pages before and after are (empty: there is none). The search keeps `hidden` as it is."""

    rows: list[Any]
    tabs: list[Tab]
    search: str
    filtered: bool
    previous: str = ""
    following: str = ""
    hidden: dict[str, str] = field(default_factory=dict)


def query_string(values: Mapping[str, str]) -> str:
    """The query of a link: what is empty is left out."""
    kept = {name: value for name, value in values.items() if value}
    return f"?{urlencode(kept)}" if kept else "?"


def keyset_links[Row](
    rows: list[Row], kept: Mapping[str, str], key: Callable[[Row], Any], *, more: bool, after: Any, before: Any
) -> dict[str, str]:
    """The addresses of the pages before and after one that is found by key, where there are some.

    It begins `after` a key, ends `before` one, or is the first; `more` says whether there were further rows that way.
    """
    found = {}
    if rows and (more if before else after):
        found["previous"] = query_string({**kept, "before": str(key(rows[0]))})
    if rows and (more or before):
        found["following"] = query_string({**kept, "after": str(key(rows[-1]))})
    return found

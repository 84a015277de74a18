"""Pages of lists in the order of a key, without counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from automate_ui.navigation.lists import Tab, query_string


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

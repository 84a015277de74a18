"""Edits of `pages` of an action: what a form shows, and how it is written into the text of a draft."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

_SIZE = {"size_parameter": "parameter", "size_most": "most"}
_NAMES = {"where": "in"}  #: in the format, of those that have another name there
_DEFAULTS: dict[str, Any] = {"where": "query", "first": 1, "limit": 100}


@dataclass(frozen=True, kw_only=True)
class PagesView:
    """How a list has further pages; `kind` empty: it has none. The names are those of `Pages`, with `size` in two."""

    kind: str = ""
    items: str = ""
    cursor: str = ""
    last_item: str = ""
    parameter: str = ""
    where: str = "query"
    first: int = 1
    more: str = ""
    size_parameter: str = ""
    size_most: int | None = None
    limit: int = 100


def pages_view(written: Any) -> PagesView:
    """The rule that an action's text has, as far as it can be read."""
    if not isinstance(written, dict):
        return PagesView()
    listed = written.get("size")
    size = listed if isinstance(listed, dict) else {}
    found: dict[str, Any] = {}
    for each in fields(PagesView):
        value = size.get(_SIZE[each.name]) if each.name in _SIZE else written.get(_NAMES.get(each.name, each.name))
        is_number = each.name in {"first", "limit", "size_most"}
        if value is not None and isinstance(value, bool) is False and isinstance(value, int) is is_number:
            found[each.name] = value if is_number else str(value)
    return PagesView(**found)


def change_pages(action: Any, before: PagesView, given: PagesView) -> None:
    """Write the rule into an action of a draft. What the form does not show, such as `may_lack`, stays."""
    if given == before:
        return
    if not given.kind:
        action.pop("pages", None)
        return
    present = action.get("pages")
    if not isinstance(present, dict):
        present = action["pages"] = {}
    for each in fields(PagesView):
        if each.name not in _SIZE:
            name, value = _NAMES.get(each.name, each.name), getattr(given, each.name)
            _write(present, name, value, _DEFAULTS.get(each.name, ""))
    size = {_SIZE[name]: getattr(given, name) for name in _SIZE}
    _write(present, "size", size if all(size.values()) else None, None)


def _write(present: Any, name: str, value: Any, default: Any) -> None:
    """Write a value where it differs; a default is left out."""
    if present.get(name, default) == value:
        return
    if value == default:
        present.pop(name)
    else:
        present[name] = value

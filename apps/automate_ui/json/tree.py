"""JSON viewer: a value as a tree to open, search and copy from, in rows of text that the template escapes.

A preview is bounded, whatever the value's size: the rest is rows that load more. Values in, values out; paths are
tuples of names and indexes.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from django.utils.translation import gettext as _

from automate_core.expressions.json_path import ABSENT, Path, part_of
from automate_governance.admin_site import reverse
from automate_governance.texts import escape_invisible
from automate_plugins.files import FILE_KEY, is_file
from automate_ui.formatting import format_bytes, format_count
from automate_ui.json.expressions import path_expression, size_text

MAX_ROWS = 200
MAX_CHARACTERS = 64_000
MAX_CHILDREN = 50  #: entries of one node at a time
MAX_TEXT = 2_000  #: characters of one text, until somebody asks for the rest
MAX_OPEN = 12  #: levels that are open from the start
MAX_DEPTH = 500  #: of a path that somebody asks for
MAX_HITS = 100
MAX_SEARCHED = 200_000  #: values that one search looks at
MAX_QUERY = 200

_REFERENCE = re.compile("[0-9a-f]{48}")

type Kind = Literal["leaf", "open", "close", "more"]
type Children = list[tuple[str | int, Any]]


@dataclass(frozen=True, kw_only=True)
class HighlightedText:
    """A text with its first search hit."""

    before: str
    hit: str = ""
    after: str = ""


@dataclass(frozen=True, kw_only=True)
class FileLink:
    """A file that a value stands for, with the URL of its download."""

    name: str
    size: str
    content_type: str
    url: str


@dataclass(frozen=True, kw_only=True)
class JsonRow:
    """One line. `open` begins a container until its `close`; `more` stands for entries from `start` on.

    `part` is the name or index in its container as JSON; `at` is the whole path where it is not inside its
    containers. `file` is the file that the value stands for.
    """

    kind: Kind
    level: int = 1
    part: str = ""
    at: str = ""
    expression: str = ""
    is_name: bool = True
    label: HighlightedText | None = None
    text: HighlightedText | None = None
    style: str = ""
    cut: int = 0
    braces: str = ""
    count: str = ""
    is_filled: bool = True
    start: int = 0
    file: FileLink | None = None

    @property
    def closing(self) -> str:
        """Its closing bracket."""
        return "}" if self.braces == "{" else "]"


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """Search result. `is_all` says whether everything was searched and all hits are included."""

    rows: list[JsonRow]
    is_all: bool


@dataclass(frozen=True, kw_only=True)
class JsonTree:
    """A value as first shown. `root` is its name in expressions, `url` returns further rows.

    `download` takes a POST of the part and, of a step, the attempt.
    """

    part: str
    root: str
    url: str
    value: Any
    download: str = ""
    attempt: int = 0

    @property
    def rows(self) -> list[JsonRow]:
        """Initially open rows."""
        return json_rows(self.value)


def value_at(value: Any, path: Path) -> Any:
    """The value at a path, or ABSENT."""
    for part in path:
        value = part_of(value, part)
        if value is ABSENT:
            return ABSENT
    return value


def parse_path(text: str | None) -> Path | None:
    """Path of a request: a JSON list of names and indexes. None for anything else; the root when missing."""
    if not text:
        return ()
    try:
        found = json.loads(text) if len(text) < 20_000 else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, list) or len(found) > MAX_DEPTH:
        return None
    is_path = all(isinstance(part, str) or (isinstance(part, int) and not isinstance(part, bool)) for part in found)
    return tuple(found) if is_path else None


# --- a preview --------------------------------------------------------------------------------------------------------


def json_rows(value: Any, path: Path = (), start: int = 0) -> list[JsonRow]:
    """Contents of the value at `path`, from the entry `start` on; an empty container is a row itself.

    As many of the nearest levels are open as fit; closed ones are not filled.
    """
    if not isinstance(value, dict | list) or not value:
        return [_leaf_row(None, value, len(path) + 1)]
    shown = _Budget().open(value, start)
    return list(_node_rows(value, (), shown, len(path) + 1, start))


class _Budget:
    """Decides which containers are open: nearest levels first, until rows or characters are used up."""

    def __init__(self) -> None:
        self._rows, self._characters = MAX_ROWS, MAX_CHARACTERS

    def open(self, value: Any, start: int) -> dict[Path, int]:
        """Number of shown entries by path of each open container."""
        shown: dict[Path, int] = {}
        waiting: deque[tuple[Path, Any, int]] = deque([((), value, start)])
        while waiting:
            path, node, first = waiting.popleft()
            children = _children(node, first)
            if path and (len(path) >= MAX_OPEN or len(children) + 1 > self._rows or self._characters <= 0):
                continue
            shown[path] = self._take(children)
            for part, inner in children[: shown[path]]:
                if isinstance(inner, dict | list) and inner:
                    waiting.append(((*path, part), inner, 0))
        return shown

    def _take(self, children: Children) -> int:
        for number, (part, inner) in enumerate(children):
            self._rows -= 2 if isinstance(inner, dict | list) and inner else 1
            self._characters -= len(str(part)) + (min(len(inner), MAX_TEXT) if isinstance(inner, str) else 20)
            if self._characters <= 0:
                return number + 1
        return len(children)


def _children(node: Any, start: int = 0) -> Children:
    """The next entries of a container."""
    if isinstance(node, list):
        return [(start + offset, inner) for offset, inner in enumerate(node[start : start + MAX_CHILDREN])]
    names = list(node)[start : start + MAX_CHILDREN]
    return [(name, node[name]) for name in names]


def _node_rows(node: Any, path: Path, shown: dict[Path, int], level: int, start: int = 0) -> Iterator[JsonRow]:
    for part, inner in _children(node, start)[: shown[path]]:
        if not isinstance(inner, dict | list) or not inner:
            yield _leaf_row(part, inner, level)
            continue
        here = (*path, part)
        yield replace(_opening_row(part, inner, level), is_filled=here in shown)
        if here in shown:
            yield from _node_rows(inner, here, shown, level + 1)
        yield JsonRow(kind="close", braces="}" if isinstance(inner, dict) else "]")
    following = start + shown[path]
    if len(node) > following:
        yield JsonRow(
            kind="more",
            level=level,
            start=following,
            count=_("%(count)s more") % {"count": format_count(len(node) - following)},
        )


def _opening_row(part: str | int | None, node: Any, level: int) -> JsonRow:
    return replace(
        _name_row(part, level),
        kind="open",
        braces="{" if isinstance(node, dict) else "[",
        count=size_text(node),
        file=_file_link(node),
    )


def _file_link(value: Any) -> FileLink | None:
    if not is_file(value) or not _REFERENCE.fullmatch(value[FILE_KEY]):
        return None
    return FileLink(
        name=escape_invisible(value["name"][:MAX_QUERY]),
        size=format_bytes(value["size"]),
        content_type=escape_invisible(value["type"][:MAX_QUERY]),
        url=reverse("studio:file_download", args=[value[FILE_KEY]]),
    )


def _leaf_row(part: str | int | None, value: Any, level: int) -> JsonRow:
    style, text, cut = _leaf_text(value, MAX_TEXT)
    return replace(_name_row(part, level), text=HighlightedText(before=text), style=style, cut=cut)


def _name_row(part: str | int | None, level: int) -> JsonRow:
    """A row with its name; the root has none."""
    if part is None:
        return JsonRow(kind="leaf", level=level)
    label = HighlightedText(before=escape_invisible(json.dumps(part, ensure_ascii=False)))
    is_name = isinstance(part, str) and _expression_suffix((part,)) == f".{part}"
    return JsonRow(kind="leaf", level=level, part=json.dumps(part), is_name=is_name, label=label)


def _leaf_text(value: Any, most: int) -> tuple[str, str, int]:
    """(style, JSON text, number of omitted characters) of a scalar."""
    if isinstance(value, str):
        return "string", escape_invisible(json.dumps(value[:most], ensure_ascii=False)), max(0, len(value) - most)
    if isinstance(value, dict | list):
        return "punctuation", "{}" if isinstance(value, dict) else "[]", 0
    return "number", json.dumps(value), 0


def long_text_row(text: str) -> JsonRow:
    """A long text, up to the limit."""
    style, written, cut = _leaf_text(text, MAX_CHARACTERS)
    return JsonRow(kind="leaf", text=HighlightedText(before=written), style=style, cut=cut)


# --- a search ---------------------------------------------------------------------------------------------------------


def search_json(value: Any, query: str) -> SearchResult:
    """Values whose name or text contains `query`, case-insensitive, with their whole paths."""
    wanted, found = query.lower(), list[JsonRow]()
    for looked_at, (path, inner) in enumerate(_walk_values(value)):
        if looked_at == MAX_SEARCHED or len(found) == MAX_HITS:
            return SearchResult(rows=found, is_all=False)
        if hit := _hit_row(path, inner, wanted):
            found.append(hit)
    return SearchResult(rows=found, is_all=True)


def _walk_values(value: Any) -> Iterator[tuple[Path, Any]]:
    """Every value but the root, containers before contents. Iterative, since data may be nested arbitrarily deep."""
    stack: list[tuple[Path, Any]] = [((), value)]
    while stack:
        path, node = stack.pop()
        if path or not isinstance(node, dict | list):
            yield path, node
        if isinstance(node, dict | list):
            inside = list(node.items()) if isinstance(node, dict) else list(enumerate(node))
            stack += [((*path, part), inner) for part, inner in reversed(inside)]


def _hit_row(path: Path, value: Any, wanted: str) -> JsonRow | None:
    name = str(path[-1]) if path and isinstance(path[-1], str) else ""
    holds_others = isinstance(value, dict | list) and bool(value)
    text = value if isinstance(value, str) else "" if holds_others else json.dumps(value)
    if wanted not in name.lower() and wanted not in text.lower():
        return None
    where = _expression_suffix(path)
    row = _opening_row(None, value, 1) if holds_others else _leaf_row(None, value, 1)
    shown = (
        row.text
        if row.text is None
        else _highlight(_context_of_hit(value, wanted) if isinstance(value, str) else text, wanted)
    )
    name_begins = len(_expression_suffix(path[:-1]))
    label = _highlight(where, wanted, name_begins) if wanted in name.lower() else HighlightedText(before=where)
    label = replace(label, before=label.before.removeprefix("."))
    return replace(row, at=json.dumps(list(path)), expression=where, label=label, text=shown, is_filled=False)


def _expression_suffix(path: Path) -> str:
    """Suffix of an expression for a path: `.body["e-mail"][0]`."""
    return path_expression(("x", *path))[1:]


def _context_of_hit(text: str, wanted: str) -> str:
    """A text as JSON; of a long one the part around the hit."""
    place = max(0, text.lower().find(wanted) - 60)
    part = text[place : place + MAX_TEXT // 10]
    return (
        ("… " if place else "") + json.dumps(part, ensure_ascii=False) + ("…" if place + len(part) < len(text) else "")
    )


def _highlight(text: str, wanted: str, begin: int = 0) -> HighlightedText:
    place = text.lower().find(wanted, begin)
    if place < 0:  # it is written otherwise than it is, as a quote or a line break is
        return HighlightedText(before=escape_invisible(text))
    end = place + len(wanted)
    return HighlightedText(
        before=escape_invisible(text[:place]),
        hit=escape_invisible(text[place:end]),
        after=escape_invisible(text[end:]),
    )

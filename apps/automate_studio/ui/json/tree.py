"""Values as a tree that can be opened, searched and copied from: rows of text that the template escapes like any other.

A preview is bounded however large a value is: what is left off is there as rows that ask for more. Values in, values
out; paths are tuples of names and numbers.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from automate_core.expressions.json_path import ABSENT, Path, part_of
from automate_studio.ui.json import expressions, visible

MAX_ROWS = visible.MAX_LINES
MAX_CHARACTERS = visible.MAX_CHARACTERS
MAX_CHILDREN = 50  #: entries of one node at a time
MAX_TEXT = 2_000  #: characters of one text, until somebody asks for the rest
MAX_OPEN = 12  #: levels that are open from the start
MAX_DEPTH = 500  #: of a path that somebody asks for
MAX_HITS = 100
MAX_SEARCHED = 200_000  #: values that one search looks at
MAX_QUERY = 200

type Kind = Literal["leaf", "open", "close", "more"]
type Children = list[tuple[str | int, Any]]


@dataclass(frozen=True, kw_only=True)
class Marked:
    """A text with the first place in it that a search found."""

    before: str
    hit: str = ""
    after: str = ""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line. `open` begins a node that holds others, until its `close`; `more` stands for entries from `start` on.

    `part` is the name or number in its node as JSON, `at` the whole path where it does not stand inside its nodes.
    """

    kind: Kind
    level: int = 1
    part: str = ""
    at: str = ""
    expression: str = ""
    is_name: bool = True
    label: Marked | None = None
    text: Marked | None = None
    style: str = ""
    cut: int = 0
    braces: str = ""
    count: str = ""
    is_filled: bool = True
    start: int = 0

    @property
    def closing(self) -> str:
        """The brace that ends it."""
        return "}" if self.braces == "{" else "]"


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a search found. `is_all` says whether everything was looked at, and all hits are there."""

    rows: list[Row]
    is_all: bool


@dataclass(frozen=True, kw_only=True)
class Tree:
    """A value as a page first shows it. `root` is how expressions name it, `url` gives further rows of it."""

    part: str
    root: str
    url: str
    value: Any

    @property
    def rows(self) -> list[Row]:
        """What is open from the start."""
        return rows(self.value)


def at(value: Any, path: Path) -> Any:
    """The value at a path, or ABSENT."""
    for part in path:
        value = part_of(value, part)
        if value is ABSENT:
            return ABSENT
    return value


def path_of(text: str | None) -> Path | None:
    """The path that a request names: a JSON list of names and numbers. None for anything else; the root without one."""
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


def rows(value: Any, path: Path = (), start: int = 0) -> list[Row]:
    """What is inside the value at `path`, from the entry `start` on; a value that holds nothing is a row itself.

    As many of the nearest levels are open as fit; what is closed is not filled.
    """
    if not isinstance(value, dict | list) or not value:
        return [_leaf(None, value, len(path) + 1)]
    shown = _Budget().open(value, start)
    return list(_drawn(value, (), shown, len(path) + 1, start))


class _Budget:
    """Decides which nodes are open: nearest levels first, until the rows or the characters are used up."""

    def __init__(self) -> None:
        self._rows, self._characters = MAX_ROWS, MAX_CHARACTERS

    def open(self, value: Any, start: int) -> dict[Path, int]:
        """How many entries of each open node are shown, by its path."""
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
    """The next entries of a node."""
    if isinstance(node, list):
        return [(start + offset, inner) for offset, inner in enumerate(node[start : start + MAX_CHILDREN])]
    names = list(node)[start : start + MAX_CHILDREN]
    return [(name, node[name]) for name in names]


def _drawn(node: Any, path: Path, shown: dict[Path, int], level: int, start: int = 0) -> Iterator[Row]:
    for part, inner in _children(node, start)[: shown[path]]:
        if not isinstance(inner, dict | list) or not inner:
            yield _leaf(part, inner, level)
            continue
        here = (*path, part)
        yield replace(_opened(part, inner, level), is_filled=here in shown)
        if here in shown:
            yield from _drawn(inner, here, shown, level + 1)
        yield Row(kind="close", braces="}" if isinstance(inner, dict) else "]")
    following = start + shown[path]
    if len(node) > following:
        yield Row(kind="more", level=level, start=following, count=f"{len(node) - following:,} more")


def _opened(part: str | int | None, node: Any, level: int) -> Row:
    what = "field" if isinstance(node, dict) else "item"
    return replace(
        _named(part, level),
        kind="open",
        braces="{" if isinstance(node, dict) else "[",
        count=f"{len(node):,} {what}{'' if len(node) == 1 else 's'}",
    )


def _leaf(part: str | int | None, value: Any, level: int) -> Row:
    style, text, cut = _written(value, MAX_TEXT)
    return replace(_named(part, level), text=Marked(before=text), style=style, cut=cut)


def _named(part: str | int | None, level: int) -> Row:
    """A row with its name; the root has none."""
    if part is None:
        return Row(kind="leaf", level=level)
    label = Marked(before=visible.visible(json.dumps(part, ensure_ascii=False)))
    is_name = isinstance(part, str) and _suffix((part,)) == f".{part}"
    return Row(kind="leaf", level=level, part=json.dumps(part), is_name=is_name, label=label)


def _written(value: Any, most: int) -> tuple[str, str, int]:
    """(style, JSON text, how many characters were left off) of a value that holds no others."""
    if isinstance(value, str):
        return "s", visible.visible(json.dumps(value[:most], ensure_ascii=False)), max(0, len(value) - most)
    if isinstance(value, dict | list):
        return "p", "{}" if isinstance(value, dict) else "[]", 0
    return "n", json.dumps(value), 0


def whole(text: str) -> Row:
    """A long text, as much of it as is ever shown."""
    style, written, cut = _written(text, MAX_CHARACTERS)
    return Row(kind="leaf", text=Marked(before=written), style=style, cut=cut)


# --- a search ---------------------------------------------------------------------------------------------------------


def search(value: Any, query: str) -> Found:
    """The values in whose name or text `query` stands, whatever the case, each by its whole path."""
    wanted, found = query.lower(), list[Row]()
    for looked_at, (path, inner) in enumerate(_walk(value)):
        if looked_at == MAX_SEARCHED or len(found) == MAX_HITS:
            return Found(rows=found, is_all=False)
        if hit := _hit(path, inner, wanted):
            found.append(hit)
    return Found(rows=found, is_all=True)


def _walk(value: Any) -> Iterator[tuple[Path, Any]]:
    """Every value but the root, holders before what they hold. Iterative: data may be nested as deep as it likes."""
    stack: list[tuple[Path, Any]] = [((), value)]
    while stack:
        path, node = stack.pop()
        if path or not isinstance(node, dict | list):
            yield path, node
        if isinstance(node, dict | list):
            inside = list(node.items()) if isinstance(node, dict) else list(enumerate(node))
            stack += [((*path, part), inner) for part, inner in reversed(inside)]


def _hit(path: Path, value: Any, wanted: str) -> Row | None:
    name = str(path[-1]) if path and isinstance(path[-1], str) else ""
    holds_others = isinstance(value, dict | list) and bool(value)
    text = value if isinstance(value, str) else "" if holds_others else json.dumps(value)
    if wanted not in name.lower() and wanted not in text.lower():
        return None
    where = _suffix(path)
    row = _opened(None, value, 1) if holds_others else _leaf(None, value, 1)
    shown = (
        row.text if row.text is None else _marked(_around(value, wanted) if isinstance(value, str) else text, wanted)
    )
    name_begins = len(_suffix(path[:-1]))
    label = _marked(where, wanted, name_begins) if wanted in name.lower() else Marked(before=where)
    label = replace(label, before=label.before.removeprefix("."))
    return replace(row, at=json.dumps(list(path)), expression=where, label=label, text=shown, is_filled=False)


def _suffix(path: Path) -> str:
    """What an expression adds to come to a path: `.body["e-mail"][0]`."""
    return expressions.reference(("x", *path))[1:]


def _around(text: str, wanted: str) -> str:
    """A text as JSON, and of a long one what stands around the hit."""
    place = max(0, text.lower().find(wanted) - 60)
    part = text[place : place + MAX_TEXT // 10]
    return (
        ("… " if place else "") + json.dumps(part, ensure_ascii=False) + ("…" if place + len(part) < len(text) else "")
    )


def _marked(text: str, wanted: str, begin: int = 0) -> Marked:
    place = text.lower().find(wanted, begin)
    if place < 0:  # it is written otherwise than it is, as a quote or a line break is
        return Marked(before=visible.visible(text))
    end = place + len(wanted)
    return Marked(
        before=visible.visible(text[:place]), hit=visible.visible(text[place:end]), after=visible.visible(text[end:])
    )

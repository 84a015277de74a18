"""Look-ups in the JSON data of a scope, and the messages for missing names."""

from __future__ import annotations

import difflib
import itertools
import json
from collections.abc import Callable, Mapping
from typing import Any

from automate_plugins import ntext, text
from automate_plugins.texts import marked

type Scope = Mapping[str, Any]
type Path = tuple[str | int, ...]
LONGEST = 40  #: characters of names that are compared with one that is missing
MOST = 40  #: names that are compared


class TemplateError(Exception):
    """A template that cannot be compiled or rendered, with the reason and the line."""

    def __init__(self, reason: str, line: int = 1) -> None:
        shown = reason if line == 1 else text("Line %(line)s: %(reason)s", line=str(line), reason=marked(reason))
        super().__init__(shown)
        self.reason = reason
        self.line = line


def look_up(scope: Any, path: Path) -> Any:
    """Return the value at `path`. Raises TemplateError that names the first missing part and the names that exist."""
    value = scope
    for depth, part in enumerate(path):
        value = part_of(value, part)
        if value is ABSENT:
            raise TemplateError(missing_reason(scope, path[: depth + 1]))
    return value


def missing_reason(scope: Any, path: Path) -> str:
    """Return why the last part of `path` cannot be looked up; all parts before it must exist."""
    parent = scope
    for part in path[:-1]:
        parent = part_of(parent, part)
    return describe_missing(parent, path[-1], describe(path[:-1]))


def describe(path: Path) -> str:
    """Format a path: `("a", "b", 0)` becomes `a.b[0]`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


ABSENT: Any = object()


class Deferred:
    """A member of a mapping that is loaded when it is looked up. `load` may raise DeferredError."""

    __slots__ = ("load",)

    def __init__(self, load: Callable[[], Any]) -> None:
        self.load = load


def part_of(value: Any, part: Any) -> Any:
    """Look up one part: a key of a mapping, an index or slice of a list or text; `ABSENT` when it is missing.

    All expressions look up by this function. It loads a `Deferred`.
    """
    if isinstance(value, dict):
        try:
            found = value.get(part, ABSENT)
        except TypeError:  # an unhashable key
            return ABSENT
        return found.load() if type(found) is Deferred else found
    if isinstance(value, list | str | tuple) and isinstance(part, int | slice) and not isinstance(part, bool):
        try:
            return value[part]
        except (IndexError, TypeError):
            return ABSENT
    return ABSENT


def describe_missing(parent: Any, part: Any, where: str = "") -> str:
    """Return why `parent`, named `where`, has no `part`: the names that exist, or the nearest ones."""
    shown = f"{where}[{part}]" if isinstance(part, int) else f"{where}.{part}".lstrip(".")
    if isinstance(parent, Mapping):
        there = [str(key) for key in list(parent)]
        near = difflib.get_close_matches(str(part), _likely(there, str(part)), n=3) if len(str(part)) <= LONGEST else []
        if near:
            return text(
                "%(path)s does not exist. Did you mean %(names)s?", path=shown, names=" / ".join(map(repr, near))
            )
        if there:
            return text("%(path)s does not exist. Available: %(names)s.", path=shown, names=_some(there))
        return text("%(path)s does not exist. There are no names here.", path=shown)
    if isinstance(parent, list):
        return ntext(
            "%(path)s does not exist. The list has %(count)s item.",
            "%(path)s does not exist. The list has %(count)s items.",
            len(parent),
            path=shown,
        )
    kind = marked(_KINDS.get(type(parent), _NUMBER))
    if where:
        return text("%(path)s does not exist. %(parent)s is %(kind)s.", path=shown, parent=where, kind=kind)
    return text("%(path)s does not exist. The value is %(kind)s.", path=shown, kind=kind)


_KINDS = {type(None): text("null"), str: text("a text"), bool: text("true or false")}
_NUMBER = text("a number")


def _likely(names: list[str], part: str) -> list[str]:
    """Return a few names of similar length: comparing is quadratic in their length, and look-ups may fail often."""
    alike = (name for name in names if len(name) <= LONGEST and abs(len(name) - len(part)) <= LONGEST // 4)
    return list(itertools.islice(alike, MOST))


def missing_at(scope: Any, path: Path) -> tuple[Any, int] | None:
    """Return (the value that lacks a part of `path`, the index of that part); None when the whole path exists."""
    value = scope
    for depth, part in enumerate(path):
        parent, value = value, part_of(value, part)
        if value is ABSENT:
            return parent, depth
    return None


def _some(names: list[str], most: int = 8) -> str:
    shown, left = ", ".join(sorted(names)[:most]), len(names) - most
    if left <= 0:
        return shown
    return ntext("%(names)s and %(count)s more", "%(names)s and %(count)s more", left, names=shown)


def as_text(value: Any) -> str:
    """Format a value for use inside a text: null is empty; true, false, lists and mappings are JSON.

    Raises TemplateError for a value that is not JSON.
    """
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool | dict | list | tuple):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int | float | range):
        return str(value)
    raise TemplateError(text("The expression does not return a JSON value."))

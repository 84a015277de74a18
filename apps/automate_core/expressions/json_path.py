"""Look-ups in the JSON data that expressions see, and what to say when something is not there."""

from __future__ import annotations

import difflib
import itertools
import json
from collections.abc import Callable, Mapping
from typing import Any

type Scope = Mapping[str, Any]
type Path = tuple[str | int, ...]
LONGEST = 40  #: characters of names that are compared with one that is missing
MOST = 40  #: names that are compared


class TemplateError(Exception):
    """A template that cannot be compiled or rendered: the reason in words, and the line."""

    def __init__(self, reason: str, line: int = 1) -> None:
        super().__init__(reason if line == 1 else f"line {line}: {reason}")
        self.reason = reason
        self.line = line


def look_up(scope: Any, path: Path) -> Any:
    """The value at `path`. Raises TemplateError that names the first part that is missing and what is there."""
    value = scope
    for depth, part in enumerate(path):
        value = part_of(value, part)
        if value is ABSENT:
            raise TemplateError(missing_reason(scope, path[: depth + 1]))
    return value


def missing_reason(scope: Any, path: Path) -> str:
    """Why the last part of `path` cannot be looked up, though all before it can."""
    parent = scope
    for part in path[:-1]:
        parent = part_of(parent, part)
    return describe_missing(parent, path[-1], describe(path[:-1]))


def describe(path: Path) -> str:
    """`("a", "b", 0)` as people write it: `a.b[0]`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


ABSENT: Any = object()


class Deferred:
    """A member of a mapping that is read when it is looked up, and only then. `load` raises DeferredError."""

    __slots__ = ("load",)

    def __init__(self, load: Callable[[], Any]) -> None:
        self.load = load


def part_of(value: Any, part: Any) -> Any:
    """One look-up, the same everywhere: a key of a mapping, an index of a list or text."""
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
    """Why `parent`, which is called `where`, has no `part`: what is there, and the nearest names."""
    shown = f"{where}[{part}]" if isinstance(part, int) else f"{where}.{part}".lstrip(".")
    if isinstance(parent, Mapping):
        there = [str(key) for key in list(parent)]
        near = difflib.get_close_matches(str(part), _likely(there, str(part)), n=3) if len(str(part)) <= LONGEST else []
        hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else f"; there is {_some(there)}"
        return f"{shown} does not exist{hint}"
    if isinstance(parent, list):
        return f"{shown} does not exist; {where or 'this'} is a list of {len(parent)}"
    kind = "null" if parent is None else {str: "text", bool: "true or false"}.get(type(parent), "a number")
    return f"{shown} does not exist; {where or 'this'} is {kind}"


def _likely(names: list[str], part: str) -> list[str]:
    """Few and short ones: comparing takes the square of their length, and what is missing may be looked up often."""
    alike = (name for name in names if len(name) <= LONGEST and abs(len(name) - len(part)) <= LONGEST // 4)
    return list(itertools.islice(alike, MOST))


def missing_at(scope: Any, path: Path) -> tuple[Any, int] | None:
    """(the value that lacks a part of `path`, which part that is); None when all of it is there."""
    value = scope
    for depth, part in enumerate(path):
        parent, value = value, part_of(value, part)
        if value is ABSENT:
            return parent, depth
    return None


def _some(names: list[str], most: int = 8) -> str:
    shown = ", ".join(sorted(names)[:most])
    return (shown + (f" and {len(names) - most} more" if len(names) > most else "")) or "nothing"


def as_text(value: Any) -> str:
    """A value as it stands inside a text: null is empty, true and false in JSON's words, lists and mappings as JSON."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool | dict | list | tuple):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int | float | range):
        return str(value)
    raise TemplateError("an expression gives no JSON value")

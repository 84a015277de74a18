"""Paths of steps in a run, such as `each[3]/note`: the keys from the outside in, a loop's with the item in brackets."""

from __future__ import annotations

import re
from dataclasses import dataclass

from django.db.models import F, Func, TextField, Value

START = "~trigger"  #: the path of the trigger where there is more to see of it; no step's key looks like it

_ITEM = re.compile(r"\[(\d+)\]")
_PART = re.compile(r"(?P<key>[^\[\]/]+)(?:\[(?P<index>\d+)\])?")


@dataclass(frozen=True)
class PathPart:
    """One step of a path: its key, and the iteration that the path goes on in."""

    key: str
    index: int | None


def path_parts(path: str) -> tuple[PathPart, ...]:
    """The steps that a path goes through, outermost first."""
    found = [_PART.fullmatch(part) for part in path.split("/")]
    return tuple(PathPart(match["key"], int(match["index"]) if match["index"] else None) for match in found if match)


def parent_path(path: str) -> str:
    """The path of the step around it; empty at the top."""
    return re.sub(r"\[\d+\]$", "", path.rpartition("/")[0])


def without_items(path: str) -> str:
    """The path in the definition, `each/note`: the same for all items of the loops around it."""
    return _ITEM.sub("", path)


def key_of(path: str) -> str:
    """The key of the step that a path leads to."""
    return without_items(path).rpartition("/")[2]


def items_of(path: str) -> str:
    """Numbers, from 1, of the loop items around a path: `2`, in nested loops `2.1`; empty outside of loops."""
    return ".".join(str(int(number) + 1) for number in _ITEM.findall(path.rpartition("/")[0]))


def key_in(field: str) -> Func:
    """`key_of` the path in a column, for queries."""
    return _without(rf"^.*/|{_ITEM.pattern}", field)


def without_items_in(field: str) -> Func:
    """`without_items` of the path in a column, for queries."""
    return _without(_ITEM.pattern, field)


def _without(pattern: str, field: str) -> Func:
    return Func(F(field), Value(pattern), Value(""), Value("g"), function="regexp_replace", output_field=TextField())

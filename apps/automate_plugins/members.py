"""The check of a plug-in's descriptions: tuples whose items have one type, and in them what that type declares."""

from __future__ import annotations

import enum
import types
from dataclasses import is_dataclass
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

_WORDS = {str: "text", bool: "a bool: True or False", int: "a whole number", float: "a number"}


def check_members(attribute: str, members: Any, kind: type, noun: str = "") -> None:
    """Raise TypeError unless `members` is a tuple or list of `kind`. The message names the item and its type."""
    wanted = f"{attribute} must be a tuple of {noun or kind.__name__}"
    if isinstance(members, kind) and not isinstance(members, tuple | list):
        raise TypeError(f"{wanted}, not one {kind.__name__}: add a comma after it")
    if not isinstance(members, tuple | list):
        raise TypeError(f"{wanted}, not {type(members).__name__}")
    for number, member in enumerate(members, 1):
        if not isinstance(member, kind):
            raise TypeError(f"{wanted}: item {number} is {_type_name(member)}")
        if is_dataclass(kind):
            check_description(attribute, member)


def check_description(attribute: str, described: Any) -> None:
    """Raise TypeError for a value that its class does not declare, such as a text in place of an enum's member.

    Nothing else reports it before somebody uses the description: annotations bind nobody.
    """
    owner = getattr(described, "name", type(described).__name__)
    kind: type = type(described)
    for name, hint in _hints(kind).items():
        value = getattr(described, name)
        if not _fits(hint, value):
            raise TypeError(f"{attribute}: {name} of {owner!r} must be {_words(hint, value)}{_misfit(hint, value)}")
        for member in value if isinstance(value, tuple | list) else ():
            if is_dataclass(member):
                check_description(f"{attribute}: {name} of {owner!r}", member)


@cache
def _hints(kind: type) -> dict[str, Any]:
    declared = get_type_hints(kind)
    return {name: declared[name] for name in getattr(kind, "__dataclass_fields__", ())}


def _fits(hint: Any, value: Any) -> bool:
    origin, args = get_origin(hint), get_args(hint)
    if origin in {Union, types.UnionType}:
        return any(_fits(each, value) for each in args)
    if origin is tuple:
        return isinstance(value, tuple | list) and _items_fit(args, value)
    if origin is not None:
        return isinstance(value, origin)
    if hint in {int, float}:
        return isinstance(value, int | float if hint is float else int) and not isinstance(value, bool)
    if hint is str:
        return isinstance(value, str) or hasattr(value, "_proxy____cast")  # translated by Django when it is shown
    return hint is Any or not isinstance(hint, type) or isinstance(value, hint)


def _items_fit(args: tuple[Any, ...], value: Any) -> bool:
    if args[-1] is Ellipsis:
        return all(_fits(args[0], item) for item in value)
    return len(args) == len(value) and all(map(_fits, args, value))


def _misfit(hint: Any, value: Any) -> str:
    """Return what does not fit, as the rest of a sentence: the first such item of a tuple, else the value."""
    wanted = next((get_args(each) for each in (hint, *get_args(hint)) if get_origin(each) is tuple), ())
    if not wanted or not isinstance(value, tuple | list):
        return f", not {value[:50]!r}" if isinstance(value, str) else f", not {type(value).__name__}"
    if wanted[-1] is not Ellipsis and len(wanted) != len(value):
        return f" has {len(value)} items, not {len(wanted)}"
    for number, item in enumerate(value, 1):
        kind = wanted[0] if wanted[-1] is Ellipsis else wanted[number - 1]
        if not _fits(kind, item):
            is_tuple = isinstance(item, tuple | list) and get_origin(kind) is tuple
            return f": item {number}{_misfit(kind, item) if is_tuple else f' is {_type_name(item)}'}"
    return ""


def _type_name(value: Any) -> str:
    shown = f" ({value[:50]!r})" if isinstance(value, str) else ""
    return f"the class {value.__name__}" if isinstance(value, type) else f"{type(value).__name__}{shown}"


def _words(hint: Any, value: Any = None) -> str:
    origin, args = get_origin(hint), get_args(hint)
    if origin in {Union, types.UnionType}:
        return " or ".join(_words(each) for each in args)
    if origin is tuple:
        if args[-1] is Ellipsis:
            return f"a tuple of {_words(args[0])}"
        return f"({', '.join(_words(each) for each in args)})"
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        meant = next((member for member in hint if member.value == value), next(iter(hint)))
        return f"a member of {hint.__name__} such as {hint.__name__}.{meant.name}"
    return _WORDS.get(hint, "None" if hint is type(None) else getattr(hint, "__name__", str(hint)))

"""The check of a plug-in's descriptions: tuples whose items have one type."""

from __future__ import annotations

from typing import Any


def check_members(attribute: str, members: Any, kind: type, noun: str = "") -> None:
    """Raise TypeError unless `members` is a tuple or list of `kind`. The message names the item and its type."""
    wanted = f"{attribute} must be a tuple of {noun or kind.__name__}"
    if isinstance(members, kind) and not isinstance(members, tuple | list):
        raise TypeError(f"{wanted}, not one {kind.__name__}: add a comma after it")
    if not isinstance(members, tuple | list):
        raise TypeError(f"{wanted}, not {type(members).__name__}")
    for number, member in enumerate(members, 1):
        if not isinstance(member, kind):
            found = f"the class {member.__name__}" if isinstance(member, type) else type(member).__name__
            shown = f" ({member[:50]!r})" if isinstance(member, str) else ""
            raise TypeError(f"{wanted}: item {number} is {found}{shown}")

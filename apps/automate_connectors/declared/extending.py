"""`extends: CODE` in a site's `connector.yaml`: what the file adds to a connector that comes with Automate."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from typing import Any

from automate_connectors.declared.openapi.operations import overlay
from automate_connectors.declared.parsing import Fault, FaultyDocumentError
from automate_plugins import text
from automate_plugins.texts import joined

#: The lists of a document with names, and what each item of its own must have: without it, it changes another.
_LISTS = {"actions": ("path", "operation"), "polls": ("action",), "webhooks": ("register",)}
_NAMES = {"format", "extends", "openapi", "options", *_LISTS}


def extend(shipped: dict[str, Any], value: dict[str, Any], fixed: Collection[str] = ()) -> dict[str, Any]:
    """Return the document `shipped` with what `value` adds or changes. Raises FaultyDocumentError.

    The items of `value` come first, so that places of faults are those of its file. `fixed` names what is no part of
    the document and cannot be changed.
    """
    if unknown := [name for name in value if name not in _NAMES]:
        reason = text("A file that extends a connector cannot have the name %(name)s.", name=repr(unknown[0]))
        raise FaultyDocumentError([Fault((unknown[0],), reason)])
    made = {**shipped, "format": value.get("format")}
    if isinstance(options := value.get("options", {}), dict):
        made["options"] = {**shipped.get("options", {}), **options}
    else:
        made["options"] = options  # a fault of the document
    for kind, needed in _LISTS.items():
        made[kind] = _extended(shipped, value, kind, needed, fixed)
    return made


def _extended(
    shipped: dict[str, Any], value: dict[str, Any], kind: str, needed: tuple[str, ...], fixed: Collection[str]
) -> Any:
    known = {each["name"]: each for each in shipped.get(kind, [])}
    own = value.get(kind, [])
    if not isinstance(own, list):
        return own
    made = []
    for index, each in enumerate(own):
        name = each.get("name") if isinstance(each, dict) else None
        if not isinstance(name, str):
            made.append(each)
        elif name in fixed:
            raise _fault(kind, index, text("%(name)s is not part of a file and cannot be changed.", name=repr(name)))
        elif name not in known and not any(each.get(required) for required in needed):
            reason = text(
                "%(connector)s has nothing with the name %(name)s.", connector=shipped["name"], name=repr(name)
            )
            similar = difflib.get_close_matches(name, known, 1)
            more = [text("Did you mean %(name)s?", name=similar[0])] if similar else []
            raise _fault(kind, index, joined([reason, *more]))
        else:
            made.append(_changed(known.get(name, {}), each, kind, index))
    names = {each.get("name") for each in own if isinstance(each, dict)}
    return [*made, *(each for name, each in known.items() if name not in names)]


def _changed(before: dict[str, Any], own: dict[str, Any], kind: str, index: int) -> dict[str, Any]:
    if kind != "actions" or not before:
        return {**before, **own}
    try:
        return overlay(before, own)
    except FaultyDocumentError as error:
        raise FaultyDocumentError([Fault((kind, index, *each.place), each.reason) for each in error.faults]) from error


def _fault(kind: str, index: int, reason: str) -> FaultyDocumentError:
    return FaultyDocumentError([Fault((kind, index, "name"), reason)])

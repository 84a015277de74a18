"""Where values stand in a request: dotted places in a body, and names of lists and mappings in queries and forms."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from automate_connectors.declared.document import Arrays
from automate_connectors.web import as_text, invalid_input
from automate_plugins import text

MAX_INDEX = 99  #: of a list in a dotted place


def put(body: dict[str, Any], place: str, value: Any) -> None:
    """Set `value` at a dotted place: numbers are positions in lists, and "" is the body itself.

    A mapping joins the one that stands there already.

    Raises ConnectorError where something else stands already.
    """
    if not place:
        if not isinstance(value, dict):
            raise invalid_input(text("The body must be a mapping."))
        body.update(value)
        return
    parts = place.split(".")
    node: Any = body
    for part, following in zip(parts, [*parts[1:], ""], strict=True):
        inner: Any = [] if following.isdecimal() else {}
        if isinstance(node, list):
            position = int(part)
            node.extend([None] * (position + 1 - len(node)))
            node[position] = value if not following else inner if node[position] is None else node[position]
            node = node[position]
        elif isinstance(node, dict):
            known = node.get(part)
            if not following and isinstance(known, dict) and isinstance(value, dict):
                known.update(value)
                return
            node[part] = value if not following else node.get(part, inner)
            node = node[part]
        else:
            raise invalid_input(text("Only one input can be at %(place)s.", place=place))


def nested(place: str, value: Any) -> dict[str, Any]:
    """Return a mapping that has `value` at a dotted place. Raises ConnectorError."""
    made: dict[str, Any] = {}
    put(made, place, value)
    return made


def split_text(value: str, length: int) -> list[str]:
    """Return a text in pieces; services count its UTF-16 code units, so that an emoji has two."""
    pieces, start, units = [], 0, 0
    for index, character in enumerate(value):
        size = 2 if ord(character) > 0xFFFF else 1
        if units + size > length:
            pieces.append(value[start:index])
            start, units = index, 0
        units += size
    return [*pieces, value[start:]]


def pairs(name: str, value: Any, arrays: Arrays) -> Iterator[tuple[str, str]]:
    """Yield the (name, text) pairs that write a value in a query or a form; null is left out.

    A mapping is written as `name[key]` (deepObject of OpenAPI).
    """
    if value is None:
        return
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from pairs(f"{name}[{key}]" if name else str(key), inner, arrays)
    elif not isinstance(value, list):
        yield name, as_text(value)
    elif arrays is Arrays.COMMA:
        yield name, ",".join(map(as_text, value))
    else:
        for index, inner in enumerate(value):
            ending = {Arrays.INDEX: f"[{index}]", Arrays.BRACKETS: "[]"}.get(arrays, "")
            yield from pairs(f"{name}{ending}", inner, arrays)

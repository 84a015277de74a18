"""Shared parts of the data actions: limits, errors, and fields of items."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from automate_connectors.adapters.base import ConnectorError
from automate_plugins import text
from automate_plugins.fields import json_type

MAX_ITEMS = 10_000
MAX_TEXT = 1_000_000  #: characters of a text that comes in or goes out
MAX_DEPTH = 64
MAX_NODES = 100_000  #: values in a document

_encoder = msgspec.json.Encoder(order="deterministic", decimal_format="number")


def invalid_input(message: str) -> ConnectorError:
    """Return the error for an invalid input."""
    return ConnectorError(message, code="invalid_input")


def items_of(params: dict[str, Any], name: str = "items") -> list[Any]:
    """Return a list input. Raises ConnectorError when it is too long."""
    found: list[Any] = params[name]
    if len(found) > MAX_ITEMS:
        raise invalid_input(
            text(
                "%(name)s has %(count)s items. The maximum is %(maximum)s.",
                name=name,
                count=len(found),
                maximum=MAX_ITEMS,
            )
        )
    return found


def rows_of(params: dict[str, Any], name: str = "items") -> list[dict[str, Any]]:
    """Return an input that is a list of mappings. Raises ConnectorError."""
    found = items_of(params, name)
    for index, row in enumerate(found):
        if not isinstance(row, dict):
            raise invalid_input(
                text("%(name)s must be a mapping (got %(type)s).", name=f"{name}[{index}]", type=json_type(row))
            )
    return found


def text_of(params: dict[str, Any], name: str = "text", most: int = MAX_TEXT) -> str:
    """Return a text input. Raises ConnectorError when it is too long."""
    found: str = params[name]
    if len(found) > most:
        raise invalid_input(
            text(
                "%(name)s has %(count)s characters. The maximum is %(maximum)s.",
                name=name,
                count=len(found),
                maximum=most,
            )
        )
    return found


def names_of(params: dict[str, Any], name: str, most: int = 20) -> list[str]:
    """Return an input that is a list of field names. Raises ConnectorError."""
    found = params.get(name) or []
    if len(found) > most or not all(isinstance(each, str) for each in found):
        raise invalid_input(text("%(name)s must be a list of up to %(maximum)s field names.", name=name, maximum=most))
    return list(found)


def list_output(items: Iterable[Any], **more: Any) -> dict[str, Any]:
    """Return the output for a list of items."""
    found = list(items)
    return {"items": found, "count": len(found), **more}


def field_of(item: Any, path: str) -> Any:
    """Return the value at a dotted path in an item, None where there is none; the item itself for an empty path."""
    if not path:
        return item
    if isinstance(item, dict) and path in item:
        return item[path]
    for part in path.split("."):
        item = item.get(part) if isinstance(item, dict) else None
    return item


def key_of(*values: Any) -> bytes:
    """Return a key that is the same for equal values: 1 and 1.0 are equal, 1 and true are not."""
    whole = [int(value) if isinstance(value, float) and value.is_integer() else value for value in values]
    try:
        return _encoder.encode(whole)
    except (TypeError, ValueError, RecursionError) as error:
        raise invalid_input(text("A value is not valid JSON: %(reason)s", reason=str(error))) from error


def check_size(value: Any) -> None:
    """Check a document's depth and number of values, without recursion. Raises ConnectorError."""
    level, nodes = [value], 0
    for _ in range(MAX_DEPTH):
        nodes += len(level)
        if nodes > MAX_NODES:
            raise invalid_input(text("The document has more than %(count)s values.", count=MAX_NODES))
        level = [inner for each in level for inner in _inside(each)]
        if not level:
            return
    raise invalid_input(text("The document is nested more than %(count)s levels deep.", count=MAX_DEPTH))


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()

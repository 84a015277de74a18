"""The texts of a template's file that people read, wherever they stand in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

_TEXT_KEYS = frozenset(
    {"summary", "label", "help", "name", "description", "message", "subject", "text", "title", "body"}
)
_PURPOSES = frozenset({"connections", "sends"})  # their values are texts, whatever the key
_NOT_TEXTS = frozenset({"sample", "vars"})
_IDENTIFIER = re.compile(r"[a-z0-9_.-]*|\W*|\{\{[^{}]*\}\}")


def map_texts(document: Any, change: Callable[[str], str], key: str = "") -> Any:
    """A copy of a template's document with each of its texts changed."""
    if isinstance(document, dict):
        return {
            name: each if name in _NOT_TEXTS else map_texts(each, change, key if key in _PURPOSES else name)
            for name, each in document.items()
        }
    if isinstance(document, list):
        return [map_texts(each, change, key) for each in document]
    if isinstance(document, str) and key in _TEXT_KEYS | _PURPOSES and not _IDENTIFIER.fullmatch(document):
        return change(document)
    return document


def texts(document: Any) -> Iterator[str]:
    """The texts of a template's document."""
    found: list[str] = []

    def keep(text: str) -> str:
        found.append(text)
        return text

    map_texts(document, keep)
    return iter(found)

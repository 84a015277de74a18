"""The search of the palette, as static/automate_studio/shared/listbox.js ranks what the page offers."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.support.pages import Page


def palette_offers(page: Page) -> list[tuple[str, str, str]]:
    """What is searched, in the order of the page: name, further words and the action (or the kind) of each."""
    found, searched = [], True
    for _, attributes in page.tags:
        if "da-offers" in attributes.get("class", "").split():
            searched = "data-unsearched" not in attributes
        elif searched and "data-name" in attributes:
            request = json.loads(attributes["data-insert-now"])
            asked = request.get("action") or request["kind"]  # a trigger has no action
            found.append((attributes["data-name"], attributes["data-more"], asked))
    return found


def search_palette(offers: list[tuple[str, str, str]], query: str) -> list[str]:
    """The actions that fit the words, the best first."""
    words = query.lower().split()
    ranked = [(rank_offer(name, more, words), action) for name, more, action in offers]
    return [action for rank, action in sorted(ranked, key=lambda each: -each[0]) if rank]


def rank_offer(name: str, more: str, words: list[str]) -> int:
    """How well an offer fits: by the beginning of its name, a word, its description, or only by a part of a word."""
    if not all(word in name or word in more for word in words):
        return 0
    if all(word in name for word in words):
        if name.startswith(words[0]):
            return 5
        if _begin(name, words):
            return 4
    if more.startswith(" ".join(words)):
        return 3
    return 2 if _begin(f"{name} {more}", words) else 1


def _begin(text: str, words: list[str]) -> bool:
    parts: list[Any] = re.split(r"[\W_]+", text)
    return all(any(part.startswith(word) for part in parts) for word in words)

"""The search of the palette, as the builder's script asks for it."""

from __future__ import annotations

import json

from tests.support.builder import Builder


def search_palette(builder: Builder, query: str, **place: str) -> list[str]:
    """The actions (or the kinds) that the palette lists for the words, the best first."""
    answer = builder.client.get(builder.url("builder_palette"), {"q": query, **place})
    return [_asked(json.loads(each)) for each in answer.json()["found"]]


def _asked(request: dict[str, str]) -> str:
    if request["do"] == "add_trigger":
        return f"trigger:{request['kind']}"
    return request["action"] or request["kind"]

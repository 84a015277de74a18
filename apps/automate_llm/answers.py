"""JSON documents parsed from a model's answer."""

from __future__ import annotations

import re
from typing import Any

import msgspec

MAX_CHARACTERS = 200_000
MAX_DEPTH = 64
_FENCED = re.compile(r"\A\s*```(?:json)?[ \t]*\n(.*?)\n?```\s*\Z", re.DOTALL)  # how models like to set JSON


def parse_json_answer(text: str) -> Any:
    """Parse a JSON document, with or without a code fence. Raises ValueError, which says what is wrong."""
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"it is longer than {MAX_CHARACTERS:,} characters")
    fenced = _FENCED.match(text)
    try:
        document = msgspec.json.decode(fenced[1] if fenced else text)
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise ValueError(f"it is not one JSON document: {error}") from error
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if _is_too_deep(document):
        raise ValueError(f"it is nested deeper than {MAX_DEPTH} levels")
    return document


def _is_too_deep(document: Any) -> bool:
    level = [document]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for value in level
            if isinstance(value, dict | list)
            for inner in (value.values() if isinstance(value, dict) else value)
        ]
        if not level:
            return False
    return True

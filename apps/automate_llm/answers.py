"""JSON documents parsed from a model's answer."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from automate_plugins import text

MAX_CHARACTERS = 200_000
MAX_DEPTH = 64
_FENCED = re.compile(r"\A\s*```(?:json)?[ \t]*\n(.*?)\n?```\s*\Z", re.DOTALL)  # how models like to set JSON


def parse_json_answer(answer: str) -> Any:
    """Parse a JSON document, with or without a code fence. Raises ValueError, which says what is wrong."""
    if len(answer) > MAX_CHARACTERS:
        raise ValueError(text("The answer is longer than %(count)s characters.", count=MAX_CHARACTERS))
    fenced = _FENCED.match(answer)
    try:
        document = msgspec.json.decode(fenced[1] if fenced else answer)
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise ValueError(text("The answer is not a JSON document: %(reason)s", reason=str(error))) from error
    except RecursionError:
        raise ValueError(text("The answer is nested too deeply.")) from None
    if _is_too_deep(document):
        raise ValueError(text("The answer is nested more than %(count)s levels deep.", count=MAX_DEPTH))
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

"""Values as inert, highlighted text: a list of (kind, text) pieces that the template escapes."""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import dataclass
from typing import Any

MAX_LINES = 200
MAX_CHARACTERS = 64_000

_PIECES = re.compile(
    r'(?P<key>"(?:[^"\\]|\\.)*")(?P<colon>\s*:)|(?P<string>"(?:[^"\\]|\\.)*")'
    r"|(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(?P<word>true|false|null)|(?P<rest>[^\"\d\-tfn]+|.)",
    re.DOTALL,
)
_CLASSES = {"string": "string", "number": "number", "word": "number", "rest": "punctuation"}


@dataclass(frozen=True)
class HighlightedJson:
    """A highlighted value, and whether it is truncated."""

    pieces: list[tuple[str, str]]
    cut: bool


def highlight_json(value: Any, *, cut: bool = False) -> HighlightedJson:
    """Pretty-printed JSON of `value`, at most 200 lines and 64,000 characters. `cut` marks it as a preview."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    lines = text[:MAX_CHARACTERS].split("\n")
    shown = "\n".join(lines[:MAX_LINES])
    return HighlightedJson(_token_pieces(escape_invisible(shown)), cut or len(shown) < len(text))


def escape_invisible(text: str) -> str:
    """`text` with characters that reorder or hide it (bidi controls, zero width) written as escapes."""
    return "".join(
        json.dumps(char)[1:-1] if unicodedata.category(char) in {"Cf", "Cc"} and char not in "\n\t" else char
        for char in text
    )


def _token_pieces(text: str) -> list[tuple[str, str]]:
    pieces: list[tuple[str, str]] = []
    for match in _PIECES.finditer(text):
        if match["key"] is not None:
            pieces += [("key", match["key"]), ("punctuation", match["colon"])]
        else:
            pieces.append((_CLASSES[str(match.lastgroup)], match[0]))
    return pieces

"""Text of values, with what would hide or reorder it made visible."""

from __future__ import annotations

import json
import unicodedata


def escape_invisible(text: str) -> str:
    """`text` with characters that reorder or hide it (bidi controls, zero width) written as escapes."""
    return "".join(
        json.dumps(char)[1:-1] if unicodedata.category(char) in {"Cf", "Cc"} and char not in "\n\t" else char
        for char in text
    )

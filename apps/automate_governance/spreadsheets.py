"""Text that goes into a spreadsheet stays text."""

from __future__ import annotations

import unicodedata

_FORMULA = ("=", "+", "-", "@")
_BREAKS = ("\t", "\r", "\n")  # after which some programs begin a cell anew


def inert(text: str) -> str:
    """The text of a cell of a CSV file, with an apostrophe before what a spreadsheet would take for a formula.

    Programs pass over blanks and unseen characters before a formula, and read full-width signs as plain ones.
    """
    return f"'{text}" if text.startswith(_BREAKS) or _visible(text).startswith(_FORMULA) else text


def _visible(text: str) -> str:
    """The first character that is seen, in its plain form; empty when there is none."""
    for char in text:
        if not char.isspace() and unicodedata.category(char) not in {"Cc", "Cf", "Zs", "Zl", "Zp"}:
            return unicodedata.normalize("NFKC", char)
    return ""

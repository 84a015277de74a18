"""Protection of spreadsheets: exported text is not run as a formula."""

from __future__ import annotations

import unicodedata

_FORMULA = ("=", "+", "-", "@")
_BREAKS = ("\t", "\r", "\n")  # after which some programs begin a cell anew


def inert(text: str) -> str:
    """Return the text of a CSV cell, with an apostrophe before what a spreadsheet would run as a formula.

    Spreadsheets skip blanks and invisible characters before a formula, and read full-width signs as plain ones.
    """
    return f"'{text}" if text.startswith(_BREAKS) or _visible(text).startswith(_FORMULA) else text


def _visible(text: str) -> str:
    """Return the first visible character in its plain form; empty when there is none."""
    for char in text:
        if not char.isspace() and unicodedata.category(char) not in {"Cc", "Cf", "Zs", "Zl", "Zp"}:
            return unicodedata.normalize("NFKC", char)
    return ""

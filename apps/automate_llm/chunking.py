"""Long texts split into pieces that a model can read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

# Where a text is best cut, from the best to the worst: between paragraphs, lines, sentences, words.
_BOUNDARIES = (re.compile(r"(?<=\n\n)"), re.compile(r"(?<=\n)"), re.compile(r"(?<=[.!?] )"), re.compile(r"(?<= )"))


def split_text(text: str, most: int, count: Callable[[str], int]) -> list[str]:
    """Split `text` into pieces of at most `most` tokens, counted by `count`; joined, they are the text again."""
    pieces: list[str] = []
    size = 0
    for part in _parts(text, most, count, 0):
        tokens = count(part)
        if pieces and size + tokens > most:
            size = count(pieces[-1])  # each part was rounded up
        if pieces and size + tokens <= most:
            pieces[-1] += part
            size += tokens
        else:
            pieces.append(part)
            size = tokens
    return pieces or [text]


def _parts(text: str, most: int, count: Callable[[str], int], seam: int) -> Iterator[str]:
    """Yield parts of at most `most` tokens, split at the best boundaries that suffice."""
    if count(text) <= most:
        yield text
    elif seam < len(_BOUNDARIES):
        for part in _BOUNDARIES[seam].split(text):
            yield from _parts(part, most, count, seam + 1)
    else:  # one word, or none: halves of it
        middle = len(text) // 2
        if not middle:
            yield text
            return
        yield from _parts(text[:middle], most, count, seam)
        yield from _parts(text[middle:], most, count, seam)

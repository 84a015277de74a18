"""Trace ids and keys as people paste them."""

from __future__ import annotations


def hexadecimal(text: str) -> str:
    """The digits of an id, or of a part of one; empty for anything else."""
    plain = text.lower().replace("-", "")
    return plain if all(letter in "0123456789abcdef" for letter in plain) else ""


TRACE_BEGINNING = 4  #: hexadecimal digits of a trace id that are a search for it

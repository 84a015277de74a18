"""Numbers as servers write them: a number of thousands of digits is none."""

from __future__ import annotations

MAX_NUMBER = 2**63 - 1


def read_number(written: str | bytes, most: int = MAX_NUMBER) -> int | None:
    """Return the number that a text holds, in decimal digits and nothing else; None for any other and above `most`."""
    if not written.isascii() or not written.isdigit() or len(written) > len(str(most)):
        return None
    number = int(written)
    return number if number <= most else None

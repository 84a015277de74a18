"""A limit of what is made of an answer: few bytes can become very much memory and time, outside of any read."""

from __future__ import annotations

from collections.abc import Callable

_CHECK_EACH = 1_000  #: elements between two looks at the clock


class WorkLimit:
    """Counts what is made of the data of another side: lines, elements of XML, values.

    `spend` raises `exceeded()` after `most` of them. Each thousand it calls `remaining`, which raises when the time is
    over or the answer is not wanted any more.
    """

    def __init__(self, most: int, *, remaining: Callable[[], object], exceeded: Callable[[], Exception]) -> None:
        self._left = most
        self._unchecked = 0
        self._remaining, self._exceeded = remaining, exceeded

    def spend(self, count: int = 1) -> None:
        """Count so many elements. Raises the error of the limit, and those of `remaining`."""
        self._left -= count
        self._unchecked += count
        if self._left < 0:
            raise self._exceeded()
        if self._unchecked >= _CHECK_EACH:
            self._unchecked = 0
            self._remaining()

"""Finds thousands of literals in one pass: RE2 finds the first bytes of a literal, a table compares the rest."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

import re2

PREFIX_BYTES = 8  # bytes: how much of a literal the first look compares
_MAX_AUTOMATON_BYTES = (
    1 << 28
)  # bytes that RE2 may take for one automaton; ten thousand literals take a few per cent of it


class LiteralMatcher:
    """A set of literals, in UTF-8."""

    def __init__(self, literals: Iterable[bytes]) -> None:
        self.literals = frozenset(literals)
        self.longest = max(map(len, self.literals), default=0)
        groups: dict[bytes, dict[int, set[bytes]]] = {}
        for literal in self.literals:
            groups.setdefault(literal[:PREFIX_BYTES], {}).setdefault(len(literal), set()).add(literal)
        self._groups = {prefix: sorted(sizes.items(), reverse=True) for prefix, sizes in groups.items()}
        self._sizes = sorted({len(prefix) for prefix in groups}, reverse=True)
        self._pattern = re2.compile(b"|".join(re2.escape(prefix) for prefix in sorted(groups)), _options())

    def find(self, data: bytes, start: int = 0) -> tuple[int, int] | None:
        """Return the span of the first literal at or after `start`; of several, the longest."""
        while (found := self._pattern.search(data, start)) is not None:
            at = found.start()
            end = self._end(data, at)
            if end:
                return at, end
            start = at + 1
        return None

    def partial_match_start(self, data: bytes) -> int:
        """Return where a literal may begin that `data` cuts off; the length of `data` when there is none."""
        for at in range(max(0, len(data) - self.longest + 1), len(data)):
            if self._begins(data[at:]):
                return at
        return len(data)

    def _end(self, data: bytes, at: int) -> int:
        left = len(data) - at
        for size in self._sizes:
            for length, literals in self._groups.get(data[at : at + size], ()):
                if length <= left and data[at : at + length] in literals:
                    return at + length
        return 0

    def _begins(self, tail: bytes) -> bool:
        if len(tail) < PREFIX_BYTES:
            return tail in self._partial_prefixes
        group = self._groups.get(tail[:PREFIX_BYTES], ())
        return any(literal.startswith(tail) for length, literals in group if length > len(tail) for literal in literals)

    @cached_property
    def _partial_prefixes(self) -> frozenset[bytes]:
        """Every beginning of a prefix. Only streams need it."""
        return frozenset(
            literal[:size] for literal in self.literals for size in range(1, min(PREFIX_BYTES, len(literal)))
        )


def _options() -> re2.Options:
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1  # bytes: a prefix may end inside a character
    options.longest_match = True
    options.never_capture = True
    options.log_errors = False
    options.max_mem = _MAX_AUTOMATON_BYTES
    return options

"""Redaction: a secret that was resolved is masked in everything that is made from it, in every encoding.

A person who chooses a text and sees what is masked in it could test whether it is a secret. So `redactor`, which knows
every value of the process, is for its log lines alone; a run, a request or a connection test has a redactor context
that knows only what was resolved in it. docs/secrets.md lists where secrets are masked, in which forms, and the limits.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from automate_governance.redaction import callback_tokens
from automate_governance.redaction.encodings import MIN_LENGTH, encodings_of, parts_of
from automate_governance.redaction.literal_matcher import LiteralMatcher
from automate_governance.redaction.text_logs import visible
from automate_governance.redaction.token_patterns import MASK, is_secret_name, mask_token_patterns

MIN_STRONG_LENGTH = 16  # characters: what is masked even where a mask changes what others sent, or a page's markup
MAX_VALUES = 20_000  # values that a redactor remembers; beyond them, the older half is forgotten
_MAX_DEPTH = 200
_ORDINARY_WORD = re.compile(r"[^\W\d_]?[^\W\d_A-Z]*|[A-Z]+|\d+")  # a word or a number
_SEPARATORS = re.compile(r"[\W_]+")
_SMALL_SET = 1_000  # literals that are compiled in a few milliseconds: a second set of them would cost every text more


class Redactor:
    """Knows secret values and masks them. Thread-safe.

    Values lie in sets of growing size, the oldest in the largest, so that adding one is cheap: a set is compiled again
    only together with one of its own size.
    """

    def __init__(self) -> None:
        self._values: dict[str, None] = {}
        self._sets: tuple[LiteralMatcher, ...] = ()
        self._lock = threading.Lock()

    @property
    def is_empty(self) -> bool:
        """Whether it knows no value."""
        return not self._values

    def learn(self, *values: str) -> None:
        """Mask `values` from now on."""
        if all(value in self._values for value in values):
            return
        with self._lock:
            new = [value for value in dict.fromkeys(values) if value not in self._values]
            self._values.update(dict.fromkeys(new))
            if len(self._values) > MAX_VALUES:
                self._values = dict.fromkeys([*self._values][-MAX_VALUES // 2 :])
                self._sets = _add_set((), _literals(self._values))
            else:
                self._sets = _add_set(self._sets, _literals(new))

    def learn_entered(self, *values: str) -> None:
        """Learn values that people entered, except plain words and numbers.

        Otherwise a stored secret could blank out such words in everybody's runs and pages.
        """
        self.learn(*(value for value in values if not is_ordinary_text(value)))

    def text(
        self,
        text: str,
        *,
        patterns: bool = True,
        at_least: int = MIN_LENGTH,
        is_exempt: Callable[[bytes, int], bool] | None = None,
    ) -> str:
        """Return `text` with every known value masked, and with `patterns` everything that looks like a secret.

        Values shorter than `at_least` bytes stay, and those that `is_exempt(data, position)` exempts. Returns `text`
        itself when there is nothing to mask.
        """
        data = text.encode("utf-8", "surrogatepass")
        spans = [span for span in self.spans(data) if span[1] - span[0] >= at_least]
        if is_exempt is not None:
            spans = [span for span in spans if not is_exempt(data, span[0])]
        if spans:
            data = _replace_spans(data, spans)
            text = data.decode("utf-8", "surrogatepass")
        return mask_token_patterns(text, data) if patterns else text

    def document(self, document: str, *, patterns: bool = True, at_least: int = MIN_LENGTH) -> str:
        """Mask secrets in a JSON document; the result is a JSON document."""
        masked = self.text(document, patterns=patterns, at_least=at_least)
        if masked == document:
            return document
        try:
            json.loads(masked)
        except RecursionError:
            return json.dumps(MASK)
        except ValueError:  # a secret of digits stood inside a number, or a rule met what only looks like a member
            return json.dumps(
                self.value(json.loads(document), patterns=patterns, at_least=at_least), ensure_ascii=False
            )
        return masked

    def value(self, value: Any, *, patterns: bool = True, at_least: int = MIN_LENGTH) -> Any:
        """Mask secrets in a JSON-like value: in keys, texts, numbers, and members whose names say that they are secret.

        Values deeper than 200 levels are masked as a whole.
        """

        def mask(text: str) -> str:
            return self.text(text, patterns=patterns, at_least=at_least)

        def walk(value: Any, name: str, depth: int) -> Any:
            if isinstance(value, str):
                return MASK if value and patterns and is_secret_name(name) else mask(value)
            if depth > _MAX_DEPTH and isinstance(value, dict | list | tuple):
                return MASK
            if isinstance(value, dict):
                return {mask(str(key)): walk(item, str(key), depth + 1) for key, item in value.items()}
            if isinstance(value, list | tuple):
                return [walk(item, name, depth + 1) for item in value]
            if isinstance(value, int | float) and not isinstance(value, bool):
                return value if mask(str(value)) == str(value) else MASK
            return value

        return walk(value, "", 0)

    def spans(self, data: bytes) -> list[tuple[int, int]]:
        """Return the spans of known values in `data`, which is UTF-8."""
        found = []
        for matcher in self._sets:
            end = 0
            while (span := matcher.find(data, end)) is not None:
                found.append(span)
                end = span[1]
        return found

    def partial_match_start(self, data: bytes) -> int:
        """Return where a known value may begin that `data` cuts off; the length of `data` when there is none."""
        return min((matcher.partial_match_start(data) for matcher in self._sets), default=len(data))


def is_ordinary_text(value: str) -> bool:
    """Return whether `value` consists of plain words and numbers, such as `status`, `order-2026` or a full name."""
    return all(_ORDINARY_WORD.fullmatch(part) for part in _SEPARATORS.split(value))


def _literals(values: Iterable[str]) -> set[bytes]:
    parts = {part for value in values for part in parts_of(value) if len(part) >= MIN_LENGTH}
    return {form.encode("utf-8", "surrogatepass") for part in parts for form in encodings_of(part)}


def _add_set(sets: tuple[LiteralMatcher, ...], literals: set[bytes]) -> tuple[LiteralMatcher, ...]:
    """Return `sets` with one more, merged with those at the end that are small or no larger."""
    if not literals:
        return sets
    kept = list(sets)
    while kept and len(kept[-1].literals) <= max(len(literals), _SMALL_SET):
        literals |= kept.pop().literals
    return (*kept, LiteralMatcher(literals))


def _replace_spans(data: bytes, spans: list[tuple[int, int]]) -> bytes:
    pieces, written = [], 0
    for start, end in sorted(spans):
        if start >= written:
            pieces += [data[written:start], MASK.encode()]
        written = max(written, end)
    return b"".join([*pieces, data[written:]])


redactor = Redactor()  #: of the process. For what only whoever runs the site reads: see above.

_EMPTY_REDACTOR = Redactor()
_context_redactors: ContextVar[tuple[Redactor, ...]] = ContextVar("automate_redactors", default=())


@contextmanager
def redactor_context(known: Redactor | None = None) -> Iterator[Redactor]:
    """Run the block with `known` (or a new redactor): it learns resolved secrets, and `redact` masks them."""
    known = known or Redactor()
    token = _context_redactors.set((*_context_redactors.get(), known))
    try:
        yield known
    finally:
        _context_redactors.reset(token)


def current_redactor() -> Redactor:
    """Return the redactor of the innermost context; outside of contexts, an empty one."""
    return (_context_redactors.get() or (_EMPTY_REDACTOR,))[-1]


def learn(*values: str) -> None:
    """Teach `values` to the process's redactor and to those of the current contexts."""
    for each in (redactor, *_context_redactors.get()):
        each.learn(*values)


def learn_entered(*values: str) -> None:
    """Teach values that people entered, except plain words and numbers."""
    for each in (redactor, *_context_redactors.get()):
        each.learn_entered(*values)


def redact(value: Any, *, patterns: bool = True, at_least: int = MIN_LENGTH) -> Any:
    """Mask a JSON-like value by the current redactor, as `Redactor.value` does."""
    return current_redactor().value(value, patterns=patterns, at_least=at_least)


def redact_text(text: str, *, patterns: bool = True) -> str:
    """Mask a text by the current redactor."""
    return current_redactor().text(text, patterns=patterns)


def redact_and_truncate(text: str, most: int) -> str:
    """Return the first `most` characters of what another side says, its control characters as escapes.

    Known values are masked first, so that none is cut in two.
    """
    return visible(redact_text(text, patterns=False))[:most]


class RedactedStream:
    """Redacts text that comes in pieces: the possible beginning of a secret or callback token is held back."""

    def __init__(self, known: Redactor) -> None:
        self._known = known
        self._held = b""

    def push(self, piece: str) -> str:
        """Add a piece and return the redacted text that is complete."""
        data = self._held + piece.encode("utf-8", "surrogatepass")
        cut = min(self._known.partial_match_start(data), callback_tokens.partial_token_start(data))
        for start, end in sorted([*self._known.spans(data), *callback_tokens.find_tokens(data)]):
            if start < cut < end:
                cut = end
        self._held = data[cut:]
        return self._masked(data[:cut])

    def flush(self) -> str:
        """Return the rest at the end of the stream."""
        held, self._held = self._held, b""
        return self._masked(held)

    def _masked(self, data: bytes) -> str:
        text = callback_tokens.mask_tokens(data).decode("utf-8", "surrogatepass")
        return self._known.text(text, patterns=False, at_least=MIN_STRONG_LENGTH)

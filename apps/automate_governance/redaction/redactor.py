"""The second wall around secrets: a value that was handed out is replaced in what comes of that, in whatever form.

Whoever chooses a text and sees what is masked in it learns whether that is a secret. So `redactor`, which knows every
value of the process, serves its log lines alone; a run, a request or a trial knows what it was handed itself
(`knowing`). docs/secrets.md lists the sinks, the forms, and what is not caught.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from automate_governance import callback_tokens
from automate_governance.redaction.encodings import SHORTEST, parts_of, spellings_of
from automate_governance.redaction.literal_matcher import Needles
from automate_governance.redaction.token_patterns import MASK, is_secret_name, mask_shapes

STRONG = 16  # characters: what is masked even where a mask changes what others sent, or a page's markup
MOST = 20_000  # values that a redactor remembers; beyond them, the older half is forgotten
_DEEPEST = 200
_ORDINARY = re.compile(r"[^\W\d_]?[^\W\d_A-Z]*|[A-Z]+|\d+")  # a word or a number
_BETWEEN = re.compile(r"[\W_]+")
_SMALL = 1_000  # literals that are compiled in a few milliseconds: a second set of them would cost every text more


class Redactor:
    """Knows some secret values and blanks them out of text. Thread-safe.

    Values lie in sets of growing size, the oldest in the largest, so that one more costs little: a set is compiled
    anew only together with one of its own size.
    """

    def __init__(self) -> None:
        self._values: dict[str, None] = {}
        self._sets: tuple[Needles, ...] = ()
        self._lock = threading.Lock()

    @property
    def is_empty(self) -> bool:
        """Whether it knows nothing."""
        return not self._values

    def learn(self, *values: str) -> None:
        """Replace `values` from now on."""
        if all(value in self._values for value in values):
            return
        with self._lock:
            new = [value for value in dict.fromkeys(values) if value not in self._values]
            self._values.update(dict.fromkeys(new))
            if len(self._values) > MOST:
                self._values = dict.fromkeys([*self._values][-MOST // 2 :])
                self._sets = _grown((), _literals(self._values))
            else:
                self._sets = _grown(self._sets, _literals(new))

    def learn_given(self, *values: str) -> None:
        """Replace values that people handed in, but for those of plain words and numbers.

        Else whoever may store a secret could blank such words out of everybody's runs and pages.
        """
        self.learn(*(value for value in values if not is_ordinary(value)))

    def text(
        self,
        text: str,
        *,
        shapes: bool = True,
        at_least: int = SHORTEST,
        spare: Callable[[bytes, int], bool] | None = None,
    ) -> str:
        """`text` with every known value, and with `shapes` all that looks like a secret, replaced by the mask.

        What is shorter than `at_least` bytes stays, and what `spare` says of the text and a place in it. Gives `text`
        itself when there is nothing to replace.
        """
        data = text.encode("utf-8", "surrogatepass")
        spans = [span for span in self.spans(data) if span[1] - span[0] >= at_least]
        if spare is not None:
            spans = [span for span in spans if not spare(data, span[0])]
        if spans:
            data = _masked(data, spans)
            text = data.decode("utf-8", "surrogatepass")
        return mask_shapes(text, data) if shapes else text

    def document(self, document: str, *, shapes: bool = True, at_least: int = SHORTEST) -> str:
        """A JSON document with secrets masked; it stays a JSON document."""
        masked = self.text(document, shapes=shapes, at_least=at_least)
        if masked == document:
            return document
        try:
            json.loads(masked)
        except RecursionError:
            return json.dumps(MASK)
        except ValueError:  # a secret of digits stood inside a number, or a rule met what only looks like a member
            return json.dumps(self.value(json.loads(document), shapes=shapes, at_least=at_least), ensure_ascii=False)
        return masked

    def value(self, value: Any, *, shapes: bool = True, at_least: int = SHORTEST) -> Any:
        """A JSON-like value with secrets masked in keys, texts and numbers, and members whose names say they are one.

        What lies deeper than 200 levels is masked as a whole.
        """

        def mask(text: str) -> str:
            return self.text(text, shapes=shapes, at_least=at_least)

        def walk(value: Any, name: str, depth: int) -> Any:
            if isinstance(value, str):
                return MASK if value and shapes and is_secret_name(name) else mask(value)
            if depth > _DEEPEST and isinstance(value, dict | list | tuple):
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
        """Where known values stand in `data`, which is UTF-8."""
        found = []
        for needles in self._sets:
            end = 0
            while (span := needles.find(data, end)) is not None:
                found.append(span)
                end = span[1]
        return found

    def open_end(self, data: bytes) -> int:
        """Where the end of `data` may be the beginning of a known value; its length when it is none's."""
        return min((needles.open_end(data) for needles in self._sets), default=len(data))


def is_ordinary(value: str) -> bool:
    """Whether it is made of plain words and numbers alone, such as `status`, `order-2026` or a name in two words."""
    return all(_ORDINARY.fullmatch(part) for part in _BETWEEN.split(value))


def _literals(values: Iterable[str]) -> set[bytes]:
    parts = {part for value in values for part in parts_of(value) if len(part) >= SHORTEST}
    return {form.encode("utf-8", "surrogatepass") for part in parts for form in spellings_of(part)}


def _grown(sets: tuple[Needles, ...], literals: set[bytes]) -> tuple[Needles, ...]:
    """`sets` with one more, after merging those at the end that are no larger than what follows them, or small."""
    if not literals:
        return sets
    kept = list(sets)
    while kept and len(kept[-1].literals) <= max(len(literals), _SMALL):
        literals |= kept.pop().literals
    return (*kept, Needles(literals))


def _masked(data: bytes, spans: list[tuple[int, int]]) -> bytes:
    pieces, written = [], 0
    for start, end in sorted(spans):
        if start >= written:
            pieces += [data[written:start], MASK.encode()]
        written = max(written, end)
    return b"".join([*pieces, data[written:]])


redactor = Redactor()  #: of the process. For what only whoever runs the site reads: see above.

_NOBODY = Redactor()
_knowing: ContextVar[tuple[Redactor, ...]] = ContextVar("automate_redactors", default=())


@contextmanager
def knowing(known: Redactor | None = None) -> Iterator[Redactor]:
    """Within it, `known` (or a new one) learns what is handed out, and `redact` and the others mask that."""
    known = known or Redactor()
    token = _knowing.set((*_knowing.get(), known))
    try:
        yield known
    finally:
        _knowing.reset(token)


def present() -> Redactor:
    """What the innermost `knowing` gave; outside, one that knows nothing."""
    return (_knowing.get() or (_NOBODY,))[-1]


def learn(*values: str) -> None:
    """`values` are handed out: the process knows them from now on, and so does whoever asked for them."""
    for each in (redactor, *_knowing.get()):
        each.learn(*values)


def learn_given(*values: str) -> None:
    """The same of values that people handed in, but for those of plain words and numbers."""
    for each in (redactor, *_knowing.get()):
        each.learn_given(*values)


def redact(value: Any, *, shapes: bool = True, at_least: int = SHORTEST) -> Any:
    """A JSON-like value as `Redactor.value` has it, masked by what is known here."""
    return present().value(value, shapes=shapes, at_least=at_least)


def redact_text(text: str, *, shapes: bool = True) -> str:
    """A text masked by what is known here."""
    return present().text(text, shapes=shapes)


def cut(text: str, most: int) -> str:
    """The first `most` characters of what others said. A value known here that would be cut in two is masked first."""
    return redact_text(text, shapes=False)[:most]


class RedactedStream:
    """Text that comes in pieces: what may begin a known value, or a callback's token, is held back for the next one."""

    def __init__(self, known: Redactor) -> None:
        self._known = known
        self._held = b""

    def feed(self, piece: str) -> str:
        """What can be let go, masked."""
        data = self._held + piece.encode("utf-8", "surrogatepass")
        cut = min(self._known.open_end(data), callback_tokens.open_end(data))
        for start, end in sorted([*self._known.spans(data), *callback_tokens.spans(data)]):
            if start < cut < end:
                cut = end
        self._held = data[cut:]
        return self._masked(data[:cut])

    def end(self) -> str:
        """What was held back: nothing more comes."""
        held, self._held = self._held, b""
        return self._masked(held)

    def _masked(self, data: bytes) -> str:
        text = callback_tokens.masked(data).decode("utf-8", "surrogatepass")
        return self._known.text(text, shapes=False, at_least=STRONG)

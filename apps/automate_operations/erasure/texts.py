"""The texts that name a person: what they match in stored JSON, in plain text and in files."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import BinaryIO
from urllib.parse import quote, quote_plus

from django.utils.crypto import salted_hmac

from automate_plugins import text
from automate_plugins.errors import AutomateError

MOST_TEXTS = 20
SHORTEST, LONGEST = 3, 200  #: characters of a text
_PIECE = 65_536
_OVERLAP = 4_000  #: characters of a file that are matched again with the next piece; longer than any spelling


class InvalidTextsError(AutomateError, ValueError):
    """The texts cannot be searched for; the message says why."""


@dataclass(frozen=True)
class SearchedTexts:
    """Texts to search for, as whole words and without regard to case.

    `pattern` is for PostgreSQL, on columns cast to text. A text is also found where it is written as in JSON or in a
    URL, and in both Unicode forms of its letters.
    """

    texts: tuple[str, ...]

    @cached_property
    def pattern(self) -> str:
        """The regular expression for PostgreSQL. It names both cases of each letter: a collation may not know them."""
        return "|".join(_sql_pattern(each) for each in self._spelled_forms)

    @cached_property
    def digest(self) -> str:
        """A keyed digest, by which the same texts are recognised without being stored."""
        normal = sorted(unicodedata.normalize("NFC", each).casefold() for each in self.texts)
        return salted_hmac("automate.erasure", json.dumps(normal), algorithm="sha256").hexdigest()

    def are_in(self, value: str) -> bool:
        """Whether a text holds one of them."""
        return self._matcher.search(value) is not None

    def are_in_file(self, file: BinaryIO) -> bool:
        """Whether the content of a file holds one of them, read in pieces as UTF-8."""
        rest = ""
        while piece := file.read(_PIECE):
            seen = rest + piece.decode(errors="replace")
            if self.are_in(seen):
                return True
            rest = seen[-_OVERLAP:]
        return False

    @cached_property
    def _spelled_forms(self) -> list[str]:
        found: dict[str, None] = {}
        for each in self.texts:
            for form in (unicodedata.normalize("NFC", each), unicodedata.normalize("NFD", each)):
                escaped = json.dumps(form, ensure_ascii=False)[1:-1]
                found |= dict.fromkeys((form, escaped, quote(form, safe=""), quote_plus(form, safe="")))
        return list(found)

    @cached_property
    def _matcher(self) -> re.Pattern[str]:
        return re.compile("|".join(_python_pattern(each) for each in self._spelled_forms), re.IGNORECASE)


def parse_texts(given: Iterable[str]) -> SearchedTexts:
    """The texts, each once. Raises InvalidTextsError."""
    texts = tuple(dict.fromkeys(" ".join(each.split()) for each in given if each.strip()))
    if not texts:
        raise InvalidTextsError(text("Enter at least one text, such as an email address."))
    if len(texts) > MOST_TEXTS:
        raise InvalidTextsError(text("Enter at most %(limit)s texts.", limit=MOST_TEXTS))
    for each in texts:
        if not SHORTEST <= len(each) <= LONGEST:
            raise InvalidTextsError(
                text("A text has %(shortest)s to %(longest)s characters.", shortest=SHORTEST, longest=LONGEST)
            )
        if not all(char.isprintable() for char in each) or not any(char.isalnum() for char in each):
            raise InvalidTextsError(text("A text needs letters or digits, and no control characters."))
    return SearchedTexts(texts)


# In stored JSON, a line break before a word is a backslash and a letter, which is no part of the word.
def _sql_pattern(spelling: str) -> str:
    before = r"(?:^|[^[:alnum:]]|\\[bfnrt]|\\u[0-9a-f]{4})" if spelling[0].isalnum() else ""
    after = r"(?:$|[^[:alnum:]])" if spelling[-1].isalnum() else ""
    return before + "".join(map(_sql_character, spelling)) + after


def _sql_character(char: str) -> str:
    if char.isspace():
        return "[[:space:]]+"
    if not char.isalnum():
        return f"\\{char}" if char.isascii() else char
    cases = sorted({case for case in (char, char.lower(), char.upper()) if len(case) == 1})
    return f"[{''.join(cases)}]" if len(cases) > 1 else char


def _python_pattern(spelling: str) -> str:
    before = r"(?:(?<![^\W_])|(?<=\\[bfnrt])|(?<=\\u[0-9a-f]{4}))" if spelling[0].isalnum() else ""
    after = r"(?![^\W_])" if spelling[-1].isalnum() else ""
    return before + "".join(r"\s+" if char.isspace() else re.escape(char) for char in spelling) + after

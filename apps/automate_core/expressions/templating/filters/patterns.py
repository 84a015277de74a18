"""Filters for regular expressions by RE2: linear in the text, without look-around and back-references."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Any

from automate_core.expressions.json_path import TemplateError
from automate_core.expressions.templating import budget
from automate_core.expressions.templating.filters.registry import offer
from automate_core.expressions.templating.limits import MAX_ITEMS, MAX_OUTPUT, MAX_PATTERN, MAX_SEARCHED
from automate_core.expressions.templating.values import Missing, fits, text_of
from automate_plugins import text

ABOUT = text("Regular expressions")
MAX_MEMORY = 1 << 20  #: of one compiled expression
CACHED = 32


@functools.lru_cache(CACHED)
def _compiled(pattern: str) -> Any:
    import re2  # only where it is used: not every process needs it

    options = re2.Options()
    options.log_errors = False
    options.max_mem = MAX_MEMORY
    try:
        return re2.compile(pattern, options)
    except (re2.error, UnicodeError) as error:
        reason = error.args[0] if error.args else type(error).__name__
        reason = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        raise TemplateError(
            text("Invalid pattern %(pattern)s: %(reason)s", pattern=repr(pattern[:80]), reason=reason)
        ) from None


def _search(value: Any, pattern: Any, what: str) -> tuple[str, Iterator[Any]]:
    """Return (the text, an iterator of its matches). Raises TemplateError."""
    searched, expression = text_of(value, what), text_of(pattern, what)
    if len(expression) > MAX_PATTERN:
        raise TemplateError(
            text("%(what)s: the pattern is longer than %(maximum)s characters.", what=what, maximum=MAX_PATTERN)
        )
    if len(searched) > MAX_SEARCHED:
        raise TemplateError(
            text("%(what)s: the text is longer than %(maximum)s characters.", what=what, maximum=MAX_SEARCHED)
        )
    try:
        return searched, _compiled(expression).finditer(searched)
    except UnicodeError:
        raise TemplateError(text("%(what)s: the text contains an incomplete character.", what=what)) from None


@offer(ABOUT, "{{ 'Order 1234' | regex_match('^Order [0-9]+$') }}", cheap=False)
def regex_match(value: Any, pattern: str) -> bool:
    """True if the pattern matches anywhere in the text; `^` and `$` anchor it to the ends."""
    _, matches = _search(value, pattern, "regex_match")
    return next(matches, None) is not None


@offer(ABOUT, "{{ 'Order 1234' | regex_find('Order ([0-9]+)') }}", cheap=False)
def regex_find(value: Any, pattern: str) -> Any:
    """The first match, or its first group. If there may be none, add `default`."""
    _, matches = _search(value, pattern, "regex_find")
    match = next(matches, None)
    if match is None:
        return Missing(hint=text("regex_find: no match for the pattern."))
    return match.group(1 if match.re.groups else 0)


@offer(ABOUT, "{{ 'a1b22' | regex_find_all('[0-9]+') }}", cheap=False)
def regex_find_all(value: Any, pattern: str) -> list[Any]:
    """A list of all matches, or of the first group of each."""
    found = []
    for match in _search(value, pattern, "regex_find_all")[1]:
        budget.check_time()
        found.append(match.group(1 if match.re.groups else 0))
        fits(len(found), "regex_find_all", MAX_ITEMS, is_list=True)
    return found


@offer(ABOUT, r"{{ 'Lovelace, Ada' | regex_replace('(\\w+), (\\w+)', '\\2 \\1') }}", cheap=False)
def regex_replace(value: Any, pattern: str, replacement: str) -> str:
    r"""The text with each match replaced; `\1` in the replacement is the first group, `\0` the whole match."""
    searched, matches = _search(value, pattern, "regex_replace")
    template = text_of(replacement, "regex_replace")
    if len(template) > MAX_PATTERN:
        raise TemplateError(
            text("regex_replace: the replacement is longer than %(maximum)s characters.", maximum=MAX_PATTERN)
        )
    parts = re.split(r"\\([0-9])", template)
    pieces: list[str] = []
    size = end = 0
    for match in matches:
        budget.check_time()
        for piece in (searched[end : match.start()], *_expanded(match, parts)):
            size += len(piece)
            fits(size, "regex_replace", MAX_OUTPUT)
            pieces.append(piece)
        end = match.end()
    return "".join([*pieces, searched[end:]])


def _expanded(match: Any, parts: list[str]) -> Iterator[str]:
    for index, part in enumerate(parts):
        if index % 2 and int(part) > match.re.groups:
            raise TemplateError(text("regex_replace: the pattern has no group %(number)s.", number=part))
        yield (match.group(int(part)) or "") if index % 2 else part

"""Filters for texts. Numbers, true and false are taken as the texts that represent them."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

import jinja2  # noqa: TID251
import jinja2.filters  # noqa: TID251

from automate_core.expressions.json_path import TemplateError, as_text
from automate_core.expressions.templating.filters.registry import offer
from automate_core.expressions.templating.limits import MAX_ITEMS, MAX_OUTPUT, MAX_STRIPPED
from automate_core.expressions.templating.values import fields_of, fits, text_of, whole
from automate_plugins import text
from automate_plugins.texts import marked

ABOUT = text("Text")
ANYTHING = text("Any value")
MAX_SLUGGED = 10_000


def _short(value: Any, what: str) -> str:
    short = text_of(value, what)
    fits(len(short), what)
    return short


@offer(ANYTHING, "{{ event.payload.nickname | default('friend') }}")
def default(value: Any, default_value: Any = "", boolean: bool = False) -> Any:
    """`default_value` if the name does not exist; with `boolean`, also if it is null, empty, false or 0."""
    return default_value if isinstance(value, jinja2.Undefined) or (boolean and not value) else value


@offer(ANYTHING, "{{ [1, true, none] | string }}")
def string(value: Any) -> str:
    """The value as text: lists and objects as JSON, null as an empty text."""
    return as_text(value)


@offer(ABOUT, "{{ 'Zürich' | upper }}")
def upper(value: Any) -> str:
    """The text in upper case."""
    return _short(value, "upper").upper()


@offer(ABOUT, "{{ 'HELLO' | lower }}")
def lower(value: Any) -> str:
    """The text in lower case."""
    return _short(value, "lower").lower()


@offer(ABOUT, '{{ "it\'s a new day" | title }}')
def title(value: Any) -> str:
    """The text with each word capitalised."""
    return jinja2.filters.do_title(_short(value, "title"))


@offer(ABOUT, "{{ '  hello ' | trim }}")
def trim(value: Any, chars: str | None = None) -> str:
    """The text without white space, or the given characters, at both ends."""
    ends = None if chars is None else text_of(chars, "trim")
    if ends is not None and len(ends) > MAX_STRIPPED:
        raise TemplateError(
            text("%(what)s supports at most %(maximum)s characters.", what="trim", maximum=MAX_STRIPPED)
        )
    return text_of(value, "trim").strip(ends)


@offer(ABOUT, "{{ 'The quick brown fox' | truncate(12) }}")
def truncate(value: Any, length: int = 255, killwords: bool = False, end: str = "...") -> str:
    """At most `length` characters including `end`, cut at a word boundary, or anywhere with `killwords`."""
    written, ending = text_of(value, "truncate"), text_of(end, "truncate")
    if len(written) <= whole(length, marked(text("The length of truncate")), len(ending), MAX_OUTPUT):
        return written
    room = length - len(ending)
    words, blank, _ = written[: room + 1].rpartition(" ")
    return (words if blank and not killwords else written[:room]) + ending


@offer(ABOUT, "{{ '2026/12/24' | replace('/', '-') }}")
def replace(value: Any, old: str, new: str) -> str:
    """The text with each `old` replaced by `new`."""
    written, before, after = (text_of(each, "replace") for each in (value, old, new))
    count = written.count(before)
    fits(len(written) + count * (len(after) - len(before)), "replace")
    return written.replace(before, after)


@offer(ABOUT, "{{ ['bug', 'urgent'] | join(', ') }}")
def join(value: Any, separator: str = "", attribute: str | None = None) -> str:
    """The items of a list, or a field of each, joined to one text."""
    texts = [as_text(item) for item in fields_of(value, attribute, "join")]
    between = text_of(separator, "join")
    fits(sum(map(len, texts)) + len(between) * len(texts), "join")
    return between.join(texts)


@offer(ABOUT, "{{ 'a, b, c' | split(', ') }}")
def split(value: Any, separator: str | None = None) -> list[str]:
    """The parts between the separators; without a separator, the words."""
    written = text_of(value, "split")
    if separator is None:
        pieces = written.split(None, MAX_ITEMS)
    elif text_of(separator, "split"):
        pieces = written.split(text_of(separator, "split"), MAX_ITEMS)
    else:
        raise TemplateError(text("split needs a separator that is not empty."))
    fits(len(pieces), "split", MAX_ITEMS, is_list=True)
    return pieces


@offer(ABOUT, "{{ 'Crème brûlée: the recipe!' | slugify }}")
def slugify(value: Any) -> str:
    """The text as a name for URLs and files: lowercase letters, digits and hyphens."""
    written = text_of(value, "slugify")
    fits(len(written), "slugify", MAX_SLUGGED)
    plain = unicodedata.normalize("NFKD", written).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")

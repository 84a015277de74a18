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

ABOUT = "Text"
MAX_SLUGGED = 10_000


def _short(value: Any, what: str) -> str:
    text = text_of(value, what)
    fits(len(text), what)
    return text


@offer("Anything", "{{ event.payload.nickname | default('friend') }}")
def default(value: Any, default_value: Any = "", boolean: bool = False) -> Any:
    """`default_value` where the name does not exist; with `boolean`, also where it is null, empty, false or 0."""
    return default_value if isinstance(value, jinja2.Undefined) or (boolean and not value) else value


@offer("Anything", "{{ [1, true, none] | string }}")
def string(value: Any) -> str:
    """The value as it stands inside a text: lists and mappings as JSON, null as nothing."""
    return as_text(value)


@offer(ABOUT, "{{ 'Zürich' | upper }}")
def upper(value: Any) -> str:
    """All letters as capitals."""
    return _short(value, "upper").upper()


@offer(ABOUT, "{{ 'HELLO' | lower }}")
def lower(value: Any) -> str:
    """All letters as small ones."""
    return _short(value, "lower").lower()


@offer(ABOUT, '{{ "it\'s a new day" | title }}')
def title(value: Any) -> str:
    """Each word with a capital."""
    return jinja2.filters.do_title(_short(value, "title"))


@offer(ABOUT, "{{ '  hello ' | trim }}")
def trim(value: Any, chars: str | None = None) -> str:
    """Without white space, or those characters, at both ends."""
    ends = None if chars is None else text_of(chars, "trim")
    if ends is not None and len(ends) > MAX_STRIPPED:
        raise TemplateError(f"trim takes at most {MAX_STRIPPED} characters")
    return text_of(value, "trim").strip(ends)


@offer(ABOUT, "{{ 'The quick brown fox' | truncate(12) }}")
def truncate(value: Any, length: int = 255, killwords: bool = False, end: str = "...") -> str:
    """At most `length` characters, `end` included: cut after a whole word, or anywhere with `killwords`."""
    text, ending = text_of(value, "truncate"), text_of(end, "truncate")
    if len(text) <= whole(length, "the length of truncate", len(ending), MAX_OUTPUT):
        return text
    room = length - len(ending)
    words, blank, _ = text[: room + 1].rpartition(" ")
    return (words if blank and not killwords else text[:room]) + ending


@offer(ABOUT, "{{ '2026/12/24' | replace('/', '-') }}")
def replace(value: Any, old: str, new: str) -> str:
    """Each `old` in the text replaced by `new`."""
    text, before, after = (text_of(each, "replace") for each in (value, old, new))
    count = text.count(before)
    fits(len(text) + count * (len(after) - len(before)), "replace")
    return text.replace(before, after)


@offer(ABOUT, "{{ ['bug', 'urgent'] | join(', ') }}")
def join(value: Any, separator: str = "", attribute: str | None = None) -> str:
    """The items of a list, or that field of each, as one text."""
    texts = [as_text(item) for item in fields_of(value, attribute, "join")]
    between = text_of(separator, "join")
    fits(sum(map(len, texts)) + len(between) * len(texts), "join")
    return between.join(texts)


@offer(ABOUT, "{{ 'a, b, c' | split(', ') }}")
def split(value: Any, separator: str | None = None) -> list[str]:
    """The pieces between the separators; without one, the words."""
    text = text_of(value, "split")
    if separator is None:
        pieces = text.split(None, MAX_ITEMS)
    elif text_of(separator, "split"):
        pieces = text.split(text_of(separator, "split"), MAX_ITEMS)
    else:
        raise TemplateError("split takes a separator that is not empty")
    fits(len(pieces), "split", MAX_ITEMS)
    return pieces


@offer(ABOUT, "{{ 'Crème brûlée: the recipe!' | slugify }}")
def slugify(value: Any) -> str:
    """A name for addresses and files: plain small letters, digits and hyphens."""
    text = text_of(value, "slugify")
    fits(len(text), "slugify", MAX_SLUGGED)
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")

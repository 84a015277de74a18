"""Filters that say states, times and people in the studio's words."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django import template
from django.utils import timezone

from automate_studio import words

register = template.Library()

register.filter("word", words.word)
register.filter("glyph", words.glyph)
register.filter("duration", words.duration)
register.filter("exact", words.exact)
register.filter("day", words.day)
register.filter("dated", words.dated)
register.filter("zone", words.zone)
register.filter("initials", words.initials)
register.filter("hue", words.hue)
register.filter("short", words.short)
register.filter("verb", words.verb)
register.filter("thousands", words.thousands)
register.filter("money", words.money)
register.filter("size", words.size)


@register.filter
def clock(moment: dt.datetime | None) -> str:
    """The time of day, in the active time zone."""
    return words.clock(timezone.localtime(moment) if moment else None, timezone.localtime())


@register.filter
def until(moment: dt.datetime | None) -> str:
    """`in 8 min`, in the active time zone."""
    return words.until(timezone.localtime(moment) if moment else None, timezone.localtime())


@register.filter
def sentence_case(text: str) -> str:
    """A reason with a capital, unless it begins with a name such as `first()`."""
    return words.sentence(text, stop="")[:1] + text[1:]


@register.filter
def percent(number: Any) -> str:
    """A number for CSS, whatever the language: `12.5`."""
    return f"{float(number):.2f}"


@register.filter
def ago(moment: dt.datetime | None) -> str:
    """`8 s ago`, in the active time zone."""
    return words.ago(timezone.localtime(moment) if moment else None, timezone.localtime())

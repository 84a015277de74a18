"""Filters that say states, times and people in the studio's words."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django import template
from django.utils import timezone

from automate_studio.ui import formatting

register = template.Library()

register.filter("word", formatting.word)
register.filter("glyph", formatting.glyph)
register.filter("duration", formatting.duration)
register.filter("exact", formatting.exact)
register.filter("day", formatting.day)
register.filter("dated", formatting.dated)
register.filter("zone", formatting.zone)
register.filter("initials", formatting.initials)
register.filter("hue", formatting.hue)
register.filter("short", formatting.short)
register.filter("verb", formatting.verb)
register.filter("thousands", formatting.thousands)
register.filter("money", formatting.money)
register.filter("size", formatting.size)


@register.filter
def clock(moment: dt.datetime | None) -> str:
    """The time of day, in the active time zone."""
    return formatting.clock(timezone.localtime(moment) if moment else None, timezone.localtime())


@register.filter
def until(moment: dt.datetime | None) -> str:
    """`in 8 min`, in the active time zone."""
    return formatting.until(timezone.localtime(moment) if moment else None, timezone.localtime())


@register.filter
def sentence_case(text: str) -> str:
    """A reason with a capital, unless it begins with a name such as `first()`."""
    return formatting.sentence(text, stop="")[:1] + text[1:]


@register.filter
def percent(number: Any) -> str:
    """A number for CSS, whatever the language: `12.5`."""
    return f"{float(number):.2f}"


@register.filter
def ago(moment: dt.datetime | None) -> str:
    """`8 s ago`, in the active time zone."""
    return formatting.ago(timezone.localtime(moment) if moment else None, timezone.localtime())

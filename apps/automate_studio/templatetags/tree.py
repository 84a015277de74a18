"""Cards of the step tree: one template, rendered once per distinct look."""

from __future__ import annotations

import functools
import re
from dataclasses import replace

from django import template
from django.template.loader import render_to_string
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from automate_governance.texts import translated
from automate_studio.view_models.step_tree import InsertPlace, StepCard

register = template.Library()

# They stand for what shifts whenever a step is put in above, so that what is drawn can be used again.
_NUMBER = "\ue000"
_PLACE = InsertPlace(parent="\ue001", slot="", index=0, label="")
_INDENTATION = re.compile(r"\s*\n\s*")


@register.simple_tag
def card(card: StepCard, step_url: str, selected: str) -> SafeString:
    """A card without its contents. `selected` is the path of the selected one."""
    still = replace(card, routes=(), number=card.number and _NUMBER, before=card.before and _PLACE)
    drawn = _drawn(still, step_url, card.path == selected, get_language()).replace(_NUMBER, card.number)
    return SafeString(drawn.replace(_query(_PLACE), _query(card.before)) if card.before else drawn)


@register.simple_tag
def insert(place: InsertPlace | None) -> SafeString:
    """Insert button on a connector, for pointers: by keyboard, + on the focused card does the same."""
    return _button(place) if place else SafeString("")


@register.simple_tag
def insert_first(place: InsertPlace, inside: str, level: int) -> SafeString:
    """Insert button of an empty list: an item of the tree, for pointer and keyboard."""
    name = _("Add a step, %(place)s") % {"place": translated(inside)}
    return format_html(
        '<button type="button" class="da-add" data-insert="{}" role="treeitem" aria-level="{}" aria-label="{}"'
        ' tabindex="-1"><i class="icon icon-tiny" data-icon="add" aria-hidden="true"></i>'
        '<span aria-hidden="true">{}</span></button>',
        place.query,
        level + 1,
        name,
        _("Add a step"),
    )


@functools.lru_cache(maxsize=4_096)
def _query(place: InsertPlace) -> str:
    return escape(place.query)


@functools.lru_cache(maxsize=4_096)
def _button(place: InsertPlace) -> SafeString:
    return format_html(
        '<button type="button" class="da-add" data-insert="{}" title="{}" tabindex="-1" aria-hidden="true">'
        '<i class="icon icon-tiny" data-icon="add"></i></button>',
        place.query,
        place.label,
    )


@functools.lru_cache(maxsize=4_096)  # two large workflows; an entry is some 1.5 kB
def _drawn(card: StepCard, step_url: str, on: bool, language: str | None) -> SafeString:
    """The card in the active language, which is part of the cache's key."""
    html = render_to_string("automate_studio/ui/tree/card.html", {"card": card, "step_url": step_url, "on": on})
    return SafeString(_INDENTATION.sub("\n", html))  # a large workflow has hundreds of them

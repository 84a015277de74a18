"""Template filters for states, times and people, and the import map of the scripts."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Iterable
from typing import Any

from django import template
from django.contrib.auth.models import Group
from django.core.exceptions import NON_FIELD_ERRORS
from django.middleware.csp import get_nonce
from django.template.defaultfilters import stringfilter
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import get_language

from automate_governance.admin_site import reverse
from automate_governance.people.labels import group_label
from automate_governance.people.names import sign_in_name
from automate_governance.texts import error_message, translated
from automate_operations.erasure.describe import find_erasure
from automate_operations.runs.service_words import error_with_words
from automate_studio import navigation
from automate_ui import formatting
from automate_ui.formatting import (
    as_sentence,
    avatar_hue,
    format_ago,
    format_bytes,
    format_clock,
    format_count,
    format_date,
    format_dated,
    format_duration,
    format_exact,
    format_local,
    format_money,
    format_percent,
    format_until,
    permission_word,
    short_id,
    state_glyph,
    state_word,
    zone_name,
)
from automate_ui.script_modules import import_map

register = template.Library()

register.filter("word", state_word)
register.filter("glyph", state_glyph)
register.filter("duration", format_duration)
register.filter("exact", format_exact)
register.filter("day", format_date)
register.filter("dated", format_dated)
register.filter("local", format_local)
register.filter("zone", zone_name)
register.filter("initials", stringfilter(formatting.initials))
register.filter("hue", stringfilter(avatar_hue))
register.filter("short", short_id)
register.filter("sign_in_name", sign_in_name)
register.filter("verb", permission_word)
register.filter("translated", translated)
register.filter("group_label", group_label)


@register.filter
def concern_fields(errors: Any) -> bool:
    """Whether errors of a form are not of the whole form alone; those of a page with several forms always are."""
    return bool(errors) and (not isinstance(errors, dict) or set(errors) != {NON_FIELD_ERRORS})


@register.filter
def group_labels(names: Iterable[str]) -> list[str]:
    """Names of groups as they are shown."""
    return [group_label(name) for name in names]


register.filter("error_message", error_with_words)


@register.filter
def log_message(line: Any, error: Any) -> str:
    """A line of a step's log, which may be the message of the step's error."""
    is_error = bool(error) and line.message == error["message"]
    return error_message(error) if is_error else translated(line.message)


register.filter("thousands", format_count)
register.filter("money", format_money)
register.filter("size", format_bytes)
register.filter("percent", format_percent)
register.filter("rounded", formatting.round_decimals)


@register.filter
def clock(moment: dt.datetime | None) -> str:
    """The time of day, in the active time zone."""
    return format_clock(timezone.localtime(moment) if moment else None, timezone.localtime())


@register.filter
def until(moment: dt.datetime | None) -> str:
    """`in 8 min`, in the active time zone."""
    return format_until(timezone.localtime(moment) if moment else None, timezone.localtime())


@register.filter
def sentence_case(text: str) -> str:
    """A reason with a capital, unless it begins with a name such as `first()`."""
    return as_sentence(text, stop="")[:1] + text[1:]


@register.filter
def crumbs(parts: list[dict[str, Any]], path: str) -> list[dict[str, Any]]:
    """Unfold's breadcrumbs with titles of the sidebar, for the list of an object or for a page of the sidebar."""
    parts = [*parts[:2], *({**part, "title": _object_name(part["title"])} for part in parts[2:])]
    page, following = (parts[1], parts[2:]) if len(parts) > 1 else ({"link": path}, [])
    section, title = navigation.section_of(str(page["link"]))
    if section:
        return [{"title": section}, {**page, "title": title}, *following]
    if len(parts) < 2:
        return parts
    return [{**part, "title": capfirst(str(part["title"]))} for part in parts[:2]] + parts[2:]  # then names of objects


def _object_name(title: Any) -> Any:
    """The name of an object as lists show it: that of a shipped group in the active language."""
    return group_label(title.name) if isinstance(title, Group) else title


@register.inclusion_tag("automate_studio/ui/erased.html")
def erased_note(key: uuid.UUID | None) -> dict[str, Any]:
    """When and by whom an event or a run was erased."""
    return {"erasure": find_erasure(key)}


@register.filter
def css_number(number: Any) -> str:
    """A number for CSS, whatever the language: `12.5`."""
    return f"{float(number):.2f}"


@register.filter
def ago(moment: dt.datetime | None) -> str:
    """`8 s ago`, in the active time zone."""
    return format_ago(timezone.localtime(moment) if moment else None, timezone.localtime())


@register.simple_tag(takes_context=True)
def script_import_map(context: template.Context) -> SafeString:
    """What stands before the pages' modules: their texts unless these are English, and the import map where the names
    of static files carry a hash.
    """
    language, found = get_language() or "en", import_map()
    messages = SafeString()
    if language.partition("-")[0] != "en":
        messages = format_html('<script src="{}"></script>', reverse("studio:script_messages", args=[language]))
    if not found:
        return messages
    request = context["request"]
    nonce = get_nonce(request)  # false until it is used
    if nonce is None:
        nonce = getattr(request, "csp_nonce", None)  # of django-csp
    attribute = "" if nonce is None else format_html(' nonce="{}"', nonce)
    text = json.dumps({"imports": found}).replace("<", "\\u003c")
    return format_html('{}<script type="importmap"{}>{}</script>', messages, attribute, SafeString(text))

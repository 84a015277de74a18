"""The language and the time zone of a person: chosen in their preferences, else those of the site."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.contrib.auth.signals import user_logged_in
from django.http import HttpRequest
from django.utils import timezone, translation
from django.utils.translation import get_supported_language_variant

from automate_governance.models import Preferences

SESSION_KEY = "automate_locale"


@contextlib.contextmanager
def person_locale(person: Any) -> Iterator[None]:
    """Activate the language and the time zone of a person in the block, for mail and other messages to them.

    Without a person, or without preferences of theirs, those of the site.
    """
    chosen = Preferences.objects.filter(person=person).first() if person is not None else None
    language = usable_language(chosen.language) if chosen else ""
    zone = usable_zone(chosen.time_zone) if chosen else None
    with translation.override(language or settings.LANGUAGE_CODE), timezone.override(zone):
        yield


def activate(request: HttpRequest) -> None:
    """Activate what the request's session remembers; else the request's own language and the site's time zone."""
    language, zone = request.session.get(SESSION_KEY) or ("", "")
    if language := usable_language(language):
        translation.activate(language)
        request.LANGUAGE_CODE = language
    elif not hasattr(request, "LANGUAGE_CODE"):
        translation.deactivate()  # without LocaleMiddleware, the language of this thread's previous request is active
    if zone := usable_zone(zone):
        timezone.activate(zone)
    else:
        timezone.deactivate()


def remember(request: HttpRequest, chosen: Preferences | None) -> None:
    """Keep a person's preferences in their session, so that no request has to look them up."""
    if chosen and (chosen.language or chosen.time_zone):
        request.session[SESSION_KEY] = [chosen.language, chosen.time_zone]
    else:
        request.session.pop(SESSION_KEY, None)


def person_zone(person: Any) -> str:
    """Return the IANA name of the time zone that a person chose, else of the site's."""
    chosen = Preferences.objects.filter(person=person).values_list("time_zone", flat=True).first()
    return chosen if chosen and usable_zone(chosen) else settings.TIME_ZONE


def usable_language(code: str) -> str:
    """Return the language if the site has it, else an empty text."""
    try:
        return get_supported_language_variant(code) if code else ""
    except LookupError:
        return ""


def usable_zone(name: str) -> ZoneInfo | None:
    """Return the time zone, or None if this machine does not know it."""
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError):
        return None


def connect() -> None:
    """Read a person's preferences when they sign in."""
    user_logged_in.connect(_remember_at_sign_in, dispatch_uid="automate_locale")


def _remember_at_sign_in(request: HttpRequest, user: Any, **_signal: Any) -> None:
    if hasattr(request, "session"):
        remember(request, Preferences.objects.filter(person=user).first())

"""Checks of the sessions and messages that pages need."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.utils.module_loading import import_string  # noqa: TID251 - names in the project's own settings

_SHARED_BY_NONE = ("dummy.DummyCache", "locmem.LocMemCache")


def check_sessions(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """W072 to W074: sessions that OAuth or several processes cannot use. E070: messages cannot be stored."""
    return list(_sessions())


def _sessions() -> Iterator[CheckMessage]:
    if settings.SESSION_ENGINE.endswith(".signed_cookies"):
        hint = "Use a session engine that stores sessions, such as django.contrib.sessions.backends.db."
        yield Warning("Sessions in cookies do not support OAuth sign-in.", hint=hint, id="automate_core.W072")
    cache = settings.CACHES.get(settings.SESSION_CACHE_ALIAS, {}).get("BACKEND", "")
    if settings.SESSION_ENGINE.endswith(".cache") and cache.endswith(_SHARED_BY_NONE):
        hint = "Use a cache that all processes share, or store sessions in the database."
        yield Warning("Processes do not share sessions.", hint=hint, id="automate_core.W073")
    if settings.SESSION_COOKIE_SAMESITE == "Strict":
        hint = 'Set SESSION_COOKIE_SAMESITE = "Lax".'
        message = "People are signed out when they return from an OAuth provider or follow a link in an email."
        yield Warning(message, hint=hint, id="automate_core.W074")
    try:
        import_string(settings.MESSAGE_STORAGE)
    except ImportError as error:
        hint = "Remove MESSAGE_STORAGE, or correct its path."
        yield Error(f"MESSAGE_STORAGE cannot be imported: {error}", hint=hint, id="automate_core.E070")

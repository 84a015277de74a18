"""Checks of settings of Django's that a feature depends on: sessions, messages, storage."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import InvalidStorageError, storages
from django.utils.module_loading import import_string  # noqa: TID251 - names in the project's own settings

from automate_core.conf import setting

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


def check_storage(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """E071: the storage of large values is missing. W075: it has a public address."""
    alias = setting("AUTOMATE_DOCUMENTS_STORAGE")
    if alias not in settings.STORAGES:
        if not hasattr(settings, "AUTOMATE_DOCUMENTS_STORAGE"):
            return []
        hint = f"Add {alias!r} to STORAGES, or remove AUTOMATE_DOCUMENTS_STORAGE."
        message = f"AUTOMATE_DOCUMENTS_STORAGE names {alias!r}, which is not in STORAGES."
        return [Error(message, hint=hint, id="automate_core.E071")]
    if alias != "default" and not _is_public(alias):
        return []
    hint = "Give the storage a location outside MEDIA_ROOT, and no base_url."
    message = f"The storage {alias!r} for large values has a public URL."
    return [Warning(message, hint=hint, id="automate_core.W075")]


def _is_public(alias: str) -> bool:
    """Whether its options give it the address of uploaded files."""
    try:
        storage = storages[alias]
    except (InvalidStorageError, ImproperlyConfigured, TypeError):
        return False
    given: Any = settings.STORAGES[alias]
    options = given.get("OPTIONS") or {}
    location = str(getattr(storage, "location", "") or "")
    is_media = bool(settings.MEDIA_ROOT) and location.startswith(str(settings.MEDIA_ROOT))
    return is_media or bool(options.get("base_url"))

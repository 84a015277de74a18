"""Checks of the storage of large values."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import InvalidStorageError, storages

from automate_core.conf import setting


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

"""System checks: secrets backends that do not load, and keys that are missing or wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.db.models import Count

from automate_governance.secrets.keyring import keyring
from automate_plugins.checks import load_errors


def secrets_backends_load(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """W001: a secrets backend could not be loaded."""
    from automate_governance.secrets.resolver import backends

    return [Warning(message, hint=hint, id="automate_governance.W001") for message, hint in load_errors(backends)]


def secrets_keys_open_what_is_stored(
    app_configs: Any, databases: Sequence[str] | None = None, **_: Any
) -> list[CheckMessage]:
    """E001: stored secrets need a key that is not configured; E002: a configured key is malformed."""
    from automate_governance.models import StoredSecret

    try:
        ring = keyring()
    except ImproperlyConfigured as error:
        return [
            Error(
                str(error), hint="Generate one with `manage.py automate_generate_key`.", id="automate_governance.E002"
            )
        ]
    if not databases or StoredSecret._meta.db_table not in connections["default"].introspection.table_names():
        return []
    missing = StoredSecret.objects.exclude(key_id__in=list(ring.by_id)).values_list("key_id").annotate(Count("id"))
    return [
        Error(
            f"The key {key_id} is not configured, and {count} of the stored secrets need it "
            f"(configured: {', '.join(ring.by_id) or 'none'}).",
            hint="Put that key back into AUTOMATE_SECRETS_KEYS, or replace the secrets in the admin.",
            id="automate_governance.E001",
        )
        for key_id, count in missing
    ]

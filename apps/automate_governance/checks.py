"""System checks: secrets backends that do not load or lack settings, keys that are missing or wrong, debug pages."""

from __future__ import annotations

import sys
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS
from django.db.models import Count

from automate_governance.database_checks import asks_database
from automate_governance.models import StoredSecret
from automate_governance.redaction.plugin_warnings import warnings
from automate_governance.secrets.keyring import keyring
from automate_governance.secrets.resolver import backends
from automate_governance.secrets.vault_settings import VaultSettings
from automate_plugins.documentation import doc

_GENERATE_KEY_HINT = (
    "Generate one with `manage.py automate_generate_key`, keep it outside the database, and put it first."
)


def check_secrets_backends(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """W001: a backend could not be loaded. W002: one replaces a built-in one. W009: its name cannot be written."""
    return [
        Warning(message, hint=hint, id=f"automate_governance.{number}") for number, message, hint in warnings(backends)
    ]


def check_secrets_keys(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """E002: a configured key is malformed or short; E003: none is configured."""
    try:
        ring = keyring()
    except ImproperlyConfigured as error:
        return [Error(f"{error}.", hint=_GENERATE_KEY_HINT, id="automate_governance.E002")]
    if ring.active is None:
        return [Error("AUTOMATE_SECRETS_KEYS contains no key.", hint=_GENERATE_KEY_HINT, id="automate_governance.E003")]
    return []


def check_stored_secrets() -> list[CheckMessage]:
    """E001: stored secrets need a key that is not configured. Asks the database."""
    try:
        ring = keyring()
    except ImproperlyConfigured:
        return []  # E002 says so
    rows = StoredSecret.objects.using(DEFAULT_DB_ALIAS)  # E036 reports a router that sends the table elsewhere
    missing = rows.exclude(key_id__in=list(ring.by_id)).exclude(lost_at__isnull=False)
    by_key = missing.values_list("key_id").annotate(Count("id"))
    return [
        Error(
            f"The key {key_id} is not configured, but {count} stored secret(s) require it "
            f"(configured: {', '.join(ring.by_id) or 'none'}).",
            hint="Add the key to AUTOMATE_SECRETS_KEYS. If it is lost, run manage.py automate_recover_keys.",
            id="automate_governance.E001",
        )
        for key_id, count in by_key.order_by("key_id")
    ]


def check_stored_secrets_at_runserver(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """E001 at `runserver`, which runs no database checks itself."""
    if sys.argv[1:2] != ["runserver"]:
        return []
    return asks_database(check_stored_secrets)(databases=[DEFAULT_DB_ALIAS])


def check_vault_settings(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """E004: the settings of the Vault server are invalid."""
    try:
        VaultSettings.read()
    except ImproperlyConfigured as error:
        return [Error(f"{error}.", hint=f"{doc('secrets')} lists its members.", id="automate_governance.E004")]
    return []


def check_debug_is_off(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """E005: DEBUG is on at a public address, where error pages show variables."""
    if settings.DEBUG and str(getattr(settings, "AUTOMATE_SITE_URL", "")).startswith("https:"):
        return [
            Error(
                "DEBUG is on, and AUTOMATE_SITE_URL is a public address.",
                hint="Set DEBUG = False: debug pages show settings and variables to anyone who causes an error.",
                id="automate_governance.E005",
            )
        ]
    return []

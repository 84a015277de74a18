"""Checks of the site's own environment variables, at `check --deploy`."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Warning

from automate_plugins.documentation import doc
from automate_site import environment
from automate_site.variables import OTHERS, PREFIXES, VARIABLES

_LOCAL = ("127.0.0.1", "localhost", "::1")
_KEYS = {"SECRET_KEY": "AUTOMATE_SECRET_KEY", "AUTOMATE_SECRETS_KEYS": "AUTOMATE_SECRETS_KEYS"}


def check_site(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """W001 to W005: keys, database, address and folder of a site on this machine alone, and misspelt variables."""
    return [*_key_files(), *_database(), *_address(), *_folder(), *_unknown_variables()]


def _key_files() -> Iterator[CheckMessage]:
    if os.environ.get("DATABASE_URL") and settings.AUTOMATE_KEY_FILES:
        names = " and ".join(_KEYS[name] for name in settings.AUTOMATE_KEY_FILES)
        hint = "Set them to the same values for all web servers and workers, and keep a copy apart from the database."
        message = f"Not set: {names}. These keys are files in AUTOMATE_DATA, which other machines do not have."
        yield Warning(message, hint=hint, id="automate_site.W001")


def _database() -> Iterator[CheckMessage]:
    if not os.environ.get("DATABASE_URL") and not _is_local():
        hint = "Set DATABASE_URL. Silence this check for a site whose processes all run on this machine."
        message = "DATABASE_URL is not set: the database is the embedded PostgreSQL, which other machines cannot reach."
        yield Warning(message, hint=hint, id="automate_site.W002")


def _address() -> Iterator[CheckMessage]:
    if _is_local():
        hint = "Set AUTOMATE_SITE_URL to the https URL that people and senders of webhooks use."
        message = f"AUTOMATE_SITE_URL is {settings.AUTOMATE_SITE_URL}: links and webhook URLs lead nowhere for others."
        yield Warning(message, hint=hint, id="automate_site.W003")


def _folder() -> Iterator[CheckMessage]:
    folder = environment.data_folder()
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        hint = "Create it, owned by the user of the web servers and workers, or set AUTOMATE_DATA to another folder."
        message = f"AUTOMATE_DATA: {folder} does not exist, or this user cannot write to it."
        yield Warning(message, hint=hint, id="automate_site.W004")


def _unknown_variables() -> Iterator[CheckMessage]:
    for name in sorted(os.environ):
        if name.startswith("AUTOMATE_") and not name.startswith(PREFIXES) and name not in VARIABLES | OTHERS:
            alike = difflib.get_close_matches(name, VARIABLES, n=1)
            hint = f"Did you mean {alike[0]}?" if alike else f"{doc('settings')} lists the variables."
            yield Warning(f"{name} is not a variable of the site.", hint=hint, id="automate_site.W005")


def _is_local() -> bool:
    url = getattr(settings, "AUTOMATE_SITE_URL", None)  # E060 and E061 name what is none
    return isinstance(url, str) and urlsplit(url).hostname in _LOCAL

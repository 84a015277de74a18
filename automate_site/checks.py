"""Checks of the site's own settings, at `check --deploy`."""

from __future__ import annotations

import os
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Warning

_VARIABLES = {"SECRET_KEY": "AUTOMATE_SECRET_KEY", "AUTOMATE_SECRETS_KEYS": "AUTOMATE_SECRETS_KEYS"}


def check_key_files(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """W001: keys were generated into this machine's data folder, and the database is elsewhere."""
    if not os.environ.get("DATABASE_URL") or not settings.AUTOMATE_KEY_FILES:
        return []
    names = " and ".join(_VARIABLES[name] for name in settings.AUTOMATE_KEY_FILES)
    hint = "Set them to the same values for all web servers and workers, and keep a copy apart from the database."
    message = f"{names} are not set: the keys are files in AUTOMATE_DATA, which other machines do not have."
    return [Warning(message, hint=hint, id="automate_site.W001")]

"""Secrets from the environment: `env:SLACK_TOKEN` is the variable AUTOMATE_SECRET_SLACK_TOKEN."""

from __future__ import annotations

import os
import re

from automate_governance.secrets.interfaces import SecretNotFoundError, SecretsBackend
from automate_plugins import text

PREFIX = "AUTOMATE_SECRET_"
_NOT_A_SECRET = {f"{PREFIX}KEY"}  # the site's own: whoever knows it signs sessions


class EnvSecretsBackend(SecretsBackend):
    """Reads variables with the prefix AUTOMATE_SECRET_ only: a reference cannot reach the rest of the environment."""

    description = text("Reads environment variables whose names start with AUTOMATE_SECRET_.")

    def get_secret(self, key: str) -> str:
        """Return the variable's value. `key` is upper-cased; characters other than letters and digits become `_`."""
        variable = PREFIX + re.sub(r"[^A-Z0-9]", "_", key.upper())
        if variable in _NOT_A_SECRET:
            raise SecretNotFoundError(
                text("%(variable)s is the site's own key and cannot be used as a secret.", variable=variable)
            )
        try:
            return os.environ[variable]
        except KeyError:
            raise SecretNotFoundError(
                text("The environment variable %(variable)s is not set.", variable=variable)
            ) from None

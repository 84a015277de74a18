"""Secrets from the environment: `env:SLACK_TOKEN` is the variable AUTOMATE_SECRET_SLACK_TOKEN."""

from __future__ import annotations

import os
import re

from automate_governance.secrets.interfaces import SecretNotFoundError, SecretsBackend

PREFIX = "AUTOMATE_SECRET_"
_NOT_A_SECRET = {f"{PREFIX}KEY"}  # the site's own: whoever knows it signs sessions


class EnvSecretsBackend(SecretsBackend):
    """Reads variables with the prefix AUTOMATE_SECRET_ only: a reference cannot reach the rest of the environment."""

    @staticmethod
    def all_values() -> list[str]:
        """Return every value it can resolve, for the redactor to learn at startup."""
        return [value for name, value in os.environ.items() if name.startswith(PREFIX)]

    def get_secret(self, key: str) -> str:
        """Return the variable's value. `key` is upper-cased; characters other than letters and digits become `_`."""
        variable = PREFIX + re.sub(r"[^A-Z0-9]", "_", key.upper())
        if variable in _NOT_A_SECRET:
            raise SecretNotFoundError(f"{variable} is the site's own key, and no secret to hand out")
        try:
            return os.environ[variable]
        except KeyError:
            raise SecretNotFoundError(f"the environment variable {variable} is not set") from None

"""$title as a secrets backend: references such as $name:slack-token."""

from __future__ import annotations

import os
from pathlib import Path

from automate_governance.secrets.interfaces import SecretNotFoundError, SecretsBackend, SecretUnavailableError


class $class_name(SecretsBackend):
    """Reads one file per secret from a folder that only the site can read, as orchestrators mount them."""

    def get_secret(self, key: str) -> str:
        """Return the content of the file with that name, without the trailing line break."""
        folder = Path(os.environ.get("${upper}_FOLDER", "/run/secrets"))
        if key != Path(key).name:
            raise SecretNotFoundError(f"{key!r} is not a file name in {folder}.")
        try:
            return (folder / key).read_text(encoding="utf-8").rstrip("\n")
        except FileNotFoundError as error:
            raise SecretNotFoundError(f"Secret {key!r} does not exist in {folder}.") from error
        except OSError as error:  # a later attempt may succeed
            raise SecretUnavailableError(f"Secret {key!r} in {folder} cannot be read now.") from error

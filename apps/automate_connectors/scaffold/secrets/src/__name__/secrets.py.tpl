"""$title as a secrets backend: references such as $name:slack-token."""

from __future__ import annotations

import os
from pathlib import Path

from automate_governance.secrets.interfaces import SecretNotFoundError, SecretsBackend


class $class_name(SecretsBackend):
    """One file for each secret in a folder that only the site can read, as orchestrators mount them."""

    def get_secret(self, key: str) -> str:
        """The content of the file of that name, without the line's end."""
        folder = Path(os.environ.get("${upper}_FOLDER", "/run/secrets"))
        if key != Path(key).name:
            raise SecretNotFoundError(f"{key!r} is not the name of a file in {folder}")
        try:
            return (folder / key).read_text(encoding="utf-8").rstrip("\n")
        except OSError as error:
            raise SecretNotFoundError(f"there is no secret {key!r} in {folder}") from error

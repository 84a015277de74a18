"""Secrets from HashiCorp Vault or OpenBao: `vault:crm/api#token` is the field `token` of the KV v2 secret `crm/api`.

The server is asked by `vault_server.py`, which is loaded once one is configured.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from django.core.exceptions import ImproperlyConfigured

from automate_governance.secrets.interfaces import SecretNotFoundError, SecretsBackend, SecretUnavailableError
from automate_governance.secrets.vault_settings import VaultSettings
from automate_plugins import text

if TYPE_CHECKING:
    from automate_governance.secrets.vault_server import VaultServer

FIELD = "value"  # of a reference that names none


class VaultSecretsBackend(SecretsBackend):
    """Reads fields of KV v2 secrets, and caches them in this process for `cache_seconds`."""

    description = text("Reads secrets of a HashiCorp Vault server (KV version 2).")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._server: VaultServer | None = None

    def get_secret(self, key: str) -> str:
        """Return the field's text. Raises SecretNotFoundError, and SecretUnavailableError with what to do."""
        path, _, name = key.partition("#")
        _check_path(path)
        fields = self._current_server().read(path)
        name = name or FIELD
        if name not in fields:
            there = ", ".join(sorted(fields)) or "none"
            raise SecretNotFoundError(
                text(
                    "The Vault secret '%(path)s' has no field '%(name)s'. It has: %(fields)s.",
                    path=path,
                    name=name,
                    fields=there,
                )
            )
        value = fields[name]
        if not isinstance(value, str):
            raise SecretNotFoundError(
                text("The field '%(name)s' of the Vault secret '%(path)s' is not text.", name=name, path=path)
            )
        return value

    def _current_server(self) -> VaultServer:
        try:
            wanted = VaultSettings.read()
        except ImproperlyConfigured as error:
            raise SecretUnavailableError(str(error)) from error
        if wanted is None:
            raise SecretNotFoundError(text("No Vault server is configured. Set AUTOMATE_VAULT."))
        from automate_governance.secrets.vault_server import VaultServer  # hvac, for sites that have a server alone

        with self._lock:
            if self._server is None or self._server.settings != wanted:
                self._server = VaultServer(wanted)
            return self._server


def _check_path(path: str) -> None:
    """Raise SecretNotFoundError for a path that could leave its mount."""
    segments = path.split("/")
    if not all(segments) or {".", ".."} & set(segments) or any(char in path for char in "?%\\\0"):
        raise SecretNotFoundError(
            text("'%(path)s' is not the path of a Vault secret, such as crm/api#token.", path=path)
        )

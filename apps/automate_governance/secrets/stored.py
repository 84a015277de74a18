"""Secrets from the database, encrypted: `database:slack-token` is the StoredSecret of that name."""

from __future__ import annotations

from automate_governance.models import StoredSecret
from automate_governance.secrets.interfaces import SecretNotFoundError, SecretsBackend


class StoredSecretsBackend(SecretsBackend):
    """Reads and decrypts StoredSecret rows."""

    def get_secret(self, key: str) -> str:
        """The decrypted value. Raises SecretNotFoundError, KeyUnavailableError or ValueError (altered)."""
        secret = StoredSecret.objects.filter(name=key).first()
        if secret is None:
            raise SecretNotFoundError(f"there is no stored secret named {key!r}")
        return secret.reveal()

"""A secrets backend written from the documentation alone."""

from __future__ import annotations

from automate_governance.secrets.interfaces import SecretNotFoundError, SecretsBackend

SAFE: dict[str, str] = {"anvil-token": "acme-vault-token-9f2c"}


class AcmeVault(SecretsBackend):
    """Keeps its secrets in memory."""

    def get_secret(self, key: str) -> str:
        try:
            return SAFE[key]
        except KeyError:
            raise SecretNotFoundError(f"the vault has no {key}") from None

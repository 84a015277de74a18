"""Secrets from HashiCorp Vault or OpenBao: `vault:crm/api#token` is the field `token` of the KV v2 secret `crm/api`.

The server is asked by `vault_server.py`, which is loaded once one is configured.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from automate_egress.policy import is_listed
from automate_governance.secrets.interfaces import SecretNotFoundError, SecretsBackend, SecretUnavailableError

if TYPE_CHECKING:
    from automate_governance.secrets.vault_server import VaultServer

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
FIELD = "value"  # of a reference that names none


@dataclass(frozen=True, slots=True)
class VaultSettings:
    """`AUTOMATE_VAULT`: where the server is and how we sign in, by a token or by AppRole."""

    url: str
    token: str = field(default="", repr=False)
    role_id: str = ""
    secret_id: str = field(default="", repr=False)
    namespace: str = ""
    mount: str = "secret"
    auth_mount: str = "approle"
    cache_seconds: float = 30.0
    timeout_seconds: float = 5.0

    @classmethod
    def read(cls) -> VaultSettings | None:
        """What the project says; None when it has no server. Raises ImproperlyConfigured."""
        given: Mapping[str, Any] = getattr(settings, "AUTOMATE_VAULT", None) or {}
        if not isinstance(given, Mapping):
            raise ImproperlyConfigured("AUTOMATE_VAULT is not a dict")
        if not given.get("url"):
            return None
        if unknown := given.keys() - cls.__slots__:
            raise ImproperlyConfigured(
                f"AUTOMATE_VAULT has no {', '.join(sorted(unknown))}; it has {', '.join(cls.__slots__)}"
            )
        made = cls(**given)
        if problem := _address_problem(made.url):
            raise ImproperlyConfigured(f"AUTOMATE_VAULT: {problem}")
        if bool(made.token) == bool(made.role_id):
            raise ImproperlyConfigured("AUTOMATE_VAULT takes either a token, or a role_id with its secret_id")
        return made


class VaultSecretsBackend(SecretsBackend):
    """Reads fields of KV v2 secrets. What was read is trusted for `cache_seconds`, in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._server: VaultServer | None = None

    def get_secret(self, key: str) -> str:
        """The field's text. Raises SecretNotFoundError, and SecretUnavailableError with what has to be done."""
        path, _, name = key.partition("#")
        _check_path(path)
        fields = self._connected().read(path)
        name = name or FIELD
        if name not in fields:
            there = ", ".join(sorted(fields)) or "none"
            raise SecretNotFoundError(f"the Vault secret {path!r} has no field {name!r}; it has {there}")
        value = fields[name]
        if not isinstance(value, str):
            raise SecretNotFoundError(f"the field {name!r} of the Vault secret {path!r} is no text")
        return value

    def _connected(self) -> VaultServer:
        try:
            wanted = VaultSettings.read()
        except ImproperlyConfigured as error:
            raise SecretUnavailableError(str(error)) from error
        if wanted is None:
            raise SecretNotFoundError("no Vault server is configured: set AUTOMATE_VAULT")
        from automate_governance.secrets.vault_server import VaultServer

        with self._lock:
            if self._server is None or self._server.settings != wanted:
                self._server = VaultServer(wanted)
            return self._server


def _check_path(path: str) -> None:
    """A path stays inside its mount, whatever the server makes of dots. Raises SecretNotFoundError."""
    segments = path.split("/")
    if not all(segments) or {".", ".."} & set(segments) or any(char in path for char in "?%\\\0"):
        raise SecretNotFoundError(f"{path!r} is not the path of a Vault secret, such as crm/api#token")


def _address_problem(url: str) -> str:
    """Why a token may not be sent to that address; empty when it may."""
    try:
        parts = urlsplit(url)
        port = parts.port or 80
    except ValueError:
        parts, port = urlsplit(""), 0
    if parts.scheme not in {"https", "http"} or not parts.hostname or parts.username or parts.query:
        return f"{url!r} is not an address such as https://vault.example.com:8200"
    is_named = is_listed(parts.hostname, port, getattr(settings, "AUTOMATE_EGRESS_ALLOW", ()))
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK and not is_named:
        return f"{url} would carry the token in clear text: use https, or name the host in AUTOMATE_EGRESS_ALLOW"
    return ""

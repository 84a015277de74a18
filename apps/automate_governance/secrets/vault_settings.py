"""`AUTOMATE_VAULT`, the settings of a Vault server, read and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from automate_egress.policy import is_listed_host

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True)
class VaultSettings:
    """`AUTOMATE_VAULT`: the server, and how to sign in to it, by a token or by AppRole."""

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
        """Return the project's settings; None without a server. Raises ImproperlyConfigured."""
        given: Mapping[str, Any] = getattr(settings, "AUTOMATE_VAULT", None) or {}
        if not isinstance(given, Mapping):
            raise ImproperlyConfigured("AUTOMATE_VAULT must be a dict")
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
            raise ImproperlyConfigured("AUTOMATE_VAULT requires either a token, or a role_id with its secret_id")
        return made


def _address_problem(url: str) -> str:
    """Return why a token may not be sent to that address; empty when it may."""
    try:
        parts = urlsplit(url)
        port = parts.port or 80
    except ValueError:
        parts, port = urlsplit(""), 0
    if parts.scheme not in {"https", "http"} or not parts.hostname or parts.username or parts.query:
        return f"{url!r} is not a URL such as https://vault.example.com:8200"
    is_named = is_listed_host(parts.hostname, port, getattr(settings, "AUTOMATE_EGRESS_ALLOW", ()))
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK and not is_named:
        return f"{url} would send the token unencrypted: use https, or add the host to AUTOMATE_EGRESS_ALLOW"
    return ""

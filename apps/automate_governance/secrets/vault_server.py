"""A Vault or OpenBao server, reached by hvac: our token, a cache of secrets, and the translation of errors.

hvac's HTTP session is ours (`vault_session.py`), so that the calls are guarded like all others. The protocol:
https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2
https://developer.hashicorp.com/vault/api-docs/auth/approle
"""

from __future__ import annotations

import threading
import time
from typing import Any

import hvac  # noqa: TID251 - over a session that goes through automate_egress
from hvac import exceptions  # noqa: TID251 - its errors

from automate_egress import EgressError
from automate_governance.redaction.redactor import redactor
from automate_governance.secrets.interfaces import SecretNotFoundError, SecretUnavailableError
from automate_governance.secrets.vault_session import GuardedSession
from automate_governance.secrets.vault_settings import VaultSettings
from automate_plugins import text

_MOST_CACHED = 1_000
_RENEW_SECONDS = 15  # a token that ends sooner is replaced before it is used


class VaultServer:
    """Reads KV v2 secrets of one server. Shared by threads."""

    def __init__(self, given: VaultSettings) -> None:
        self.settings = given
        redactor.learn(*filter(None, (given.token, given.secret_id)))
        self._session = GuardedSession(given.url, given.timeout_seconds)
        self._lock = threading.Lock()
        self._client: Any = None
        self._client_until = 0.0
        self._known: dict[str, tuple[float, dict[str, Any]]] = {}

    def read(self, path: str) -> dict[str, Any]:
        """Return the fields of the secret at `path`. Raises SecretNotFoundError, SecretUnavailableError."""
        until, fields = self._known.get(path, (0.0, {}))
        if time.monotonic() >= until:
            fields = self._read_with_new_token(path)
            if len(self._known) >= _MOST_CACHED:
                self._known.clear()
            self._known[path] = (time.monotonic() + self.settings.cache_seconds, fields)
        return fields

    def _read_with_new_token(self, path: str) -> dict[str, Any]:
        """Read a secret; sign in and read once more when the server rejects our token."""
        try:
            try:
                return self._read(path)
            except (exceptions.Forbidden, exceptions.Unauthorized):
                if not self.settings.role_id:
                    raise
                self._sign_out()
                return self._read(path)
        except exceptions.VaultError as error:
            raise self._translate_error(error, path) from error
        except EgressError as error:
            raise SecretUnavailableError(text("Vault cannot be reached: %(error)s", error=str(error))) from error

    def _read(self, path: str) -> dict[str, Any]:
        answer = self._authenticated_client().secrets.kv.v2.read_secret_version(
            path=path, mount_point=self.settings.mount, raise_on_deleted_version=True
        )
        try:
            fields = answer["data"]["data"]
            return dict(fields)
        except (KeyError, TypeError, ValueError) as error:
            raise SecretUnavailableError(
                text(
                    "Vault returned no secret for '%(path)s'. Check that '%(mount)s' is a KV version 2 engine.",
                    path=path,
                    mount=self.settings.mount,
                )
            ) from error

    def _authenticated_client(self) -> Any:
        with self._lock:
            if self._client is None or time.monotonic() >= self._client_until:
                self._client, self._client_until = self._sign_in()
            return self._client

    def _sign_out(self) -> None:
        with self._lock:
            self._client = None

    def _sign_in(self) -> tuple[Any, float]:
        """Return (a client that has a token, when it expires)."""
        given = self.settings
        client = hvac.Client(
            url=given.url,
            token=given.token,  # never None: hvac would look for one in the environment and in the home folder
            namespace=given.namespace or None,
            session=self._session,
        )
        if given.token:
            return client, float("inf")
        try:
            answer = client.auth.approle.login(given.role_id, given.secret_id, mount_point=given.auth_mount)
            redactor.learn(str(client.token))
            seconds = float(answer["auth"]["lease_duration"]) or float("inf")
        except (exceptions.InvalidRequest, exceptions.InvalidPath, exceptions.Forbidden) as error:
            raise SecretUnavailableError(
                text(
                    "Vault rejected the role at auth/%(mount)s: %(reason)s. Check role_id and secret_id.",
                    mount=given.auth_mount,
                    reason=_reason(error),
                )
            ) from error
        except (KeyError, TypeError, ValueError) as error:
            raise SecretUnavailableError(text("Vault returned no token for the sign-in.")) from error
        return client, time.monotonic() + max(seconds - _RENEW_SECONDS, seconds / 2)

    def _translate_error(self, error: exceptions.VaultError, path: str) -> Exception:
        """Return an error that says what happened and what to do."""
        where = f"{self.settings.mount}/{path}"
        match error:
            case exceptions.InvalidPath() if "no handler for route" in _reason(error):
                return SecretNotFoundError(
                    text("Vault has no secrets engine at '%(mount)s'.", mount=self.settings.mount)
                )
            case exceptions.InvalidPath() if _deleted(error):
                return SecretNotFoundError(text("The Vault secret '%(path)s' was deleted.", path=where))
            case exceptions.InvalidPath():
                return SecretNotFoundError(text("There is no Vault secret '%(path)s'.", path=where))
            case exceptions.Forbidden() | exceptions.Unauthorized():
                return SecretUnavailableError(
                    text(
                        "Vault denied access to '%(path)s'. Check the token, and that a policy allows `read` on"
                        " %(mount)s/data/%(name)s.",
                        path=where,
                        mount=self.settings.mount,
                        name=path,
                    )
                )
            case exceptions.VaultNotInitialized():
                return SecretUnavailableError(text("Vault is not initialised."))
            case exceptions.VaultDown() if "sealed" in _reason(error).lower():
                return SecretUnavailableError(text("Vault is sealed. Ask its administrator to unseal it."))
            case exceptions.RateLimitExceeded():
                return SecretUnavailableError(text("Vault rejects further requests for now. Try again later."))
        return SecretUnavailableError(
            text("Vault returned an error for '%(path)s': %(reason)s", path=where, reason=_reason(error))
        )


def _reason(error: exceptions.VaultError) -> str:
    return ", ".join(map(str, error.errors or ())) or type(error).__name__


def _deleted(error: exceptions.VaultError) -> bool:
    try:
        return bool(error.json["data"]["metadata"]["deletion_time"])
    except (KeyError, TypeError):
        return False

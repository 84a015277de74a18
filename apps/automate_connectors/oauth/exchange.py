"""Requests to a token endpoint, by Authlib's client over our guarded session.

Errors are `needs_reconnect` when only a person can repair the sign-in, else `oauth_unavailable` (retryable).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard
from urllib.parse import urlencode, urlsplit

from authlib.oauth2 import OAuth2Client
from authlib.oauth2.auth import ClientAuth

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.oauth.providers import OAuthSetup
from automate_connectors.outbound import http_session
from automate_egress import EgressError, HttpResponse, HttpSession
from automate_governance.redaction.redactor import learn_entered, redact_text
from automate_governance.secrets.interfaces import SecretNotFoundError, SecretUnavailableError
from automate_governance.secrets.resolver import resolve
from automate_plugins import text
from automate_plugins.texts import joined

CALL_SECONDS = 10.0  # the row of the token is locked meanwhile
NEEDS_RECONNECT = "needs_reconnect"
UNAVAILABLE = "oauth_unavailable"
_TRANSIENT_ERRORS = frozenset({"temporarily_unavailable", "server_error", "slow_down"})
_TRANSIENT_STATUSES = frozenset({408, 425, 429})
_MAX_TOKEN_LENGTH = 16_000
_MAX_LIFETIME = 10 * 365 * 86_400  # seconds that a token is taken to hold at most


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of an endpoint's answer; `lifetime` in seconds, None where it is unknown. Never prints its values."""

    access: str
    refresh: str
    lifetime: int | None

    def __repr__(self) -> str:
        return f"Tokens(lifetime={self.lifetime})"


def exchange_code(setup: OAuthSetup, code: str, *, verifier: str, redirect_uri: str) -> Tokens:
    """Return tokens for the code of a sign-in (RFC 6749, section 4.1.3, with RFC 7636). Raises ConnectorError."""
    return _request_tokens(setup, "authorization_code", code=code, code_verifier=verifier, redirect_uri=redirect_uri)


def refresh_tokens(setup: OAuthSetup, refresh: str) -> Tokens:
    """Return tokens for a refresh token, which the provider may have replaced. Raises ConnectorError."""
    return _request_tokens(setup, "refresh_token", refresh=refresh)


def request_client_credentials(setup: OAuthSetup) -> Tokens:
    """Return tokens for the client itself (RFC 6749, section 4.4). Raises ConnectorError."""
    return _request_tokens(setup, "client_credentials")


def authorize_url(setup: OAuthSetup, *, state: str, verifier: str, redirect_uri: str) -> str:
    """Return the URL where a person signs in (RFC 6749, section 4.1.1, with RFC 7636, S256)."""
    url, _ = _client(setup, None, None).create_authorization_url(
        setup.authorize_endpoint, state=state, code_verifier=verifier, redirect_uri=redirect_uri, **setup.extra
    )
    return str(url)


def _client(setup: OAuthSetup, session: _Session | None, secret: str | None) -> OAuth2Client:
    return _Client(
        session,
        client_id=setup.client_id,
        client_secret=secret,
        token_endpoint_auth_method=setup.auth_method,
        scope=setup.scope,
        code_challenge_method="S256",
    )


def _request_tokens(setup: OAuthSetup, grant: str, *, refresh: str = "", **params: str) -> Tokens:
    endpoint = setup.token_endpoint
    http = http_session(
        bound_hosts=[urlsplit(endpoint).hostname or ""],
        deadline=time.monotonic() + CALL_SECONDS,
        max_body_bytes=200_000,
    )
    try:
        secret = resolve(setup.client_secret).reveal() if setup.client_secret else None
        client = _client(setup, _Session(http), secret)
        if refresh:
            return _tokens(setup, client.refresh_token(endpoint, refresh_token=refresh, scope=None), refresh)
        return _tokens(setup, client.fetch_token(endpoint, grant_type=grant, **params), "")
    except _RefusedError as error:
        raise _refused(setup, error) from None
    except SecretNotFoundError as error:
        raise ConnectorError(str(error), code="secret_not_found") from error
    except SecretUnavailableError as error:
        raise ConnectorError(str(error), code="secret_unavailable", retryable=True) from error
    except (ValueError, TypeError, ArithmeticError, RecursionError) as error:  # an answer that is none
        message = text("%(provider)s did not return a token: %(reason)s", provider=setup.name, reason=str(error))
        raise ConnectorError(message, code=UNAVAILABLE, retryable=True) from error
    except EgressError as error:
        message = joined([f"{setup.name}:", str(error)])
        raise ConnectorError(message, code=UNAVAILABLE, retryable=error.retryable) from error


def _tokens(setup: OAuthSetup, answer: Mapping[str, Any], refresh: str) -> Tokens:
    access, renewed = answer.get("access_token"), answer.get("refresh_token") or refresh
    if not (
        _is_token(access) and (renewed == "" or _is_token(renewed)) and len(access) + len(renewed) < _MAX_TOKEN_LENGTH
    ):
        raise ValueError("no valid access_token")
    learn_entered(*filter(None, (access, renewed)))
    return Tokens(access, renewed, answer.get("expires_in"))


def _is_token(value: object) -> TypeGuard[str]:
    """Printable ASCII (RFC 6749, appendix A.12)."""
    return isinstance(value, str) and value != "" and value.isascii() and value.isprintable()


def _lifetime(value: Any) -> int | None:
    """Return seconds; None for an invalid value: the tokens are kept nevertheless."""
    try:
        return int(min(max(float(value), 0.0), _MAX_LIFETIME))
    except (ValueError, TypeError, ArithmeticError):
        return None


def _refused(setup: OAuthSetup, error: _RefusedError) -> ConnectorError:
    reason = redact_text(f"{error.code}: {error.description}" if error.description else error.code)[:300]
    if error.code in _TRANSIENT_ERRORS:
        message = text("%(provider)s is temporarily unavailable (%(reason)s).", provider=setup.name, reason=reason)
        return ConnectorError(message, code=UNAVAILABLE, retryable=True)
    message = text("%(provider)s rejected the sign-in (%(reason)s).", provider=setup.name, reason=reason)
    return ConnectorError(message, code=NEEDS_RECONNECT)


def _storable(value: object) -> str:
    """Return text that a database accepts."""
    return str(value).encode("utf-8", "replace").decode().replace("\0", "\ufffd")


class _RefusedError(Exception):
    """The endpoint's refusal (RFC 6749, section 5.2). Authlib's own error rejects quotes in a description."""

    def __init__(self, error: object, description: object = None) -> None:
        super().__init__(error)
        self.code, self.description = _storable(error), _storable(description or "")


class _Client(OAuth2Client):  # type: ignore[misc] # untyped upstream
    oauth_error_class = _RefusedError


class _Session:
    """The part of a requests session that Authlib's client uses: posting a form."""

    def __init__(self, http: HttpSession) -> None:
        self._http = http

    def post(self, url: str, *, data: Mapping[str, str], headers: Mapping[str, str], auth: ClientAuth) -> _Answer:
        """Post a form with the client's credentials. Raises EgressError. Redirects are not followed."""
        target, sent, body = auth.prepare("POST", url, dict(headers), urlencode(data))
        return _Answer(self._http.request("POST", target, headers=sent, data=body, follow_redirects=False))


class _Answer:
    """A response in the form that Authlib reads."""

    def __init__(self, response: HttpResponse) -> None:
        self._response = response
        passing = response.status in _TRANSIENT_STATUSES or 300 <= response.status < 400
        self.status_code = 503 if passing else response.status  # those of 500 and more are not looked into

    def json(self) -> Any:
        """The parsed body, with a lifetime that can be reckoned with. Raises ValueError, RecursionError."""
        answer = self._response.json()
        if not isinstance(answer, dict):
            raise ValueError("not a JSON object")
        answer.pop("expires_at", None)
        return {**answer, "expires_in": _lifetime(answer.get("expires_in"))}

    def raise_for_status(self) -> None:
        """Raises ValueError for an answer that is an error."""
        if self._response.status >= 300:
            raise ValueError(f"HTTP {self._response.status}")

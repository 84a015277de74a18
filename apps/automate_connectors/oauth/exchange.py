"""Requests to a token endpoint, by Authlib's client over our guarded session.

Errors are `needs_reconnect` when only a person can repair the sign-in, `oauth_unavailable` (retryable) when it may work
later, `invalid_credential` and `invalid_connection` when the settings are wrong.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from authlib.common.urls import add_params_to_qs
from authlib.oauth2 import OAuth2Client
from authlib.oauth2.auth import ClientAuth

from automate_connectors.adapters.base import NEEDS_RECONNECT, ConnectorError
from automate_connectors.oauth import error_codes
from automate_connectors.oauth.addresses import AddressError, url_problem
from automate_connectors.oauth.assertions import (
    BEARER_GRANT,
    CLIENT_ASSERTION,
    SigningKey,
    client_assertion,
    read_signing_key,
    sign_jwt,
)
from automate_connectors.oauth.catalogue import CLIENT_CERTIFICATE, CLIENT_CREDENTIALS, GITHUB_APP, JWT_BEARER
from automate_connectors.oauth.setup import KEY_GRANTS, OAuthSetup
from automate_connectors.oauth.token_answers import RefusedError, TokenAnswer, Tokens, UnavailableError, read_tokens
from automate_connectors.outbound import http_session
from automate_egress import EgressError, HttpResponse, HttpSession
from automate_governance.redaction.redactor import redact_text
from automate_governance.secrets.interfaces import SecretNotFoundError, SecretUnavailableError
from automate_governance.secrets.resolver import resolve
from automate_plugins import text
from automate_plugins.texts import joined

CALL_SECONDS = 10.0  # the row of the token is locked meanwhile
UNAVAILABLE = "oauth_unavailable"
CLOCK_TOLERANCE = 30.0  # seconds by which clocks may differ before a refused assertion is made by the other one
REPEAT_AFTER = 0.5  # seconds
_LONGEST_WAIT = 2.0
_NOT_PROCESSED = frozenset({429, 503})  # by their meaning: repeating them uses no refresh token twice
_GITHUB_HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}


def exchange_code(setup: OAuthSetup, code: str, *, verifier: str, redirect_uri: str) -> Tokens:
    """Return tokens for the code of a sign-in (RFC 6749, section 4.1.3, with RFC 7636). Raises ConnectorError."""
    params = {**setup.row.token_parameters, "code": code, "redirect_uri": redirect_uri}
    if setup.row.pkce:
        params["code_verifier"] = verifier

    def fetch(call: _Call) -> Any:
        return call.client().fetch_token(call.endpoint, grant_type="authorization_code", **params)

    return _request(setup, lambda: setup.token_endpoint, fetch, is_code=True)


def refresh_tokens(setup: OAuthSetup, refresh: str) -> Tokens:
    """Return tokens for a refresh token, which the provider may have replaced. Raises ConnectorError."""

    def fetch(call: _Call) -> Any:
        params = {"scope": None, **setup.row.refresh_parameters}
        return call.client().refresh_token(call.endpoint, refresh_token=refresh, **params)

    path = setup.row.renewed_path
    return _request(setup, lambda: setup.refresh_endpoint, fetch, refresh=refresh, token_path=path)


def request_app_tokens(setup: OAuthSetup) -> Tokens:
    """Return tokens for the application itself, by its grant. Raises ConnectorError.

    RFC 6749, section 4.4; RFC 7523, sections 2.1 and 2.2; for GitHub Apps
    https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app.
    """
    grants: dict[str, Callable[[_Call], Any]] = {
        CLIENT_CREDENTIALS: _fetch_as_client,
        CLIENT_CERTIFICATE: _fetch_as_client,
        JWT_BEARER: _fetch_by_assertion,
        GITHUB_APP: _fetch_for_installation,
    }
    return _request(setup, lambda: setup.token_endpoint, grants[setup.grant])


def authorize_url(setup: OAuthSetup, *, state: str, verifier: str, redirect_uri: str) -> str:
    """Return the URL where a person signs in (RFC 6749, section 4.1.1, with RFC 7636, S256). Raises ConnectorError."""
    params: dict[str, Any] = {**setup.row.authorize_parameters, "scope": None, setup.row.scope_parameter: setup.scope}
    client = OAuth2Client(None, client_id=setup.client_id, code_challenge_method="S256" if setup.row.pkce else None)
    url, _ = client.create_authorization_url(
        _checked(lambda: setup.authorize_endpoint),
        state=state,
        code_verifier=verifier,
        redirect_uri=redirect_uri,
        **params,
    )
    return str(url)


def _fetch_as_client(call: _Call) -> Any:
    setup = call.setup
    params = {name: setup.fill_in(value) for name, value in setup.row.app_parameters.items()}
    grant = params.pop("grant_type", "client_credentials")
    return call.client().fetch_token(call.endpoint, grant_type=grant, **params)


def _fetch_by_assertion(call: _Call) -> Any:
    setup, rules = call.setup, call.setup.row.jwt
    issuer = setup.client_id or call.key.issuer
    if not issuer:
        message = text("Enter the client ID: the key is not a JSON key file that names the service account.")
        raise ConnectorError(message, code="invalid_credential")
    claims = {"iss": issuer, "aud": setup.audience}
    if setup.subject:
        claims["sub"] = setup.subject
    if rules.scopes == "claim" and setup.scope:
        claims["scope"] = setup.scope
    assertion = sign_jwt(call.key, claims, algorithm=rules.algorithm, offset=call.offset)
    scope = setup.scope if rules.scopes == "request" else None
    client = call.client(auth_method=_unauthenticated)
    return client.fetch_token(call.endpoint, grant_type=BEARER_GRANT, assertion=assertion, scope=scope)


def _fetch_for_installation(call: _Call) -> Any:
    """The API of GitHub answers with the token itself, not as RFC 6749 has it."""
    signed = sign_jwt(call.key, {"iss": call.setup.client_id}, offset=call.offset)
    headers = {**_GITHUB_HEADERS, "Authorization": f"Bearer {signed}"}
    answer = call.send(call.endpoint, headers=headers)
    if answer.status_code >= 500:
        answer.raise_for_status()
    found = answer.json()
    if "error" in found:
        raise RefusedError(found["error"], found["error_description"], answer.skew)
    return found


def _unauthenticated(client: Any, method: str, uri: str, headers: Any, body: str) -> tuple[str, Any, str]:
    """Client authentication of Authlib's by nothing: the assertion is the proof."""
    return uri, headers, body


class _Call:
    """One request for tokens: its endpoint, the client's credentials, and how far the other side's clock is ahead."""

    def __init__(self, setup: OAuthSetup, endpoint: str, token_path: str) -> None:
        self.setup, self.endpoint, self.offset = setup, endpoint, 0.0
        self._path = token_path or setup.row.token_path
        self._secret = resolve(setup.client_secret).reveal() if setup.client_secret else None
        self._key = read_signing_key(resolve(setup.private_key).reveal()) if setup.grant in KEY_GRANTS else None
        self._deadline = time.monotonic() + CALL_SECONDS
        self._http: HttpSession = http_session(
            bound_hosts=[urlsplit(endpoint).hostname or ""], deadline=self._deadline, max_body_bytes=200_000
        )
        self.answer: TokenAnswer | None = None

    @property
    def key(self) -> SigningKey:
        """The key of a grant that has one."""
        assert self._key is not None  # noqa: S101 - read for each of KEY_GRANTS
        return self._key

    @property
    def has_key(self) -> bool:
        """Whether what is sent is signed, with times in it."""
        return self._key is not None

    def client(self, auth_method: Any = None) -> OAuth2Client:
        """Return Authlib's client, which sends by this call."""
        usual = self._signed if self.setup.grant == CLIENT_CERTIFICATE else self.setup.auth_method
        return _Client(
            self,
            client_id=self.setup.client_id,
            client_secret=self._secret,
            token_endpoint_auth_method=auth_method or usual,
            scope=self.setup.scope,
        )

    def post(self, url: str, *, data: Mapping[str, str], headers: Mapping[str, str], auth: ClientAuth) -> TokenAnswer:
        """Post a form, or JSON, with the client's credentials: the part of a requests session that Authlib uses.

        Raises EgressError. Redirects are not followed.
        """
        target, sent, body = auth.prepare("POST", url, dict(headers), urlencode(data))
        if self.setup.row.request_format == "json":
            sent, body = {**sent, "Content-Type": "application/json"}, json.dumps(dict(parse_qsl(body)))
        return self.send(target, headers=sent, body=body)

    def send(self, url: str, *, headers: Mapping[str, str], body: str = "") -> TokenAnswer:
        """Post, and once more when the first was not processed. Raises EgressError."""
        response = self._repeatable(url, headers, body)
        if response is None:
            response = self._http.request("POST", url, headers=headers, data=body, follow_redirects=False)
        self.answer = TokenAnswer(response, self.setup.row, self._path)
        return self.answer

    def tokens(self, found: Mapping[str, Any], refresh: str) -> Tokens:
        """Return the tokens of an answer. Raises UnavailableError."""
        ends_at = self._key.ends_at if self._key else None
        return read_tokens(found, self.setup.row, refresh=refresh, credential_ends_at=ends_at)

    def _repeatable(self, url: str, headers: Mapping[str, str], body: str) -> HttpResponse | None:
        """Return the response to a first attempt; None, after a pause, when there should be a second one."""
        pause = REPEAT_AFTER
        try:
            response = self._http.request("POST", url, headers=headers, data=body, follow_redirects=False)
            pause = max(pause, response.retry_after or 0.0)
            if response.status not in _NOT_PROCESSED or pause > _LONGEST_WAIT:
                return response
        except EgressError as error:
            if error.sent or not error.retryable:
                raise
        time.sleep(min(pause, max(self._deadline - time.monotonic(), 0.0)))
        return None

    def _signed(self, client: Any, method: str, uri: str, headers: Any, body: str) -> tuple[str, Any, str]:
        """Client authentication of Authlib's by a signed assertion (`private_key_jwt`)."""
        assertion = client_assertion(
            self.key,
            client_id=self.setup.client_id,
            audience=self.setup.audience,
            algorithm=self.setup.row.jwt.algorithm,
            offset=self.offset,
        )
        proof = [("client_id", self.setup.client_id), ("client_assertion_type", CLIENT_ASSERTION)]
        return uri, headers, add_params_to_qs(body, [*proof, ("client_assertion", assertion)])


class _Client(OAuth2Client):  # type: ignore[misc] # untyped upstream
    oauth_error_class = RefusedError


def _request(
    setup: OAuthSetup,
    endpoint: Callable[[], str],
    fetch: Callable[[_Call], Any],
    *,
    refresh: str = "",
    token_path: str = "",
    is_code: bool = False,
) -> Tokens:
    try:
        call = _Call(setup, _checked(endpoint), token_path)
        try:
            return call.tokens(fetch(call), refresh)
        except RefusedError:
            skew = call.answer.skew if call.answer else 0.0
            if not call.has_key or abs(skew) < CLOCK_TOLERANCE:
                raise
            call.offset = skew  # what was signed may have been too early or too late for the other side
            return call.tokens(fetch(call), refresh)
    except RefusedError as error:
        raise _refused(setup, error, is_code=is_code) from None
    except SecretNotFoundError as error:
        raise ConnectorError(str(error), code="secret_not_found") from error
    except SecretUnavailableError as error:
        raise ConnectorError(str(error), code="secret_unavailable", retryable=True) from error
    except (ValueError, TypeError, ArithmeticError, RecursionError) as error:  # an answer that is none
        message = text("%(provider)s did not return a token: %(reason)s", provider=setup.name, reason=str(error))
        wait = error.retry_after if isinstance(error, UnavailableError) else None
        raise ConnectorError(message, code=UNAVAILABLE, retryable=True, retry_after=wait) from error
    except EgressError as error:
        message = joined([f"{setup.name}:", str(error)])
        details = {"in_doubt": error.sent}  # the provider may have answered
        raise ConnectorError(message, code=UNAVAILABLE, retryable=error.retryable, details=details) from error


def _checked(endpoint: Callable[[], str]) -> str:
    """Return an address that may be called: checked here as when it was saved. Raises ConnectorError."""
    try:
        url = endpoint()
        reason = url_problem(url)
    except AddressError as error:
        reason = str(error)
    if reason:
        message = text("The settings of the sign-in are wrong. %(reason)s", reason=reason)
        raise ConnectorError(message, code="invalid_connection")
    return url


def refusal(setup: OAuthSetup, code: str) -> str:
    """Return the message for an error code with which a person came back from the provider."""
    return _refused(setup, RefusedError(code), is_code=True).message


def _refused(setup: OAuthSetup, error: RefusedError, *, is_code: bool) -> ConnectorError:
    code, description = redact_text(error.code)[:100], redact_text(error.description)[:300]
    standard = setup.row.errors.get(error.code, error.code)
    details = {"error": code, "description": description} if description else {"error": code}
    if standard in error_codes.TRANSIENT_CODES:
        message = error_codes.unavailable_message(setup.name, code)
        return ConnectorError(message, code=UNAVAILABLE, retryable=True, details=details)
    message = error_codes.refusal_message(
        setup.name,
        code,
        standard=standard,
        by="code" if is_code else "person" if setup.needs_person else "application",
        description=description,
        signed=setup.grant in KEY_GRANTS,
    )
    return ConnectorError(message, code=NEEDS_RECONNECT, details=details)

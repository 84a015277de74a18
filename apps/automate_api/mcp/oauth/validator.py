"""What the authorization server allows: the code flow with PKCE, for clients that people have connected."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from oauth2_provider.oauth2_validators import OAuth2Validator
from oauthlib.oauth2.rfc6749.errors import CustomOAuth2Error, InvalidGrantError

from automate_api.mcp.oauth.connections import end_reused_code, find_connection, is_own_resource, use_code
from automate_api.mcp.oauth.provider import WRONG_RESOURCE

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class AgentValidator(OAuth2Validator):  # type: ignore[misc]  # untyped upstream
    """Django OAuth Toolkit's rules, and narrower ones."""

    def validate_grant_type(
        self, client_id: str, grant_type: str, client: Any, request: Any, *args: Any, **kwargs: Any
    ) -> bool:
        if grant_type not in {"authorization_code", "refresh_token"}:
            return False
        return bool(super().validate_grant_type(client_id, grant_type, client, request, *args, **kwargs))

    def validate_response_type(
        self, client_id: str, response_type: str, client: Any, request: Any, *args: Any, **kwargs: Any
    ) -> bool:
        if response_type != "code":
            return False
        return bool(super().validate_response_type(client_id, response_type, client, request, *args, **kwargs))

    def validate_redirect_uri(self, client_id: str, redirect_uri: str, request: Any, *args: Any, **kwargs: Any) -> bool:
        """Exactly a registered one; without TLS only on the person's own machine, at any port."""
        parts = urlsplit(redirect_uri)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
            return False
        return bool(super().validate_redirect_uri(client_id, redirect_uri, request, *args, **kwargs))

    def validate_code(self, client_id: str, code: str, client: Any, request: Any, *args: Any, **kwargs: Any) -> bool:
        if super().validate_code(client_id, code, client, request, *args, **kwargs):
            return self._is_connected(request, client)
        end_reused_code(code, client)
        return False

    def invalidate_authorization_code(self, client_id: str, code: str, request: Any, *args: Any, **kwargs: Any) -> None:
        """Keep the code until it is pruned, so that a second use is known."""
        if not use_code(code, request.client):
            raise InvalidGrantError(request=request)

    def validate_refresh_token(self, refresh_token: str, client: Any, request: Any, *args: Any, **kwargs: Any) -> bool:
        """Only while the person's connection with the client is valid: revoking it ends all of its tokens."""
        found = super().validate_refresh_token(refresh_token, client, request, *args, **kwargs)
        return bool(found) and self._is_connected(request, client)

    def _is_connected(self, request: Any, client: Any) -> bool:
        return request.user is not None and find_connection(request.user, client.client_id) is not None

    def _check_and_set_request_resource(self, request: Any) -> None:
        """Every token is for the MCP server alone (RFC 8707)."""
        super()._check_and_set_request_resource(request)
        if not is_own_resource(request.resource):
            raise CustomOAuth2Error(error="invalid_target", description=WRONG_RESOURCE)

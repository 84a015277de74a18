"""The scopes that clients may ask for, with their words on the consent page."""

from __future__ import annotations

from typing import Any

from oauth2_provider.scopes import BaseScopes

from automate_api.mcp.oauth.provider import SCOPES


class AgentScopes(BaseScopes):  # type: ignore[misc]  # untyped upstream
    """Scopes of API tokens, as far as agents need them."""

    def get_all_scopes(self) -> dict[str, str]:
        return {scope: scope for scope in SCOPES}

    def get_available_scopes(
        self, application: Any = None, request: Any = None, *args: Any, **kwargs: Any
    ) -> list[str]:
        return list(SCOPES)

    def get_default_scopes(self, application: Any = None, request: Any = None, *args: Any, **kwargs: Any) -> list[str]:
        return list(SCOPES)

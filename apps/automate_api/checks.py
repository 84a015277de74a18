"""System checks of the API."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error

from automate_api.mcp.oauth.provider import provider_settings
from automate_core.conf import setting


def check_libraries(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """E001: the extra `api` is not installed."""
    if find_spec("ninja") is not None:
        return []
    hint = 'Install it with pip install "django-automate[api]", or remove automate_api from INSTALLED_APPS.'
    return [Error("automate_api needs django-ninja, which is not installed.", hint=hint, id="automate_api.E001")]


_FREE = frozenset(
    {"ACCESS_TOKEN_EXPIRE_SECONDS", "OIDC_ISS_ENDPOINT", "REFRESH_TOKEN_EXPIRE_SECONDS"}
)  # settings of which other values are as strict


def check_oauth(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """E002, E003: AUTOMATE_MCP_OAUTH is on without its app, or with other settings of it than ours."""
    if not setting("AUTOMATE_MCP_OAUTH"):
        return []
    if not apps.is_installed("oauth2_provider"):
        hint = 'Install "django-automate[mcp]" and add oauth2_provider to INSTALLED_APPS, or turn the setting off.'
        return [Error("AUTOMATE_MCP_OAUTH needs the app oauth2_provider.", hint=hint, id="automate_api.E002")]
    given = getattr(settings, "OAUTH2_PROVIDER", None) or {}
    ours = provider_settings("")
    if changed := sorted(name for name in ours if name not in _FREE and given.get(name) != ours[name]):
        hint = "Set OAUTH2_PROVIDER = provider_settings(AUTOMATE_SITE_URL), of automate_api.mcp.oauth.provider."
        message = f"OAUTH2_PROVIDER is less strict than AI agents need: {', '.join(changed)}."
        return [Error(message, hint=hint, id="automate_api.E003")]
    return []

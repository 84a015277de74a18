"""URLs of OAuth for AI agents, from the root: path("", include("automate_api.mcp.oauth.urls")).

The metadata documents are those of one resource. There is none for the whole host.
"""

from __future__ import annotations

from django.urls import path

from automate_api.mcp.oauth.provider import ISSUER_PATH, RESOURCE_PATH
from automate_api.mcp.oauth.views import (
    ConsentView,
    RevokeView,
    TokenView,
    register,
    resource_metadata,
    server_metadata,
)
from automate_ui.navigation.admin_pages import staff

app_name = "automate_oauth"
urlpatterns = [
    path(f".well-known/oauth-protected-resource/{RESOURCE_PATH}", resource_metadata, name="resource"),
    path(f".well-known/oauth-protected-resource/{RESOURCE_PATH}/", resource_metadata),
    path(f".well-known/oauth-authorization-server/{ISSUER_PATH}", server_metadata, name="server"),
    staff(f"{ISSUER_PATH}/authorize/", ConsentView.as_view(), "authorize"),
    path(f"{ISSUER_PATH}/token/", TokenView.as_view(), name="token"),
    path(f"{ISSUER_PATH}/revoke/", RevokeView.as_view(), name="revoke"),
    path(f"{ISSUER_PATH}/register", register, name="register"),
    path(f"{ISSUER_PATH}/register/", register),
]

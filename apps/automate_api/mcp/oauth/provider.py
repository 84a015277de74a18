"""OAuth for AI agents: names that the settings need. Imports no model, so that settings can import it.

OAUTH2_PROVIDER = provider_settings(AUTOMATE_SITE_URL)
"""

from __future__ import annotations

from typing import Any

WRONG_RESOURCE = "Tokens are for the MCP server alone."
RESOURCE_PATH = "mcp"  #: of the MCP server, the only resource that tokens are for
ISSUER_PATH = "oauth/mcp"
ACCESS_SECONDS = 3_600
REFRESH_DAYS = 90
#: The scopes that clients may ask for. None of them publishes, and none decides an approval.
SCOPES = ("workflow:view", "workflow:run", "workflow:view_payload", "workflow:add", "workflow:change", "connection:use")

TICKED = SCOPES[:3]  #: chosen on the page unless the person says otherwise: what running workflows takes


def issuer(site_url: str) -> str:
    """The issuer of the tokens: the authorization server of this resource, not of the whole host."""
    return f"{site_url.rstrip('/')}/{ISSUER_PATH}"


def resource(site_url: str) -> str:
    """The identifier of the MCP server as a protected resource (RFC 9728)."""
    return f"{site_url.rstrip('/')}/{RESOURCE_PATH}"


def provider_settings(site_url: str) -> dict[str, Any]:
    """The setting OAUTH2_PROVIDER of Django OAuth Toolkit: the code flow with PKCE for public clients, nothing else."""
    recommended = (
        "IMPLICIT_GRANT",
        "PASSWORD_GRANT",
        "PKCE_METHOD",
        "ACCESS_TOKEN_TRANSPORT",
        "AUTHZ_RESPONSE_ISS",
        "TOKEN_STORAGE",
        "REFRESH_TOKEN",
        "REDIRECT_URI_MATCHING",
        "PKCE_REQUIRED",
    )
    return {
        "OIDC_ENABLED": False,
        "OIDC_ISS_ENDPOINT": issuer(site_url),
        "OAUTH2_VALIDATOR_CLASS": "automate_api.mcp.oauth.validator.AgentValidator",
        "SCOPES_BACKEND_CLASS": "automate_api.mcp.oauth.scopes.AgentScopes",
        "ACCESS_TOKEN_EXPIRE_SECONDS": ACCESS_SECONDS,
        "REFRESH_TOKEN_EXPIRE_SECONDS": REFRESH_DAYS * 86_400,
        "REFRESH_TOKEN_REUSE_PROTECTION": True,
        "PKCE_REQUIRED": True,
        "ALLOWED_REDIRECT_URI_SCHEMES": ["https", "http"],  # http for programs on the person's own machine alone
        "ALLOW_LOCALHOST_LOOPBACK": True,
        "CIMD_ENABLED": True,
        "CIMD_REGISTRATION_PERMISSION_CLASSES": ("automate_api.mcp.oauth.fetcher.AskedByPerson",),
        "CIMD_METADATA_FETCHER": "automate_api.mcp.oauth.fetcher.GuardedFetcher",
        **{f"COMPLIANT_BCP_RFC9700_{name}": True for name in recommended},
    }

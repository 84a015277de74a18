"""OAuth 2 providers as data, and the setup of a connection that signs in to one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from automate_egress.policy import is_listed_host
from automate_plugins import text

AUTHORIZATION_CODE = "authorization_code"
CLIENT_CREDENTIALS = "client_credentials"
GRANTS = {
    AUTHORIZATION_CODE: text("A person signs in"),
    CLIENT_CREDENTIALS: text("The application signs in (client credentials)"),
}
GENERIC = "generic"


@dataclass(frozen=True, kw_only=True)
class Provider:
    """An authorization server. `hosts` are those of its API, `extra` goes with the request for a code.

    `client_auth` is the way in which the client proves itself at the token endpoint (RFC 7591, section 2).
    """

    name: str
    authorize_url: str = ""
    token_url: str = ""
    scopes: str = ""
    separator: str = " "
    client_auth: str = "client_secret_basic"
    extra: tuple[tuple[str, str], ...] = ()
    hosts: tuple[str, ...] = ()


_MICROSOFT = "https://login.microsoftonline.com/common/oauth2/v2.0"
PROVIDERS: Mapping[str, Provider] = {
    "github": Provider(
        name="GitHub",
        authorize_url="https://github.com/login/oauth/authorize",
        token_url="https://github.com/login/oauth/access_token",
        scopes="repo",
        client_auth="client_secret_post",
        hosts=("api.github.com",),
    ),
    "gitlab": Provider(
        name="GitLab",
        authorize_url="https://gitlab.com/oauth/authorize",
        token_url="https://gitlab.com/oauth/token",
        scopes="api",
        hosts=("gitlab.com",),
    ),
    "google": Provider(
        name="Google",
        authorize_url="https://accounts.google.com/o/oauth2/v2/auth",
        token_url="https://oauth2.googleapis.com/token",
        client_auth="client_secret_post",
        extra=(("access_type", "offline"), ("prompt", "consent")),  # else there is no refresh token
        hosts=("www.googleapis.com",),
    ),
    "microsoft": Provider(
        name="Microsoft",
        authorize_url=f"{_MICROSOFT}/authorize",
        token_url=f"{_MICROSOFT}/token",
        scopes="offline_access User.Read",
        client_auth="client_secret_post",
        hosts=("graph.microsoft.com",),
    ),
    "slack": Provider(
        name="Slack",
        authorize_url="https://slack.com/oauth/v2/authorize",
        token_url="https://slack.com/api/oauth.v2.access",
        scopes="chat:write users:read users:read.email",
        separator=",",
        hosts=("slack.com",),
    ),
    "salesforce": Provider(
        name="Salesforce",
        authorize_url="https://login.salesforce.com/services/oauth2/authorize",
        token_url="https://login.salesforce.com/services/oauth2/token",
        scopes="api refresh_token",
        client_auth="client_secret_post",
    ),
    "hubspot": Provider(
        name="HubSpot",
        authorize_url="https://app.hubspot.com/oauth/authorize",
        token_url="https://api.hubapi.com/oauth/v1/token",
        client_auth="client_secret_post",
        hosts=("api.hubapi.com",),
    ),
    GENERIC: Provider(name=text("Other provider")),
}


@dataclass(frozen=True, kw_only=True)
class OAuthSetup:
    """A connection's provider, client and scopes. `client_secret` is a reference."""

    provider: str
    grant: str = AUTHORIZATION_CODE
    client_id: str = ""
    client_secret: str = ""
    scopes: str = ""
    authorize_url: str = ""
    token_url: str = ""
    client_auth: str = ""

    @property
    def name(self) -> str:
        """The provider's name; its host for one that is not preset."""
        return self._preset.name if self.provider != GENERIC else (urlsplit(self.token_endpoint).hostname or "")

    @property
    def authorize_endpoint(self) -> str:
        return self.authorize_url or self._preset.authorize_url

    @property
    def token_endpoint(self) -> str:
        return self.token_url or self._preset.token_url

    @property
    def scope(self) -> str | None:
        """The scopes in the provider's form; None requests its default."""
        return self._preset.separator.join((self.scopes or self._preset.scopes).replace(",", " ").split()) or None

    @property
    def auth_method(self) -> str:
        """The client's authentication at the token endpoint; `none` without a secret."""
        return (self.client_auth or self._preset.client_auth) if self.client_secret else "none"

    @property
    def extra(self) -> dict[str, str]:
        """Additional parameters of the authorization request."""
        return dict(self._preset.extra)

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts of the provider's API, where they are known."""
        return self._preset.hosts

    @property
    def needs_person(self) -> bool:
        """Whether a person has to sign in."""
        return self.grant == AUTHORIZATION_CODE

    @property
    def _preset(self) -> Provider:
        return PROVIDERS.get(self.provider, PROVIDERS[GENERIC])

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield (field, reason) for every invalid setting."""
        if self.provider not in PROVIDERS:
            yield (
                "oauth_provider",
                text(
                    "Unknown provider %(name)s. Known providers: %(known)s.",
                    name=repr(self.provider),
                    known=", ".join(PROVIDERS),
                ),
            )
        if self.grant not in GRANTS:
            yield (
                "oauth_grant",
                text(
                    "Unknown grant type %(name)s. Known grant types: %(known)s.",
                    name=repr(self.grant),
                    known=", ".join(GRANTS),
                ),
            )
        if not self.client_id:
            yield (
                "oauth_client_id",
                text("Enter the client ID. The provider issues it when you register the application."),
            )
        if self.grant == CLIENT_CREDENTIALS and not self.client_secret:
            yield "oauth_client_secret", text("Client credentials require the client secret.")
        urls = {"oauth_token_url": self.token_endpoint}
        if self.needs_person:
            urls["oauth_authorize_url"] = self.authorize_endpoint
        for field, url in urls.items():
            if reason := _url_problem(url):
                yield field, reason


def parse_oauth_setup(document: Mapping[str, Any]) -> OAuthSetup | None:
    """Parse a connection's `oauth`; None when it has no sign-in. Unknown names are ignored."""
    if not document:
        return None
    known = {name: str(value) for name, value in document.items() if name in OAuthSetup.__dataclass_fields__}
    return OAuthSetup(**{"provider": GENERIC, **known})


def allowed_hosts() -> Iterable[str]:
    """Return the `host:port` pairs that may be on private addresses."""
    hosts: Iterable[str] = getattr(settings, "AUTOMATE_EGRESS_ALLOW", ())
    return hosts


def _url_problem(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        port, user = parts.port, parts.username or parts.password
    except ValueError:
        return text("Enter a valid URL.")
    if not parts.hostname or user:
        return text("Enter an https:// URL without a user name.")
    if parts.scheme == "https" or (
        parts.scheme == "http" and is_listed_host(parts.hostname, port or 80, allowed_hosts())
    ):
        return None
    return text("Enter an https:// URL. http:// is only allowed for hosts in AUTOMATE_EGRESS_ALLOW.")

"""The setup of a connection that signs in: its provider, client, scopes and addresses."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from automate_connectors.oauth import catalogue
from automate_connectors.oauth.addresses import AddressError, fill_in, placeholders, url_problem
from automate_connectors.oauth.catalogue import (
    AUTHORIZATION_CODE,
    CLIENT_CERTIFICATE,
    CLIENT_CREDENTIALS,
    GENERIC,
    GITHUB_APP,
    GRANTS,
    JWT_BEARER,
    OTHER_PROVIDER,
    Provider,
)
from automate_plugins import text
from automate_plugins.texts import joined

#: Grants that are proved by a private key; the others by a client secret, if any.
KEY_GRANTS = frozenset({CLIENT_CERTIFICATE, JWT_BEARER, GITHUB_APP})
#: What a change of does not end a sign-in: the same client, with another proof.
PROOFS = frozenset({"client_secret", "private_key"})
#: What says nothing about where secrets go.
NOTES = frozenset({"secret_expires"})
_AUTH_METHODS = {"basic": "client_secret_basic", "post": "client_secret_post"}


@dataclass(frozen=True, kw_only=True)
class OAuthSetup:
    """A connection's `oauth`. `client_secret` and `private_key` are references; `secret_expires` is an ISO date.

    `authorize_url`, `token_url` and `client_auth` are those of a provider that is not in the catalogue; `parameters`
    fill in the addresses of one that is. `usual_scopes` are those of the connector, for a connection without `scopes`.
    """

    provider: str
    grant: str = AUTHORIZATION_CODE
    client_id: str = ""
    client_secret: str = ""
    private_key: str = ""
    subject: str = ""
    scopes: str = ""
    authorize_url: str = ""
    token_url: str = ""
    client_auth: str = ""
    secret_expires: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    usual_scopes: str = ""

    @property
    def row(self) -> Provider:
        """Its row of the catalogue."""
        return catalogue.providers().get(self.provider, OTHER_PROVIDER)

    @property
    def name(self) -> str:
        """The provider's name; its host for one that is not in the catalogue."""
        return self.row.name if self.row is not OTHER_PROVIDER else (urlsplit(self.token_url).hostname or "")

    @property
    def authorize_endpoint(self) -> str:
        """The address where a person signs in. Raises AddressError."""
        return self.authorize_url or self.fill_in(self.row.authorize_url)

    @property
    def token_endpoint(self) -> str:
        """The address that gives tokens. Raises AddressError."""
        return self.token_url or self.fill_in(self.row.token_url)

    @property
    def refresh_endpoint(self) -> str:
        """The address that renews tokens. Raises AddressError."""
        return (
            self.fill_in(self.row.refresh_url) if self.row.refresh_url and not self.token_url else self.token_endpoint
        )

    @property
    def scope(self) -> str | None:
        """The scopes in the provider's form; None requests its default."""
        usual = self.row.scopes if self.needs_person else self.row.app_scopes
        if self.needs_person or self.grant == JWT_BEARER:
            usual = self.usual_scopes or usual
        return self.row.separator.join((self.scopes or usual).replace(",", " ").split()) or None

    @property
    def auth_method(self) -> str:
        """The client's authentication at the token endpoint; `none` without a secret."""
        usual = _AUTH_METHODS[self.row.client_auth]
        return (self.client_auth or usual) if self.client_secret else "none"

    @property
    def audience(self) -> str:
        """The audience of its JWTs. Raises AddressError."""
        return self.fill_in(self.row.jwt.audience) or self.token_endpoint

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts of the provider's API, where they are known."""
        try:
            return tuple(self.fill_in(host) for host in self.row.hosts)
        except AddressError:
            return ()

    @property
    def needs_person(self) -> bool:
        """Whether a person has to sign in."""
        return self.grant == AUTHORIZATION_CODE

    @property
    def secrets(self) -> dict[str, str]:
        """Its references to secrets, by name."""
        found = {"client_secret": self.client_secret, "private_key": self.private_key}
        return {name: reference for name, reference in found.items() if reference}

    def fill_in(self, template: str) -> str:
        """Return a template of the row with the connection's parameters. Raises AddressError."""
        if not placeholders(template):
            return template
        return fill_in(template, self._values(), self.row.parameters)

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield (field, reason) for every invalid setting."""
        known = catalogue.providers()
        if self.provider not in known:
            yield (
                "oauth_provider",
                text(
                    "Unknown provider %(name)s. Known providers: %(known)s.",
                    name=repr(self.provider),
                    known=", ".join(known),
                ),
            )
            return
        yield from self._grant_problems()
        if self.grant not in GRANTS:
            return
        if not self.client_id and not (self.grant == JWT_BEARER and self.row.jwt.key_file):
            yield (
                "oauth_client_id",
                text("Enter the client ID. The provider issues it when you register the application."),
            )
        if self.grant == CLIENT_CREDENTIALS and not self.client_secret:
            yield "oauth_client_secret", text("Client credentials require the client secret.")
        if self.grant in KEY_GRANTS and not self.private_key:
            yield "oauth_private_key", text("This kind of sign-in requires a private key.")
        if self.secret_expires and _date(self.secret_expires) is None:
            yield "oauth_secret_expires", text("Enter a date.")
        yield from self._address_problems()

    def _grant_problems(self) -> Iterator[tuple[str, str]]:
        if self.grant not in GRANTS:
            message = text(
                "Unknown grant type %(name)s. Known grant types: %(known)s.",
                name=repr(self.grant),
                known=", ".join(GRANTS),
            )
            yield "oauth_grant", message
        elif self.grant not in self.row.grants:
            offered = joined((GRANTS[grant] for grant in self.row.grants), ", ")
            yield (
                "oauth_grant",
                text("%(provider)s does not offer this. Choose: %(offered)s.", provider=self.name, offered=offered),
            )

    def _address_problems(self) -> Iterator[tuple[str, str]]:
        values = self._values()
        wrong = False
        for name, parameter in self.row.parameters.items():
            if reason := parameter.problem(values.get(name, "")):
                wrong = True
                yield parameter_field(self.provider, name), reason
        if wrong:
            return
        yield from _url_problems("oauth_token_url", lambda: self.token_endpoint)
        if self.needs_person:
            yield from _url_problems("oauth_authorize_url", lambda: self.authorize_endpoint)

    def _values(self) -> dict[str, str]:
        """Its parameters, with defaults for missing ones."""
        return {
            name: self.parameters.get(name) or (self.needs_person and parameter.person_default) or parameter.default
            for name, parameter in self.row.parameters.items()
        }

    @property
    def secret_ends_at(self) -> dt.datetime | None:
        """Noon of the day on which its client secret expires: that day in nearly all time zones."""
        day = _date(self.secret_expires)
        return None if day is None else dt.datetime.combine(day, dt.time(12), dt.UTC)


_TEXTS = frozenset(OAuthSetup.__dataclass_fields__) - {"parameters", "usual_scopes"}


def parameter_field(provider: str, name: str) -> str:
    """Return the name of a form's field for a parameter of a provider's addresses."""
    return f"oauth_parameter_{provider}_{name}"


def parse_oauth_setup(document: Mapping[str, Any]) -> OAuthSetup | None:
    """Parse a connection's `oauth`; None when it has no sign-in. Unknown names are ignored."""
    if not document:
        return None
    known = {name: str(value) for name, value in document.items() if name in _TEXTS}
    given = document.get("parameters")
    parameters = {str(name): str(value) for name, value in given.items()} if isinstance(given, Mapping) else {}
    return OAuthSetup(parameters=parameters, **{"provider": GENERIC, **known})


def _url_problems(field: str, find: Callable[[], str]) -> Iterator[tuple[str, str]]:
    try:
        reason = url_problem(find())
    except AddressError as error:
        reason = str(error)
    if reason:
        yield field, reason


def _date(value: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(value)
    except ValueError:
        return None

"""The catalogue of OAuth providers: the rows of `providers.toml`, and of the site's own file in the same form.

`AUTOMATE_OAUTH_PROVIDERS` names that file; a row of it replaces a row of ours with the same name. Both are checked when
they are read.
"""

from __future__ import annotations

import logging
import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import msgspec
from django.conf import settings
from django.core.checks import CheckMessage, Error

from automate_connectors.oauth.addresses import Parameter, placeholders, url_problem
from automate_connectors.oauth.error_codes import KNOWN_CODES
from automate_plugins import text
from automate_plugins.documentation import doc

log = logging.getLogger(__name__)

AUTHORIZATION_CODE: Final = "authorization_code"
CLIENT_CREDENTIALS: Final = "client_credentials"
CLIENT_CERTIFICATE: Final = "client_certificate"
JWT_BEARER: Final = "jwt_bearer"
GITHUB_APP: Final = "github_app"
GRANTS = {
    AUTHORIZATION_CODE: text("A person signs in"),
    CLIENT_CREDENTIALS: text("The application signs in with a client secret"),
    CLIENT_CERTIFICATE: text("The application signs in with a certificate"),
    JWT_BEARER: text("A service account signs in (JWT)"),
    GITHUB_APP: text("An installation of a GitHub App signs in"),
}
GENERIC = "generic"
SETTING = "AUTOMATE_OAUTH_PROVIDERS"
_FILE = Path(__file__).with_name("providers.toml")
_CODE = re.compile(r"[a-z][a-z0-9_]{0,39}")
_PATH = re.compile(r"\w+(\.\w+)*", re.ASCII)

type Grant = Literal["authorization_code", "client_credentials", "client_certificate", "jwt_bearer", "github_app"]


class CatalogueError(ValueError):
    """A file of providers that cannot be used; the message names the row and what is wrong with it."""


class KeptValue(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A value kept from a provider's answer. One with `domains` is an https address of a host below one of them."""

    path: str
    domains: tuple[str, ...] = ()


class Assertion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The form of a provider's JWTs (RFC 7523). `audience` is the token address unless given.

    `scopes` says where they stand; a `key_file` is a JSON file with the key and its issuer, as Google makes them.
    """

    algorithm: Literal["RS256", "PS256"] = "RS256"
    audience: str = ""
    scopes: Literal["claim", "request", "none"] = "claim"
    key_file: bool = False


class Provider(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An authorization server; `providers.toml` describes each field."""

    name: str
    page: str = ""
    register: str = ""
    note: str = ""
    authorize_url: str = ""
    token_url: str = ""
    refresh_url: str = ""
    grants: tuple[Grant, ...] = (AUTHORIZATION_CODE,)
    scopes: str = ""
    app_scopes: str = ""
    separator: str = " "
    scope_parameter: str = "scope"
    pkce: bool = True
    client_auth: Literal["post", "basic"] = "post"
    request_format: Literal["form", "json"] = "form"
    token_path: str = "access_token"  # noqa: S105 - a place in answers
    renewed_path: str = ""
    authorize_parameters: Mapping[str, str] = MappingProxyType({})
    token_parameters: Mapping[str, str] = MappingProxyType({})
    refresh_parameters: Mapping[str, str] = MappingProxyType({})
    app_parameters: Mapping[str, str] = MappingProxyType({})
    keep: Mapping[str, KeptValue] = MappingProxyType({})
    callback: tuple[str, ...] = ()
    parameters: Mapping[str, Parameter] = MappingProxyType({})
    hosts: tuple[str, ...] = ()
    refresh_days: int = 0
    error_path: str = ""
    errors: Mapping[str, str] = MappingProxyType({})
    jwt: Assertion = Assertion()


msgspec.json.Decoder(Provider)  # resolves its types before threads do so, which msgspec does not survive

#: A provider that is not in the catalogue: the connection has its addresses.
OTHER_PROVIDER = Provider(
    name=text("Other provider"),
    grants=(AUTHORIZATION_CODE, CLIENT_CREDENTIALS, CLIENT_CERTIFICATE, JWT_BEARER),
    client_auth="basic",
)


def providers() -> Mapping[str, Provider]:
    """Return all providers by name: ours, the site's own, and `generic` for any other.

    A file of the site that cannot be used is left out; the system check E014 reports it.
    """
    return _providers(_site_file())


def own_providers() -> Mapping[str, Provider]:
    """Return the rows that come with the package."""
    return _own()


def read_providers(path: Path) -> dict[str, Provider]:
    """Return the checked rows of a file. Raises CatalogueError."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CatalogueError(f"{path} cannot be read: {error}") from error
    rows = {}
    for code, table in document.items():
        try:
            rows[code] = msgspec.convert(table, Provider)
        except msgspec.ValidationError as error:
            raise CatalogueError(f"{code}: {error}") from error
        if reason := next(_problems(code, rows[code]), ""):
            raise CatalogueError(f"{code}: {reason}")
    return rows


def check_providers(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """E014: the file in AUTOMATE_OAUTH_PROVIDERS cannot be used."""
    path = _site_file()
    try:
        if path:
            read_providers(Path(path))
    except CatalogueError as error:
        hint = f"{doc('connectors/oauth-providers')} describes the file."
        return [Error(f"{SETTING}: {error}.", hint=hint, id="automate_connectors.E014")]
    return []


def _site_file() -> str:
    path = getattr(settings, SETTING, "")
    return str(path) if isinstance(path, str | Path) else ""


@cache
def _own() -> Mapping[str, Provider]:
    return MappingProxyType(read_providers(_FILE))


@cache
def _providers(path: str) -> Mapping[str, Provider]:
    found = dict(_own())
    try:
        if path:
            found.update(read_providers(Path(path)))
    except CatalogueError as error:
        log.error("%s: %s. Its providers are not available.", SETTING, error)
    ordered = sorted(found.items(), key=lambda item: item[1].name.lower())
    return MappingProxyType({**dict(ordered), GENERIC: OTHER_PROVIDER})


def _problems(code: str, row: Provider) -> Iterator[str]:
    """Yield what is wrong with a row beyond the types of its values."""
    if not _CODE.fullmatch(code) or code == GENERIC:
        yield "the name must be lower-case letters, digits and _, beginning with a letter"
    if urlsplit(row.page).scheme != "https":
        yield "page must be the https address of the provider's documentation"
    if not row.grants:
        yield "grants must not be empty"
    if not row.token_url:
        yield "token_url is missing"
    if AUTHORIZATION_CODE in row.grants and not row.authorize_url:
        yield "authorize_url is missing"
    used = set()
    for name in ("authorize_url", "token_url", "refresh_url"):
        template = getattr(row, name)
        try:
            used.update(placeholders(template))
        except ValueError as error:
            yield f"{name}: {error}"
            return
        if template and (reason := _template_problem(template, row.parameters)):
            yield f"{name}: {reason}"
    try:
        others = (*row.hosts, *row.app_parameters.values(), row.jwt.audience)
        used.update(name for template in others for name in placeholders(template))
    except ValueError as error:
        yield str(error)
    for name in sorted(used ^ set(row.parameters)):
        yield f"the parameter {name} is {'not described' if name in used else 'not used'}"
    for name, parameter in row.parameters.items():
        for value in filter(None, (parameter.example, parameter.default, parameter.person_default)):
            if reason := parameter.problem(value):
                yield f"parameters.{name}: {value!r}: {reason}"
    for path in filter(None, (row.token_path, row.renewed_path, row.error_path, *(k.path for k in row.keep.values()))):
        if not _PATH.fullmatch(path):
            yield f"{path!r} is not a path such as team.id"
    for name, standard in row.errors.items():
        if standard not in KNOWN_CODES:
            yield f"errors.{name}: {standard!r} is none of {', '.join(sorted(KNOWN_CODES))}"


def _template_problem(template: str, parameters: Mapping[str, Parameter]) -> str | None:
    """Return what is wrong with an address: only a label or a whole host may stand in its host."""
    host = template.split("://", 1)[-1].split("/", 1)[0]
    for name in placeholders(template):
        kind = parameters[name].kind if name in parameters else "label"
        in_host = f"{{{name}}}" in host
        if in_host is (kind == "segment") or (kind == "host" and host != f"{{{name}}}"):
            return f"the parameter {name} cannot stand there as a {kind}"
    examples = {name: parameters[name].example if name in parameters else "example" for name in placeholders(template)}
    return url_problem(template.format_map(examples))

"""A whole `connector.yaml` from an OpenAPI document: its address, who calls, and the chosen operations."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ruamel.yaml import YAML

from automate_connectors.declared.document import FORMAT, AuthKind
from automate_connectors.declared.openapi.actions import (
    action_of,
    find_operation,
    identifier,
    label_of,
    shared_headers,
)
from automate_connectors.declared.openapi.authorization import authorization_header
from automate_connectors.declared.openapi.proposals import (
    apply,
    find_check,
    header_settings,
    idempotency_header,
    propose,
    takes_key,
)
from automate_connectors.declared.openapi.reader import Api, Server
from automate_connectors.declared.openapi.schemas import plain
from automate_connectors.declared.private_hosts import private_place
from automate_connectors.declared.templates import base_faults
from automate_connectors.declared.yaml_files import DocumentError
from automate_plugins import text

_VARIABLE = re.compile(r"\{([^{}]*)\}")
API_URL = "api_url"  #: the setting of a connection for an address on a private host
_TOKEN = {"name": "token", "label": "Token", "kind": "secret", "required": True}


class AddressError(DocumentError):
    """The address of the API cannot be used, or a document names none that can."""


def connector_of(api: Api, operations: Iterable[str], *, code: str = "", base_url: str = "") -> dict[str, Any]:
    """Return the document of a connector with these operations. Raises DocumentError.

    A `base_url` on a private host becomes the default of a setting, so that each connection may have its own.
    """
    title = plain(api.info.title, 60) or "API"
    settings: list[dict[str, Any]] = []
    address = base_url.rstrip("/") or _address(api.servers, settings)
    if private_place(base_url):
        address = f"{{{API_URL}}}"
        settings.append({"name": API_URL, "label": "API URL", "kind": "url", "required": True, "default": base_url})
    if found := next(base_faults(address), ""):
        raise AddressError(found)
    auth, credentials = _auth(api)
    chosen = [find_operation(api, name) for name in operations]
    considered = chosen if len(chosen) > 1 else list(api.operations.values())
    headers, asked = header_settings(
        api,
        shared_headers(api, considered) if len(considered) > 1 else {},
        [each["name"] for each in (*settings, *credentials)],
    )
    key = idempotency_header(api, chosen or api.operations.values())
    actions: list[dict[str, Any]] = []
    for operation in chosen:
        made = action_of(api, operation, taken=[action["name"] for action in actions])
        made = apply(made, propose(api, operation, made, headers))
        actions.append(made if not key or takes_key(api, operation) else {**made, "idempotent": False})
    check = find_check(actions)
    proposed = {"idempotency": key} if key else {}
    return {
        "format": FORMAT,
        "code": code or identifier(title),
        "name": title,
        "description": plain(api.info.description, 80).rstrip(".") or title,
        "base_url": address,
        "connection": [*settings, *credentials, *asked],
        "auth": auth,
        **({"headers": headers} if headers else {}),
        "errors": {"message": ["error.message", "message", "error", "detail"]},
        **proposed,
        **({"check": {"action": check}} if check else {}),
        "actions": actions,
    }


def write(document: Mapping[str, Any], source: str) -> str:
    """Return the text of a `connector.yaml`. `source` is the name of the OpenAPI document."""
    yaml, out = new_yaml(), io.StringIO()
    yaml.dump({name: value for name, value in document.items() if value not in ([], {}, "")}, out)
    head = f"# Made from {source}. Check names, effects and pages: see Declared connectors in the Help.\n"
    return head + out.getvalue()


def new_yaml() -> YAML:
    """Return what writes a `connector.yaml`, and keeps the comments of one that it has read."""
    yaml = YAML()
    yaml.width = 110
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.representer.ignore_aliases = lambda _data: True  # which no reader of ours takes; schemas are shared in memory
    return yaml


def _address(servers: list[Server], settings: list[dict[str, Any]]) -> str:
    """Return the first address that is public, its variables as settings or with their defaults."""
    for server in servers:
        address, wanted = server.url.rstrip("/"), list[dict[str, Any]]()
        for name in _VARIABLE.findall(address):
            variable = server.variables.get(name, {})
            setting = identifier(name)
            template = address.replace(f"{{{name}}}", f"{{{setting}}}")
            default = str(variable.get("default") or "")
            if not any(base_faults(template)) and not variable.get("enum"):
                address = template
                field = {"name": setting, "label": label_of(name), "required": True}
                wanted.append(field | ({"help": help_} if (help_ := plain(variable.get("description"))) else {}))
            else:
                address = address.replace(f"{{{name}}}", default)
        if not any(base_faults(address)):
            settings += wanted
            return address
    raise AddressError(text("The document names no public https server. Give the address of the API."))


def credential_settings(kind: AuthKind) -> list[dict[str, Any]]:
    """Return the settings of a connection that this kind of sign-in reads."""
    if kind is AuthKind.BASIC:
        user = {"name": "username", "label": text("Username"), "required": True}
        return [user, {**_TOKEN, "name": "password", "label": "Password"}]
    return [] if kind in {AuthKind.NONE, AuthKind.OAUTH} else [dict(_TOKEN)]


def _auth(api: Api) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the authentication of the first scheme that is supported, and its settings."""
    schemes = {name: api.mapping(each) for name, each in api.schemes.items()}
    named = [name for requirement in api.security for name in requirement]
    for name in [*(each for each in named if each in schemes), *schemes]:
        scheme = schemes[name]
        match scheme.get("type"), str(scheme.get("scheme", "")).lower(), scheme.get("in"):
            case "http", "bearer", _:
                return {"type": "bearer"}, [_TOKEN]
            case "http", "basic", _:
                return {"type": "basic"}, credential_settings(AuthKind.BASIC)
            case "apiKey", _, ("header" | "query") as place if isinstance(scheme.get("name"), str):
                if str(scheme["name"]).lower() == "authorization":
                    token = authorization_header(scheme)
                    if token:
                        return {"type": "header", "name": "Authorization", "token": token}, [_TOKEN]
                    return {"type": "header", "name": "Authorization"}, [{**_TOKEN, "label": "Authorization"}]
                return {"type": place, "name": scheme["name"]}, [{**_TOKEN, "label": "API key"}]
            case (("oauth2" | "openIdConnect"), _, _):
                return {"type": "bearer"}, [_TOKEN]  # with a sign-in, its access token
    return {"type": "none"}, []

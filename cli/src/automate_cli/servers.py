"""Addresses of servers: what a person types, and where a token may be sent."""

from __future__ import annotations

import ipaddress
from urllib.parse import quote, urlsplit

from automate_cli.errors import BadInputError, NotAllowedError

PREFIX = "/api/v1"


def server_address(text: str) -> str:
    """The address of a site as it is stored: scheme, host and path, no slash at the end. Raises BadInputError."""
    typed = text.strip()
    try:
        parts = urlsplit(typed if "://" in typed else f"https://{typed}")
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        raise BadInputError("The server is not a valid URL.") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise BadInputError("The server must be an address such as https://automate.example.com.")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise BadInputError("The address of the server cannot contain a user name, a query or a fragment.")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    path = parts.path.rstrip("/").removesuffix(PREFIX)
    return f"{parts.scheme}://{host}{port}{path}"


def is_local(server: str) -> bool:
    """Whether the server is this machine."""
    host = urlsplit(server).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_plain(server: str) -> bool:
    """Whether what is sent to the server is not encrypted."""
    return urlsplit(server).scheme == "http"


def check_encrypted(server: str, *, insecure: bool) -> None:
    """Raises NotAllowedError when a token would cross a network unencrypted."""
    if is_plain(server) and not is_local(server) and not insecure:
        raise NotAllowedError(
            f"{server} is not encrypted: others on the network could read the token. Use https, or add --insecure."
        )


def path_of(*parts: str) -> str:
    """The path of a resource below the API's prefix. Raises BadInputError for a part that leads to another one."""
    if other := {"", ".", ".."} & set(parts):
        raise BadInputError(f"{min(other)!r} is not a name.")
    return "/" + "/".join(quote(part, safe="") for part in parts)

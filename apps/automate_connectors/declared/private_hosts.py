"""Private hosts, where internal APIs run, by their names and addresses, without a look-up."""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, urlsplit

_ENDINGS = (".internal", ".local", ".localhost", ".lan", ".intranet", ".corp", ".home", ".home.arpa")
_PORTS = {"http": 80, "https": 443}


def private_place(url: str) -> str:
    """Return the "host:port" of a URL on a private host; "" for a public one, and for what is no URL."""
    parts = _parts(url)
    if parts is None or not parts.hostname or not _is_private(parts.hostname):
        return ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{host}:{parts.port or _PORTS[parts.scheme]}"


def _parts(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in _PORTS and not (parts.username or parts.password) and parts.port != 0
    except ValueError:
        return None
    return parts if is_good and not parts.query and not parts.fragment else None


def _is_private(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return "." not in host or host.endswith(_ENDINGS)

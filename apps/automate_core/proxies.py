"""The proxies in front of the site, and what they say of a request: its sender's address, its scheme and its host.

`X-Forwarded-For`, `-Proto` and `-Host` count where the connection comes from one of AUTOMATE_TRUSTED_PROXIES, and
nowhere else: anybody can write these headers.
"""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from automate_core.conf import setting

UNIX = "unix"  #: stands for connections by a socket file, which have no address
PREFIX = "x-forwarded-"

type Address = ipaddress.IPv4Address | ipaddress.IPv6Address
type Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, kw_only=True)
class Sender:
    """The sender of a request as its proxy names it; empty where the proxy says nothing."""

    address: str
    scheme: str = ""
    host: str = ""


def sender(peer: str, headers: Mapping[str, str]) -> Sender | None:
    """The sender of a request that came from `peer`; None for an untrusted peer. Names of headers are in lower case."""
    trusted = _trusted(tuple(setting("AUTOMATE_TRUSTED_PROXIES")))
    if not trusted.holds(peer):
        return None
    address = peer
    for hop in reversed(headers.get("x-forwarded-for", "").split(",")):
        parsed = parse_address(hop)
        if parsed is None:
            break  # whoever wrote this is no proxy of ours: the last one that is stands for them
        address = str(parsed)
        if not trusted.holds(address):
            break
    scheme = _last(headers, "proto").lower()
    return Sender(address=address, scheme=scheme if scheme in {"http", "https"} else "", host=_last(headers, "host"))


def asgi_scope(scope: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A request of ASGI as its sender made it."""
    if not setting("AUTOMATE_TRUSTED_PROXIES"):
        return scope
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        if name.startswith(PREFIX.encode()):
            key, said = name.decode("latin-1"), value.decode("latin-1")
            headers[key] = f"{headers[key]},{said}" if key in headers else said
    found = sender((scope.get("client") or ("",))[0], headers)
    if found is None:
        return scope
    changed = {**scope, "client": (found.address, 0)}
    if found.scheme:
        changed["scheme"] = found.scheme
    if found.host:
        others = [(name, value) for name, value in scope["headers"] if name != b"host"]
        changed["headers"] = [*others, (b"host", found.host.encode("latin-1"))]
    return changed


def wsgi_environ(environ: dict[str, Any]) -> dict[str, Any]:
    """A request of WSGI as its sender made it."""
    names = {f"{PREFIX}{name}": f"HTTP_X_FORWARDED_{name.upper()}" for name in ("for", "proto", "host")}
    headers = {name: str(environ[key]) for name, key in names.items() if key in environ}
    found = sender(str(environ.get("REMOTE_ADDR") or ""), headers)
    if found is None:
        return environ
    changed = {**environ, "REMOTE_ADDR": found.address}
    if found.scheme:
        changed["wsgi.url_scheme"] = found.scheme
    if found.host:
        changed["HTTP_HOST"] = found.host
    return changed


def read_networks(entries: Iterable[str]) -> frozenset[Network]:
    """The networks in a list of addresses and networks. Raises ValueError."""
    return frozenset(ipaddress.ip_network(entry.strip()) for entry in entries if entry != UNIX)


def parse_address(text: str) -> Address | None:
    """The address in `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1` or `[2001:db8::1]:80`."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def is_in(peer: str, entries: tuple[str, ...]) -> bool:
    """Whether the address of a connection is in a list of addresses, networks and UNIX. Raises ValueError."""
    return _trusted(entries).holds(peer)


class _Trusted:
    def __init__(self, entries: tuple[str, ...]) -> None:
        self._unix = UNIX in entries
        self._networks = read_networks(entries)

    def holds(self, peer: str) -> bool:
        if not self._networks or not peer:
            return self._unix and not peer
        address = parse_address(peer)
        return address is not None and any(address in network for network in self._networks)


_trusted = functools.lru_cache(maxsize=8)(_Trusted)


def _last(headers: Mapping[str, str], name: str) -> str:
    """The value of the nearest proxy, where several have set one."""
    return headers.get(PREFIX + name, "").rpartition(",")[2].strip()

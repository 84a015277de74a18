"""The addresses that workflows may reach: public ones, and the internal hosts that a setting names.

The address table is ssrfguard's, with additional rows: Azure's metadata service, which answers on a public address,
IPv4-translated IPv6 (RFC 2765), and ISATAP addresses, which carry an IPv4 address under any prefix.
"""

from __future__ import annotations

import contextlib
import functools
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

import requests  # noqa: TID251 - for the form in which it writes host names
from ssrfguard import DEFAULT_DENIED, AddressTable, Block, BlockedAddressError, Policy, Reach

_ADDITIONAL_BLOCKS = (
    Block(ip_network("168.63.129.16/32"), "Azure platform services", "vendor", Reach.DENIED),
    Block(ip_network("::ffff:0:0:0/96"), "IPv4-translated", "RFC 2765", Reach.DENIED),
)
DENIED = AddressTable((*DEFAULT_DENIED.blocks, *_ADDITIONAL_BLOCKS), snapshot=DEFAULT_DENIED.snapshot)

# Loopback and the private ranges. Metadata services are in neither policy: those on link-local addresses are not listed
# here, and Amazon's (fd00:ec2::254 and its neighbours) are cut out of the unique-local range.
_INTERNAL = (
    *map(ip_network, ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128")),
    *IPv6Network("fc00::/7").address_exclude(IPv6Network("fd00:ec2::/32")),
)
_NAME = re.compile(r"[\w.-]+")
_ISATAP = 0x0000_5EFE  # RFC 5214, section 6.1; with the universal bit it is 0200:5efe
WEB_PORTS = frozenset({80, 443})
MAX_REDIRECTS = 5
KEPT_NAMES = 1_024  #: host names whose form for comparison is kept
MAX_ADDRESSES = 2  #: addresses of a name that are tried, each for half of the time there is


class AddressPolicy(Policy):
    """ssrfguard's policy, which also refuses ISATAP addresses."""

    def check_address(self, address: str | IPv4Address | IPv6Address) -> None:
        """Raise BlockedAddressError for an address that may not be connected to."""
        parsed = ip_address(address) if isinstance(address, str) else address
        if parsed.version == 6 and (int(parsed) >> 32) & 0xFDFF_FFFF == _ISATAP:
            raise BlockedAddressError(str(parsed), "is an ISATAP address (RFC 5214), which carries an IPv4 address")
        super().check_address(parsed)


@dataclass(frozen=True, kw_only=True)
class Rules:
    """Egress rules of a site. `internal_hosts` are `host:port` pairs that may have private addresses.

    `ports` are those allowed on public web servers; `proxy` is the URL of a proxy for public web requests ("" for
    none).
    """

    internal_hosts: frozenset[str] = frozenset()
    ports: frozenset[int] = WEB_PORTS
    proxy: str = ""

    @functools.cached_property
    def internal_pairs(self) -> frozenset[tuple[str, int]]:
        """The internal hosts as (name, port). Raises ValueError for a pair without a port."""
        return frozenset(split_host(host) for host in self.internal_hosts)


@functools.lru_cache(64)
def shared_rules(internal_hosts: frozenset[str], ports: frozenset[int] = WEB_PORTS, proxy: str = "") -> Rules:
    """Return the rules with these values, made once: each call of a connector asks for them."""
    return Rules(internal_hosts=internal_hosts, ports=ports, proxy=proxy)


def public_policy(*, https_only: bool = True, ports: Iterable[int] = WEB_PORTS) -> Policy:
    """Return the policy of public addresses on the given ports, https only by default."""
    return AddressPolicy(
        allowed_schemes=frozenset({"https"} if https_only else {"https", "http"}),
        denied_networks=DENIED,
        allowed_ports=frozenset(ports),
        max_redirects=MAX_REDIRECTS,
        max_connection_attempts=MAX_ADDRESSES,
    )


def internal_policy(pairs: Iterable[tuple[str, int]]) -> Policy:
    """Return the policy of named hosts on private addresses, http or https. The caller compares host and port."""
    return AddressPolicy(
        denied_networks=DENIED,
        allowed_networks=_INTERNAL,
        allowed_ports=frozenset(port for _, port in pairs),
        max_redirects=MAX_REDIRECTS,
        max_connection_attempts=MAX_ADDRESSES,
    )


def is_internal_address(address: str) -> bool:
    """Return whether a host on this address can be allowed: a private one that is no metadata service."""
    with contextlib.suppress(ValueError):
        return any(ip_address(address) in network for network in _INTERNAL)
    return False


@functools.lru_cache(KEPT_NAMES)
def ascii_host(name: str) -> str:
    """Return a host name in the form for comparison: as on the wire (RFC 5891), lower case, without a trailing dot."""
    plain = unicodedata.normalize("NFKC", name).replace("\u3002", ".").rstrip(".").lower()
    if plain.isascii() or not _NAME.fullmatch(plain):
        return plain
    try:
        encoded = requests.Request("GET", f"https://{plain}/").prepare().url
    except (ValueError, UnicodeError):
        return plain
    return urlsplit(encoded or "").hostname or plain


def is_listed_host(host: str, port: int, pairs: Iterable[str]) -> bool:
    """Return whether `host:port` is one of those pairs; invalid pairs are ignored."""
    with contextlib.suppress(ValueError):
        return (ascii_host(host), port) in {split_host(pair) for pair in pairs}
    return False


def split_host(host: str) -> tuple[str, int]:
    """Return `("db.internal", 8080)` for "db.internal:8080". Raises ValueError when the port is missing."""
    name, _, port = host.strip().rpartition(":")
    if not name or not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65_535):
        raise ValueError(f"{host!r} is not host:port")
    return ascii_host(name.strip("[]")), int(port)


def is_proxy_url(value: str) -> bool:
    """Return whether `value` is the URL of a web proxy."""
    try:
        parts = urlsplit(value)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port is not None
    except ValueError:
        return False

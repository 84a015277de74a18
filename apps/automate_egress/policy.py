"""Which addresses a workflow may reach: public ones, and the internal hosts that a setting names.

The address table is ssrfguard's, with two rows added that it leaves open: Azure's metadata service, which
answers on a public address, and IPv4-translated IPv6 (RFC 2765).
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_network

from ssrfguard import DEFAULT_DENIED, AddressTable, Block, Policy, Reach

_OURS = (
    Block(ip_network("168.63.129.16/32"), "Azure platform services", "vendor", Reach.DENIED),
    Block(ip_network("::ffff:0:0:0/96"), "IPv4-translated", "RFC 2765", Reach.DENIED),
)
DENIED = AddressTable((*DEFAULT_DENIED.blocks, *_OURS), snapshot=DEFAULT_DENIED.snapshot)

# Loopback and the private ranges; link-local (cloud metadata) is in neither policy.
_INTERNAL = ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7")
MAX_REDIRECTS = 5


def public_policy(*, https_only: bool = True) -> Policy:
    """Public addresses on the standard ports, https only unless told otherwise."""
    return Policy(
        allowed_schemes=frozenset({"https"} if https_only else {"https", "http"}),
        denied_networks=DENIED,
        max_redirects=MAX_REDIRECTS,
    )


def internal_policy(hosts: Iterable[str]) -> Policy:
    """The named `host:port` pairs on private addresses, http or https. Raises ValueError for a pair without a port."""
    pairs = [split_host(host) for host in hosts]
    return Policy(
        denied_networks=DENIED,
        allowed_networks=tuple(ip_network(network) for network in _INTERNAL),
        allowed_ports=frozenset(port for _, port in pairs),
        max_redirects=MAX_REDIRECTS,
    )


def split_host(host: str) -> tuple[str, int]:
    """`("db.internal", 8080)` for "db.internal:8080". Raises ValueError when the port is missing."""
    name, _, port = host.strip().rpartition(":")
    if not name or not port.isdigit():
        raise ValueError(f"{host!r} is not host:port")
    return name.strip("[]").lower(), int(port)

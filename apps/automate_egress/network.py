"""Network: the address check for protocols other than HTTP, such as SMTP and PostgreSQL."""

from __future__ import annotations

import socket  # noqa: TID251 - typing; the guard opens the socket
import time
from collections.abc import Callable, Collection, Iterable

from ssrfguard import Address, Policy, connect, resolve

from automate_egress.errors import (
    EgressBlockedError,
    EgressCancelledError,
    EgressTimeoutError,
    port_error,
    translate_connect_errors,
)
from automate_egress.policy import MAX_ADDRESSES, ascii_host, internal_policy, public_policy, shared_rules
from automate_egress.sockets import CONNECT_SECONDS, timed_lookup
from automate_plugins import text

TOTAL_SECONDS = 30.0  # where no deadline is given


class Network:
    """One caller's TCP connections: names are resolved once, and the checked address is the one connected to.

    The parameters are those of HttpSession. A host of `internal_hosts` may be on a private address; any other must be
    public, on one of its protocol's ports.
    """

    def __init__(
        self,
        *,
        internal_hosts: Iterable[str] = (),
        bound_hosts: Iterable[str] | None = None,
        deadline: float | None = None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        self._pairs = shared_rules(frozenset(internal_hosts)).internal_pairs
        self._bound_hosts = None if bound_hosts is None else frozenset(map(ascii_host, bound_hosts))
        self._deadline = time.monotonic() + TOTAL_SECONDS if deadline is None else deadline
        self._cancelled = cancelled

    def is_internal(self, host: str, port: int) -> bool:
        """Return whether the site's settings name that host: it may then be private, and unencrypted."""
        return (ascii_host(host), port) in self._pairs

    def addresses(self, host: str, port: int, *, ports: Collection[int]) -> list[str]:
        """Return the checked addresses of `host`, in the resolver's order.

        Raises EgressBlockedError, EgressConnectionError, EgressTimeoutError.
        """
        _, found = self._resolved(host, port, ports)
        return [str(address.ip) for address in found[:MAX_ADDRESSES]]

    def connect(self, host: str, port: int, *, ports: Collection[int]) -> socket.socket:
        """Return a socket connected to a checked address of `host`. Raises as `addresses` does."""
        policy, found = self._resolved(host, port, ports)
        with translate_connect_errors(f"{host}:{port}"):
            return connect(found, policy=policy, timeout=min(CONNECT_SECONDS, self.remaining() / MAX_ADDRESSES))

    def remaining(self) -> float:
        """Return the seconds that are left. Raises EgressTimeoutError when there are none, EgressCancelledError."""
        if self._cancelled():
            raise EgressCancelledError(text("Cancelled."))
        remaining = self._deadline - time.monotonic()
        if remaining <= 0:
            raise EgressTimeoutError(text("The step timed out."))
        return remaining

    def is_open(self) -> bool:
        """Return whether there is time left."""
        return not self._cancelled() and time.monotonic() < self._deadline

    def _resolved(self, host: str, port: int, ports: Collection[int]) -> tuple[Policy, tuple[Address, ...]]:
        host = ascii_host(host)
        if self._bound_hosts is not None and host not in self._bound_hosts:
            raise EgressBlockedError(
                text("This connection cannot be used for %(host)s. Add the host to the connection.", host=host)
            )
        internal = self.is_internal(host, port)
        if not internal and port not in ports:
            raise port_error(f"{host}:{port}")
        policy = internal_policy(self._pairs) if internal else public_policy(ports=ports)
        literal = f"[{host}]" if ":" in host else host
        with translate_connect_errors(f"{host}:{port}"):
            target = policy.check_url(f"https://{literal}:{port}/")
            if (target.host_as_written, target.port) != (host, port):  # "a/b", "a@b": not a host alone
                raise EgressBlockedError(text("%(value)s is not a host name.", value=repr(host[:100])))
            return policy, resolve(target, policy=policy, resolver=timed_lookup(self.remaining))

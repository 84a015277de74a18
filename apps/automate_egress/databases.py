"""Databases of other servers: their address is checked, clear text is for internal hosts, and answers have a limit."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from automate_egress.byte_limit import ByteLimitedRelay
from automate_egress.errors import EgressBlockedError, EgressResponseTooLargeError
from automate_egress.network import Network
from automate_plugins import text


@dataclass(frozen=True, kw_only=True)
class DatabaseServer:
    """A database. `tls` is `verify-full`, `require` (encrypted, not verified) or `disable`.

    The last two are for internal hosts alone. `authorities` are PEM certificates that replace the public authorities'.
    """

    host: str
    port: int
    database: str
    username: str
    password: str = field(repr=False)
    tls: str = "verify-full"
    authorities: str = ""

    @property
    def place(self) -> str:
        """Host and port, for messages."""
        return f"{self.host}:{self.port}"


@contextlib.contextmanager
def relay_to(
    network: Network, server: DatabaseServer, *, ports: Collection[int], most_bytes: int, seconds: float
) -> Iterator[ByteLimitedRelay]:
    """Open a relay to `server` for the block, cut off after `most_bytes` and after `seconds`.

    Raises the errors of Network, and EgressResponseTooLargeError for any error of a block whose answer was too large.
    """
    if server.tls != "verify-full" and not network.is_internal(server.host, server.port):
        raise EgressBlockedError(
            text(
                "Blocked: %(place)s requires verified TLS, unless an administrator allows it in AUTOMATE_EGRESS_ALLOW.",
                place=server.place,
            )
        )
    sock = network.connect(server.host, server.port, ports=ports)
    with contextlib.closing(ByteLimitedRelay(sock, most_bytes, seconds)) as relay:
        try:
            yield relay
        except Exception as error:
            if not relay.is_exceeded:
                raise
            raise EgressResponseTooLargeError(
                text(
                    "The result from %(place)s is larger than %(count)s bytes. Select fewer rows or smaller columns.",
                    place=server.place,
                    count=most_bytes,
                )
            ) from error

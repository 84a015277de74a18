"""Connections to other PostgreSQL servers: addresses are checked, TLS verifies names, our credentials are never sent.

libpq fills missing parameters from the environment and the home folder (passwords, client certificates, Kerberos
tickets, service files); each of these is switched off here. Source: PostgreSQL's manual, "Parameter Key Words".
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from typing import Any

import psycopg

from automate_egress.byte_limit import ADDRESS
from automate_egress.databases import DatabaseServer, relay_to
from automate_egress.errors import (
    EgressConnectionError,
    EgressError,
    connection_error,
    truncate_words,
    untrusted_error,
)
from automate_egress.network import Network
from automate_egress.tls import PUBLIC_AUTHORITIES, verifying_context
from automate_plugins import text

POSTGRES_PORTS = frozenset({5432, 6432, 6543})  #: the server's own, and those of the usual poolers
MAX_BYTES = 32_000_000  #: that come back on one connection: libpq holds a whole row, and all rows without a cursor
_MISSING_FILE = "/nonexistent"


@contextlib.contextmanager
def postgres(
    network: Network, server: DatabaseServer, *, most_bytes: int = MAX_BYTES
) -> Iterator[psycopg.Connection[Any]]:
    """Open a connection for the block; it is cut off at the deadline or after `most_bytes`.

    Raises the errors of Network, EgressConnectionError when the server refuses the sign-in, and later psycopg.Error and
    EgressResponseTooLargeError.
    """
    remaining = network.remaining()
    with relay_to(network, server, ports=POSTGRES_PORTS, most_bytes=most_bytes, seconds=remaining) as relay:
        with _authorities(server) as file:
            connection = _connect(network, server, relay.port, file)
        try:
            yield connection
        finally:
            connection.close()


def _connect(network: Network, server: DatabaseServer, port: int, authorities: str) -> psycopg.Connection[Any]:
    # Without verified TLS, a server that asks for the password as it is may be anybody.
    methods = "!gss,!sspi" if server.tls == "verify-full" else "none,md5,scram-sha-256"
    own: dict[str, Any] = {"require_auth": methods} if psycopg.pq.version() >= 160_000 else {}
    try:
        return psycopg.connect(  # noqa: TID251 - by a connection to an address that was checked
            host=server.host,
            hostaddr=ADDRESS,
            port=port,
            dbname=server.database,
            user=server.username,
            password=server.password,
            sslmode=server.tls,
            sslrootcert=authorities,
            connect_timeout=max(2, min(5, int(network.remaining()))),
            application_name="django-automate",
            client_encoding="UTF8",
            options="",
            passfile=_MISSING_FILE,
            sslcert=_MISSING_FILE,
            sslkey=_MISSING_FILE,
            gssencmode="disable",
            **own,
        )
    except psycopg.Error as error:
        network.remaining()  # over: that is the error
        raise _translate_connect_error(server, error) from error


def _translate_connect_error(server: DatabaseServer, error: psycopg.Error) -> EgressError:
    """Return the server's own reason for refusing; failures of the network are not told apart."""
    place, reported = server.place, str(error)
    if "FATAL:" in reported:
        said = truncate_words(reported.rpartition("FATAL:")[2].strip(), 300)
        refused = EgressConnectionError(
            text("%(place)s rejected the user %(user)s: %(reason)s", place=place, user=server.username, reason=said)
        )
        refused.sent = False
        if "authentication failed" in said:
            refused.code, refused.retryable = "authentication_failed", False
        return refused
    if "certificate" in reported:
        return untrusted_error(place, reported.rpartition("error: ")[2].strip() or reported)
    return connection_error(place)


@contextlib.contextmanager
def _authorities(server: DatabaseServer) -> Iterator[str]:
    """Yield the path of a file with the trusted certificates; libpq takes no others. Raises EgressBlockedError."""
    if not server.authorities:
        yield PUBLIC_AUTHORITIES
        return
    verifying_context(server.authorities)
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(server.authorities)
        file.flush()
        yield file.name

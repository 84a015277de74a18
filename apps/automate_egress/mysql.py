"""Connections to MySQL and MariaDB servers: addresses are checked, TLS verifies names, no file of ours is sent.

PyMySQL reads no option file and no environment by default, and refuses a server that asks for a local file
(`LOAD DATA LOCAL`). It is installed by the extra `mysql`.
"""

from __future__ import annotations

import contextlib
import ssl  # noqa: TID251 - its errors, and TLS without verification for internal hosts
import struct
from collections.abc import Iterator
from typing import Any

import pymysql  # noqa: TID251 - over a connection to an address that was checked
from pymysql.connections import Connection  # noqa: TID251

from automate_egress.byte_limit import ByteLimitedRelay
from automate_egress.databases import DatabaseServer, relay_to
from automate_egress.errors import (
    EgressConnectionError,
    EgressError,
    EgressUntrustedError,
    connection_error,
    truncate_words,
    untrusted_error,
)
from automate_egress.network import Network
from automate_egress.tls import verifying_context
from automate_plugins import text

MYSQL_PORTS = frozenset({3306, 3307, 25060})  #: the server's own, and those of usual hosts
_CLEAR_TEXT = frozenset({b"mysql_clear_password", b"dialog"})  #: methods that send the password as it is
#: What the driver raises for packets that are none, and whoever unpacks a row that is too short.
_MALFORMED = (ValueError, LookupError, TypeError, AttributeError, AssertionError, ArithmeticError, struct.error)
_REFUSED = frozenset({1044, 1045, 1698, 1862, 3118})  # access denied, expired password, locked account


@contextlib.contextmanager
def mysql(network: Network, server: DatabaseServer, *, most_bytes: int, seconds: float) -> Iterator[Connection[Any]]:
    """Open a connection for the block; it is cut off after `seconds`, at the deadline, or after `most_bytes`.

    Raises the errors of Network, EgressConnectionError when the server refuses the sign-in, and later pymysql.Error and
    EgressResponseTooLargeError.
    """
    limits = {"most_bytes": most_bytes, "seconds": min(seconds, network.remaining())}
    with relay_to(network, server, ports=MYSQL_PORTS, **limits) as relay:  # type: ignore[arg-type]
        connection = _connect(network, server, relay)
        try:
            yield connection
        except _MALFORMED as error:
            raise _malformed_error(server) from error
        finally:
            stop_reading(connection)
            with contextlib.suppress(pymysql.Error, OSError):
                connection.close()


def stop_reading(connection: Connection[Any]) -> None:
    """Discard rows that were not read: PyMySQL would read all of them before it closes."""
    result = getattr(connection, "_result", None)
    if result is not None:
        result.unbuffered_active, result.connection = False, None


def _connect(network: Network, server: DatabaseServer, relay: ByteLimitedRelay) -> Connection[Any]:
    try:
        connection = _Connection(
            host=server.host,
            user=server.username,
            password=server.password.encode(),
            database=server.database,
            charset="utf8mb4",
            ssl=_tls(server),
            ssl_disabled=server.tls == "disable",
            local_infile=False,
            autocommit=False,
            program_name="django-automate",
            defer_connect=True,
        )
        connection.server = server
        connection.connect(relay.connect())
    except ssl.SSLCertVerificationError as error:
        raise untrusted_error(server.place, error.verify_message) from error
    except (pymysql.Error, OSError) as error:
        network.remaining()  # over: that is the error
        raise _translate_connect_error(server, error) from error
    except _MALFORMED as error:
        raise _malformed_error(server) from error
    return connection


class _Connection(Connection):
    """A connection that gives the password as it is to a verified server alone, whatever the other side asks for."""

    server: DatabaseServer

    def _process_auth(self, plugin_name: bytes, auth_packet: Any, handler: Any = None) -> Any:
        if plugin_name in _CLEAR_TEXT and self.server.tls != "verify-full":
            raise EgressUntrustedError(
                text("%(place)s asks for the password in clear text. Use verified TLS.", place=self.server.place)
            )
        return super()._process_auth(plugin_name, auth_packet, handler)  # type: ignore[misc]


def _malformed_error(server: DatabaseServer) -> EgressConnectionError:
    return EgressConnectionError(text("%(place)s sent an answer that is not of a MySQL server.", place=server.place))


def _tls(server: DatabaseServer) -> ssl.SSLContext | None:
    if server.tls == "verify-full":
        return verifying_context(server.authorities)
    if server.tls == "disable":
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _translate_connect_error(server: DatabaseServer, error: Exception) -> EgressError:
    """Return the server's own reason for refusing; failures of the network are not told apart."""
    cause = error.__cause__ or error.__context__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return untrusted_error(server.place, cause.verify_message)
    number = error.args[0] if error.args else 0
    if (isinstance(error, pymysql.Error) and isinstance(number, int) and 1000 <= number < 2000) or number in _REFUSED:
        said = truncate_words(str(error.args[-1]), 300)
        refused = EgressConnectionError(
            text(
                "%(place)s rejected the user %(user)s: %(reason)s",
                place=server.place,
                user=server.username,
                reason=said,
            )
        )
        refused.sent = False
        if number in _REFUSED:
            refused.code, refused.retryable = "authentication_failed", False
        return refused
    if isinstance(error, pymysql.Error) and "SSL is required" in str(error):
        return untrusted_error(server.place, "the server does not support TLS")
    return connection_error(server.place)

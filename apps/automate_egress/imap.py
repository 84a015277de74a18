"""Mailboxes by IMAP: the server's address is checked as any other, TLS is verified, and the conversation is limited.

Sources: RFC 3501 (IMAP4rev1), RFC 8314 (TLS from the start), Google's description of XOAUTH2.
"""

from __future__ import annotations

import imaplib  # noqa: TID251 - over sockets that the guard opens
import ssl  # noqa: TID251 - its errors, and typing
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from automate_egress.errors import (
    EgressBlockedError,
    EgressConnectionError,
    MailError,
    truncate_words,
    untrusted_error,
)
from automate_egress.lines import LineReader
from automate_egress.network import Network
from automate_egress.sockets import CONNECT_SECONDS
from automate_egress.tls import verifying_context
from automate_plugins import text

IMAP_PORTS = frozenset({143, 993})
MAX_BYTES = 60_000_000  #: that come back on one connection
MAX_LINES = 20_000  #: the same; imaplib keeps each of them
_MAX_LINE = 5_000_000  #: the UIDs of a very large folder
_SHOWN_REPLY = 300


@dataclass(frozen=True, kw_only=True)
class ImapServer:
    """A mail server. `security` is `tls` (from the start), `starttls` or `none` (internal hosts alone).

    With an `access_token`, the sign-in is by XOAUTH2 and not by the password. `authorities` are certificates in PEM
    that replace the public authorities'.
    """

    host: str
    port: int
    username: str
    security: str = "tls"
    password: str = ""
    access_token: str = ""
    authorities: str = ""

    @property
    def place(self) -> str:
        """The host and port, for messages."""
        return f"{self.host}:{self.port}"


@contextmanager
def imap(network: Network, server: ImapServer, *, most_bytes: int = MAX_BYTES) -> Iterator[imaplib.IMAP4]:
    """Sign in for the block. The client's methods raise what this does.

    Raises MailError when the server refuses something (`authentication_failed`, `mail_failed`),
    EgressResponseTooLargeError after `most_bytes` or MAX_LINES, and the errors of Network.
    """
    if server.security == "none" and not network.is_internal(server.host, server.port):
        raise EgressBlockedError(
            text(
                "Blocked: %(place)s requires TLS, unless an administrator allows it in AUTOMATE_EGRESS_ALLOW.",
                place=server.place,
            )
        )
    client: _Imap | None = None
    try:
        client = _Imap(network, server, most_bytes)
        _sign_in(client, server)
        yield client
        client.logout()
    except imaplib.IMAP4.abort as error:
        raise EgressConnectionError(text("The connection to %(place)s failed.", place=server.place)) from error
    except imaplib.IMAP4.error as error:
        raise _refusal(server, error) from error
    except ssl.SSLCertVerificationError as error:
        raise untrusted_error(server.place, error.verify_message) from error
    except OSError as error:  # TLS failures and time-outs are OSErrors
        network.remaining()  # over: that is the error
        raise EgressConnectionError(text("The connection to %(place)s failed.", place=server.place)) from error
    finally:
        if client is not None:
            with suppress(OSError):
                client.shutdown()


def _sign_in(client: _Imap, server: ImapServer) -> None:
    try:
        if server.access_token:
            answers = iter([f"user={server.username}\1auth=Bearer {server.access_token}\1\1".encode()])
            client.authenticate("XOAUTH2", lambda _: next(answers, b""))  # an empty one ends a refusal
        elif server.password.isascii() and server.username.isascii():
            client.login(server.username, server.password)
        else:
            client.authenticate("PLAIN", lambda _: f"\0{server.username}\0{server.password}".encode())
        client.renew_capabilities()
    except imaplib.IMAP4.abort:
        raise
    except imaplib.IMAP4.error as error:
        refused = _refusal(server, error)
        refused.code = "authentication_failed"
        raise refused from error


def _refusal(server: ImapServer, error: Exception) -> MailError:
    reply = error.args[0] if error.args else ""
    said = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else str(reply)
    shown = truncate_words(said, _SHOWN_REPLY)
    return MailError(text("%(place)s rejected the request: %(reply)s", place=server.place, reply=shown))


class _Imap(imaplib.IMAP4):
    """imaplib over a checked socket, with one deadline and one limit for the conversation."""

    def __init__(self, network: Network, server: ImapServer, most_bytes: int) -> None:
        self._network, self._server = network, server
        too_much = text("%(place)s sent more than is read at once. Select fewer messages.", place=server.place)
        self._input = LineReader(network.remaining, most_bytes=most_bytes, most_lines=MAX_LINES, too_much=too_much)
        super().__init__(server.host, server.port)
        try:
            if server.security == "starttls":
                self._encrypt()
        except BaseException:
            self.shutdown()
            raise

    def open(self, host: str = "", port: int = 0, timeout: float | None = None) -> None:
        self.host, self.port = host, port
        self.sock = self._network.connect(host, port, ports=IMAP_PORTS)
        try:
            if self._server.security == "tls":
                self._wrap()
            self._input.attach(self.sock)
        except BaseException:
            self.sock.close()
            raise

    def _wrap(self) -> None:
        self.sock.settimeout(min(CONNECT_SECONDS, self._network.remaining()))
        context = verifying_context(self._server.authorities)
        self.sock = context.wrap_socket(self.sock, server_hostname=self._server.host)

    def _encrypt(self) -> None:
        """STARTTLS; what the server sent beside it in clear text is dropped."""
        kind, _ = self._simple_command("STARTTLS")
        if kind != "OK":
            raise self.error("STARTTLS is not supported")
        self._wrap()
        self._input.attach(self.sock)
        self.renew_capabilities()

    def renew_capabilities(self) -> None:
        """Ask what the server can do: that changes with TLS and with the sign-in."""
        self._get_capabilities()

    def read(self, size: int) -> bytes:
        return self._input.read(size)

    def readline(self) -> bytes:
        line = self._input.readline(_MAX_LINE + 1)
        if len(line) > _MAX_LINE:
            raise self.error("a line is too long")
        return line

    def send(self, data: Any) -> None:
        self.sock.settimeout(self._network.remaining())
        self.sock.sendall(data)

    def shutdown(self) -> None:
        self._input.close()
        self.sock.close()

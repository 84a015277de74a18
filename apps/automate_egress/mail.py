"""Mail by SMTP: the server's address is checked as any other, and the whole conversation has one deadline.

Sources: RFC 5321 (SMTP), RFC 3207 (STARTTLS), RFC 8314 (TLS from the start).
"""

from __future__ import annotations

import smtplib  # noqa: TID251 - over sockets that the guard opens
import socket  # noqa: TID251 - typing
import ssl  # noqa: TID251 - its errors
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from automate_egress.errors import (
    EgressBlockedError,
    EgressConnectionError,
    EgressError,
    MailError,
    truncate_words,
    untrusted_error,
)
from automate_egress.lines import LineReader
from automate_egress.network import Network
from automate_egress.tls import verifying_context
from automate_plugins import text

SMTP_PORTS = frozenset({25, 465, 587, 2525})
MAX_BYTES = 200_000  #: that come back on one connection
MAX_LINES = 1_000  #: the same: one for each recipient, and few others
_PIECE = 65_536
_SHOWN_REPLY = 300


@dataclass(frozen=True, kw_only=True)
class MailServer:
    """A mail server. `security` is `starttls`, `tls` (from the start) or `none` (internal hosts alone).

    `authorities` are certificates in PEM that replace the public authorities'.
    """

    host: str
    port: int
    security: str = "starttls"
    username: str = ""
    password: str = ""
    authorities: str = ""


def send_mail(
    network: Network, server: MailServer, *, sender: str, recipients: Sequence[str], message: bytes
) -> dict[str, str]:
    """Send `message` (RFC 5322) and return the server's reason for each refused recipient.

    Raises MailError when it refuses all of them or the message, EgressResponseTooLargeError after MAX_BYTES or
    MAX_LINES, and the errors of Network.
    """
    with _conversation(network, server) as smtp:
        refused = smtp.sendmail(sender, list(recipients), message)
    return {address: f"{status} {_text(reply)}" for address, (status, reply) in refused.items()}


def check_mail(network: Network, server: MailServer) -> None:
    """Sign in and out again. Raises as `send_mail` does."""
    with _conversation(network, server) as smtp:
        smtp.noop()


@contextmanager
def _conversation(network: Network, server: MailServer) -> Iterator[smtplib.SMTP]:
    place = f"{server.host}:{server.port}"
    if server.security == "none" and not network.is_internal(server.host, server.port):
        raise EgressBlockedError(
            text(
                "Blocked: %(place)s requires TLS, unless an administrator allows it in AUTOMATE_EGRESS_ALLOW.",
                place=place,
            )
        )
    smtp: smtplib.SMTP | None = None
    try:
        smtp = _open(network, server)
        if server.username:
            smtp.login(server.username, server.password)
        yield smtp
    except smtplib.SMTPRecipientsRefused as error:
        status, reply = next(iter(error.recipients.values()))
        reply_text = f"{status} {_text(reply)}"
        raise MailError(
            text("%(place)s rejected all recipients: %(reply)s", place=place, reply=reply_text), status=status
        ) from error
    except smtplib.SMTPResponseException as error:
        status = error.smtp_code
        reply_text = f"{status} {_text(error.smtp_error)}"
        raise MailError(
            text("%(place)s rejected the request: %(reply)s", place=place, reply=reply_text), status=status
        ) from error
    except smtplib.SMTPNotSupportedError as error:
        raise MailError(
            text("%(place)s does not support a required feature: %(reason)s", place=place, reason=str(error))
        ) from error
    except ssl.SSLCertVerificationError as error:
        raise untrusted_error(place, error.verify_message) from error
    except UnicodeError as error:
        raise MailError(
            text("An address or the password has characters that %(place)s does not support.", place=place)
        ) from error
    except OSError as error:  # smtplib's SMTPServerDisconnected, TLS failures and time-outs are OSErrors
        network.remaining()  # over: that is the error
        raise EgressConnectionError(text("The connection to %(place)s failed.", place=place)) from error
    finally:
        if smtp is not None:
            with suppress(OSError, EgressError):
                if network.is_open():
                    smtp.quit()
            smtp.close()


def _open(network: Network, server: MailServer) -> smtplib.SMTP:
    """Connect and greet, encrypted as configured; a server without STARTTLS gets no clear text."""
    kind: type[Any] = _Smtps if server.security == "tls" else _Smtp
    options = {"context": verifying_context(server.authorities)} if kind is _Smtps else {}
    too_much = text("%(place)s sent more than a mail server has to say.", place=f"{server.host}:{server.port}")
    replies = LineReader(network.remaining, most_bytes=MAX_BYTES, most_lines=MAX_LINES, too_much=too_much)
    made = type(kind.__name__, (kind,), {"network": network, "replies": replies})
    smtp: smtplib.SMTP = made(server.host, server.port, local_hostname="localhost", **options)
    try:
        if server.security == "starttls":
            smtp.starttls(context=verifying_context(server.authorities))
        smtp.ehlo_or_helo_if_needed()
    except BaseException:
        smtp.close()
        raise
    return smtp


class _Smtp(smtplib.SMTP):
    """smtplib over a checked socket, with one deadline for the conversation."""

    network: Network
    replies: LineReader

    def _get_socket(self, host: str, port: int, timeout: Any) -> socket.socket:
        return self.network.connect(host, port, ports=SMTP_PORTS)

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None and self.sock is not None:
            self.replies.attach(self.sock)
            self.file = self.replies
        return super().getreply()

    def send(self, s: Any) -> None:
        data = s.encode(self.command_encoding) if isinstance(s, str) else s
        for start in range(0, len(data), _PIECE):
            if self.sock is not None:
                self.sock.settimeout(self.network.remaining())
            super().send(data[start : start + _PIECE])


class _Smtps(smtplib.SMTP_SSL, _Smtp):
    """The same, encrypted from the start."""


def _text(reply: bytes | str) -> str:
    decoded = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply
    return truncate_words(decoded, _SHOWN_REPLY)

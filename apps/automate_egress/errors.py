"""Errors of outbound requests.

EgressError
├── EgressBlockedError           the policy refuses the address; never retried
├── EgressUntrustedError         its certificate does not prove its identity; never retried
├── EgressResponseTooLargeError  the response exceeds the size limit; never retried
├── EgressCancelledError         the run was cancelled; never retried
├── EgressTimeoutError           the deadline passed; may be retried
├── EgressConnectionError        no connection, or it broke; may be retried
├── EgressInvalidAnswerError     the body is not the expected JSON; never retried; also a ValueError
├── MailError                    the mail server refused; may be retried when it says so (4xx)
└── SftpError                    the file server refused; never retried

Errors do not reveal whether a connection was refused, timed out or has an unknown name: an author of addresses could
map a network with that.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ssrfguard import SSRFGuardError
from ssrfguard.errors import BlockedAddressError

from automate_egress.policy import is_internal_address
from automate_plugins import text


class EgressError(Exception):
    """A request without a usable response.

    `code` names the kind, `retryable` says whether trying again may help, and `sent` whether the other side may have
    received it.
    """

    code = "egress_error"
    retryable = False
    sent = True


class EgressBlockedError(EgressError):
    """The target is not one that workflows may reach."""

    code = "egress_blocked"
    sent = False


class EgressUntrustedError(EgressError):
    """The other side's certificate does not prove that it is who it should be."""

    code = "untrusted_certificate"
    sent = False


class EgressResponseTooLargeError(EgressError):
    """The decoded body is larger than the cap."""

    code = "response_too_large"


class EgressCancelledError(EgressError):
    """The run no longer needs the answer."""

    code = "cancelled"


class EgressTimeoutError(EgressError):
    """The deadline passed before the whole response arrived."""

    code = "timeout"
    retryable = True


class EgressConnectionError(EgressError):
    """The connection could not be made or broke off."""

    code = "connection_failed"
    retryable = True


class EgressInvalidAnswerError(EgressError, ValueError):
    """The body of an answer is not JSON, such as the HTML page of a gateway."""

    code = "invalid_answer"


class MailError(EgressError):
    """A mail server's refusal. `status` is its reply code (RFC 5321, section 4.2), 0 where there was none."""

    code = "mail_failed"

    def __init__(self, message: str, *, status: int = 0) -> None:
        super().__init__(message)
        self.status = status
        self.retryable = 400 <= status < 500
        if status in {530, 534, 535}:
            self.code = "authentication_failed"


class SftpError(EgressError):
    """A file server's refusal. `code` names its kind, such as `not_found` or `authentication_failed`."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


def truncate_words(message: str, most: int) -> str:
    """Return a server's text on one line without control characters, truncated at whole words.

    Half a secret is not recognised by redaction.
    """
    message = " ".join("".join(each if each.isprintable() else " " for each in message).split())
    return message if len(message) <= most else f"{message[:most].rpartition(' ')[0]}…"


def connection_error(place: str) -> EgressConnectionError:
    """Return the error of a connection that could not be made, for any reason."""
    error = EgressConnectionError(
        text("Could not connect to %(place)s. Check the name and port, and that the server is running.", place=place)
    )
    error.sent = False
    return error


def untrusted_error(place: str, reason: str) -> EgressUntrustedError:
    """Return the error of a certificate that could not be verified."""
    why = reason.partition("certificate verify failed: ")[2] or reason
    why = why.partition(" (_ssl")[0][:300].rstrip(".")
    return EgressUntrustedError(
        text("The certificate of %(place)s is not trusted: %(reason)s.", place=place, reason=why)
    )


def port_error(place: str) -> EgressBlockedError:
    """Return the refusal of the port of `place`."""
    return EgressBlockedError(
        text(
            "Blocked: the port of %(place)s is not allowed. An administrator can add it to AUTOMATE_EGRESS_ALLOW.",
            place=place,
        )
    )


def blocked_error(place: str, error: SSRFGuardError) -> EgressBlockedError:
    """Return the policy's refusal of `place`, without the addresses of its name and without what the policy allows.

    Authors of workflows read it, and a list of open ports maps the network.
    """
    literal = error.__cause__  # of a URL that names an address instead of a host
    is_internal = isinstance(literal, BlockedAddressError) and is_internal_address(literal.address)
    if is_internal or isinstance(error, BlockedAddressError):
        return EgressBlockedError(
            text(
                "Blocked: %(place)s is an internal address. An administrator can allow it in AUTOMATE_EGRESS_ALLOW.",
                place=place,
            )
        )
    reason = str(getattr(error, "reason", error)).rstrip(".")
    if "allowed_ports" in reason:
        return port_error(place)
    reason = reason.partition(" is not in allowed_")[0]
    return EgressBlockedError(text("Blocked: no access to %(place)s: %(reason)s.", place=place, reason=reason))


@contextmanager
def translate_connect_errors(place: str) -> Iterator[None]:
    """Turn errors of connecting to `place` into EgressError."""
    try:
        yield
    except SSRFGuardError as error:
        raise blocked_error(place, error) from error
    except OSError as error:  # refused, unreachable, unknown name, too slow
        raise connection_error(place) from error

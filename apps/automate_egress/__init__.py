"""The only way out of the process: every address is checked, and the checked address is the one connected to."""

from automate_egress.errors import (
    EgressBlockedError,
    EgressCancelledError,
    EgressConnectionError,
    EgressError,
    EgressInvalidAnswerError,
    EgressResponseTooLargeError,
    EgressTimeoutError,
    EgressUntrustedError,
    MailError,
)
from automate_egress.network import Network
from automate_egress.session import HttpResponse, HttpSession

__all__ = [
    "EgressBlockedError",
    "EgressCancelledError",
    "EgressConnectionError",
    "EgressError",
    "EgressInvalidAnswerError",
    "EgressResponseTooLargeError",
    "EgressTimeoutError",
    "EgressUntrustedError",
    "HttpResponse",
    "HttpSession",
    "MailError",
    "Network",
]

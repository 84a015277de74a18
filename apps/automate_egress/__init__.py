"""The only way out of the process: an HTTP session that checks the address it connects to."""

from automate_egress.errors import (
    EgressBlockedError,
    EgressConnectionError,
    EgressError,
    EgressResponseTooLargeError,
    EgressTimeoutError,
)
from automate_egress.session import HttpResponse, HttpSession

__all__ = [
    "EgressBlockedError",
    "EgressConnectionError",
    "EgressError",
    "EgressResponseTooLargeError",
    "EgressTimeoutError",
    "HttpResponse",
    "HttpSession",
]

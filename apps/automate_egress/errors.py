"""What can go wrong on the way out.

EgressError
├── EgressBlockedError           the policy refuses the address; never retried
├── EgressResponseTooLargeError  the answer passed the size cap; never retried
├── EgressTimeoutError           the deadline passed; may be retried
└── EgressConnectionError        no connection, or it broke; may be retried
"""

from __future__ import annotations


class EgressError(Exception):
    """A request that got no usable answer.

    `code` names the kind, `retryable` says whether trying again may help, and `sent` whether the other side may have
    heard of it.
    """

    code = "egress_error"
    retryable = False
    sent = True


class EgressBlockedError(EgressError):
    """The target is not one that workflows may reach."""

    code = "egress_blocked"
    sent = False


class EgressResponseTooLargeError(EgressError):
    """The decoded body is larger than the cap."""

    code = "response_too_large"


class EgressTimeoutError(EgressError):
    """The deadline passed before the whole answer was there."""

    code = "timeout"
    retryable = True


class EgressConnectionError(EgressError):
    """The connection could not be made or broke off."""

    code = "connection_failed"
    retryable = True

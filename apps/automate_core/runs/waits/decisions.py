"""What an approver was shown and decided, as the audit trail records it."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from automate_governance import audit

_SALT = "digest_salt"  # beside what was shown, and erased with it: then the digest tells nothing about a short text


def salted(data: Mapping[str, Any]) -> dict[str, Any]:
    """The data of a wait with a salt for the digest of its decision."""
    return {**data, _SALT: secrets.token_hex(16)}


def decision_digest(data: Mapping[str, Any], outcome: Mapping[str, Any], of: Sequence[str] = ()) -> str:
    """Salted SHA-256 of the message, the details and all of the decision of a wait, as they are stored.

    Waits that an older version decided have no salt. Older digests are of the values named in `of` alone.
    """
    shown = {name: data.get(name) for name in ("message", "context")}
    decided = {name: outcome.get(name) for name in of or outcome}
    return hashlib.sha256((data.get(_SALT, "") + audit.canonical_text(shown | decided)).encode()).hexdigest()


def shown_values(data: Mapping[str, Any]) -> dict[str, Any]:
    """The message and the details, long ones shortened."""
    message = audit.shown_value(data.get("message") or "")
    details = {str(line.get("label")): audit.shown_value(line.get("value")) for line in data.get("context") or ()}
    return ({"message": message} if message else {}) | ({"details": details} if details else {})

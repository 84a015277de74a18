"""Message ids of mail that workflows send, by which it is known when it comes back."""

from __future__ import annotations

import hashlib
import re

from django.conf import settings

_OWN = re.compile(r"<[0-9a-f]{32}@([^<>\s]+)>")


def make_message_id(key: str) -> str:
    """The message id for an idempotency key: the same on every attempt, so that receivers know a repeated message."""
    return f"<{hashlib.sha256(key.encode()).hexdigest()[:32]}@{_domain()}>"


def is_own_message_id(identifier: str) -> bool:
    """Whether `make_message_id` made it, on this site."""
    found = _OWN.fullmatch(identifier)
    return found is not None and found[1].lower() == _domain().lower()


def _domain() -> str:
    return settings.DEFAULT_FROM_EMAIL.rpartition("@")[2].strip("> ") or "localhost"

"""Answers to deliveries: a status, headers and a JSON body. docs/webhooks.md lists them for senders."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import psycopg
from django.db import DataError as DjangoDataError
from django.db import Error as DatabaseError
from psycopg_pool import PoolTimeout

from automate_core.webhooks.schemes.signing import Reply
from automate_governance.secrets.interfaces import SecretUnavailableError
from automate_plugins.texts import plain

log = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, headers, and a JSON body, or `reply` in its place."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    reply: Reply | None = None

    @property
    def content_type(self) -> str:
        """The media type of the body."""
        return self.reply.content_type if self.reply else "application/json"

    def content(self) -> bytes:
        """The body as bytes."""
        return self.reply.content if self.reply else msgspec.json.encode(self.body, enc_hook=plain)


# One body for a bad signature, an unknown and a disabled endpoint: a stranger learns nothing of what exists.
UNAUTHORIZED = Answer(401, {"error": "The signature is missing or does not match."})
TOO_LARGE = Answer(413, {"error": "The body is too large."})
CONTENT_ENCODED = Answer(415, {"error": "Send the body without a content encoding."})
METHOD_NOT_ALLOWED = Answer(405, {"error": "Use POST."}, {"Allow": "POST"})
UNAVAILABLE = Answer(
    503, {"error": "The delivery was not accepted. Try again later."}, {"Retry-After": str(RETRY_AFTER_SECONDS)}
)


def too_many_answer(seconds: int) -> Answer | None:
    """The answer to a sender that has to wait that long; None for 0 seconds."""
    if not seconds:
        return None
    return Answer(429, {"error": "Too many deliveries. Try again later."}, {"Retry-After": str(seconds)})


def error_answer(error: Exception) -> Answer:
    """Return the response when `error` kept a valid delivery out of the outbox: 400 for data it cannot store, else 503.

    Never a 4xx for a server error: several senders stop delivering after one.
    """
    if isinstance(error, DjangoDataError | psycopg.DataError):
        return Answer(400, {"error": "The body contains a number that cannot be stored."})
    if isinstance(error, DatabaseError | psycopg.Error | PoolTimeout | SecretUnavailableError):
        log.warning("a delivery was not accepted: %s", str(error).strip())
    else:
        log.error("a delivery was not accepted", exc_info=error)
    return UNAVAILABLE

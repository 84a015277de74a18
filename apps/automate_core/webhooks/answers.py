"""Answers to deliveries: a status, headers and a JSON body. docs/webhooks.md lists them for senders."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import psycopg
from django.db import DataError as DjangoDataError
from django.db import Error as DatabaseError

from automate_core.definition import reply_rules
from automate_core.definition.reply_rules import header_name_problem, is_json_type
from automate_core.replies.run_urls import run_url
from automate_core.replies.waiting import ReplyOutcome
from automate_core.webhooks.schemes.signing import Reply
from automate_governance.secrets.interfaces import SecretUnavailableError
from automate_plugins.texts import plain

log = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 5


# Seen under this site's address, a workflow's reply runs no script, and is only what its content type says.
_REPLY_PROTECTION = {"Content-Security-Policy": "sandbox", "X-Content-Type-Options": "nosniff"}


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

    @property
    def has_body(self) -> bool:
        """Whether its status lets it have a body, and headers about one. Only a run's reply may have another."""
        return self.reply is None or self.status not in reply_rules.WITHOUT_BODY


# One body for a bad signature, an unknown and a disabled endpoint: a stranger learns nothing of what exists.
UNAUTHORIZED = Answer(401, {"error": "The signature is missing or does not match."})
TOO_LARGE = Answer(413, {"error": "The body is too large."})
CONTENT_ENCODED = Answer(415, {"error": "Send the body without a content encoding."})
METHOD_NOT_ALLOWED = Answer(405, {"error": "Use POST."}, {"Allow": "POST"})
UNAVAILABLE = Answer(
    503, {"error": "The delivery was not accepted. Try again later."}, {"Retry-After": str(RETRY_AFTER_SECONDS)}
)


def build_reply_answer(outcome: ReplyOutcome, without_reply: Answer, ids: Mapping[str, str]) -> Answer:
    """The answer to a delivery that waited: the run's reply, or `without_reply` with the run that goes on or has ended.

    A run that fails is no 5xx, which senders would repeat: the delivery was accepted, and repeating it changes nothing.
    """
    if (reply := outcome.reply) is not None:
        charset = "" if is_json_type(reply.content_type) else "; charset=utf-8"
        given = {name: value for name, value in reply.headers.items() if not header_name_problem(name)}
        return Answer(
            reply.status,
            headers={**given, **_REPLY_PROTECTION, **ids},
            reply=Reply(reply.content, f"{reply.content_type}{charset}"),
        )
    if without_reply.reply is not None or not outcome.run_id:
        return without_reply
    run = {"run": outcome.run_id, "status": outcome.status, "url": run_url(outcome.run_id)}
    return replace(without_reply, body={**without_reply.body, **run})


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
    if isinstance(error, DatabaseError | psycopg.Error | SecretUnavailableError):
        log.warning("a delivery was not accepted: %s", str(error).strip())
    else:
        log.error("a delivery was not accepted", exc_info=error)
    return UNAVAILABLE

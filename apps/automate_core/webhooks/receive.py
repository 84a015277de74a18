"""What happens to a delivery, whoever serves it: one function for Django's view and for the ASGI application."""

from __future__ import annotations

import hashlib
import logging
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any

import msgspec
import psycopg
from django.db import DataError as DjangoDataError
from django.db import Error as DatabaseError
from psycopg_pool import PoolTimeout

from automate_core.conf import setting
from automate_core.ids import trace_id_from
from automate_core.ingest import Ingested, NewEvent
from automate_core.models import WebhookEndpoint
from automate_core.webhooks import bodies
from automate_core.webhooks.schemes import GitHubScheme, SchemeError, SignatureScheme, scheme_for
from automate_governance.secrets.interfaces import SecretNotFoundError, SecretUnavailableError
from automate_governance.secrets.resolver import SecretValue, resolve

log = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 5
_SLUG = re.compile(r"[A-Za-z0-9_-]{1,100}")
_GENERAL_HEADERS = ("content-type", "user-agent", "traceparent", "x-request-id")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the sender gets: a status, a JSON body and headers."""

    status: int
    body: dict[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)

    def content(self) -> bytes:
        """The body as bytes."""
        return msgspec.json.encode(self.body)


# One body for a bad signature, an unknown and a disabled endpoint: a stranger learns nothing of what exists.
UNAUTHORIZED = Answer(401, {"error": "The signature is missing or does not match."})
TOO_LARGE = Answer(413, {"error": "The body is too large."})
ENCODED = Answer(415, {"error": "Send the body without a content encoding."})
METHOD = Answer(405, {"error": "Deliver by POST."}, {"Allow": "POST"})
UNAVAILABLE = Answer(503, {"error": "Not accepted, try again soon."}, {"Retry-After": str(RETRY_AFTER_SECONDS)})


@dataclass(frozen=True, slots=True)
class Receiver:
    """An endpoint made ready to verify: its scheme and the secrets that are valid now."""

    source: str
    scheme: SignatureScheme
    secrets: tuple[SecretValue, ...]

    def receive(self, headers: Mapping[str, str], body: bytes) -> NewEvent | Answer:
        """Verify the raw body, then parse it: the event to accept, or the answer that refuses it."""
        if headers.get("content-encoding", "identity") != "identity":
            return ENCODED
        if not self.scheme.verify([secret.reveal() for secret in self.secrets], headers, body):
            return UNAUTHORIZED
        try:
            payload = bodies.parse(body, headers.get("content-type", ""))
        except bodies.BodyError as error:
            return Answer(error.status, {"error": str(error)})
        return NewEvent(
            source=self.source,
            type=_storable(self.scheme.event_type(headers, payload)),
            payload=body.decode(),
            delivery_key=_key(self.scheme.delivery_key(headers, body)),
            headers={
                name: _storable(headers[name], 500)
                for name in (*_GENERAL_HEADERS, *self.scheme.safe_headers)
                if name in headers
            },
            trace_id=trace_id_from(headers.get("traceparent", "")),
        )


def not_accepted(error: Exception) -> Answer:
    """The answer when `error` came between a good delivery and the outbox: 400 for what no outbox could hold, else 503.

    Never a 4xx for a fault of ours: several senders stop for good on one.
    """
    if isinstance(error, DjangoDataError | psycopg.DataError):
        return Answer(400, {"error": "The body holds a number that cannot be stored."})
    if isinstance(error, DatabaseError | psycopg.Error | PoolTimeout | SecretUnavailableError):
        log.warning("a delivery was not accepted: %s", str(error).strip())
    else:
        log.error("a delivery was not accepted", exc_info=error)
    return UNAVAILABLE


def accepted(ingested: Ingested) -> Answer:
    """The answer for an event that is in the outbox, now or from an earlier delivery."""
    return Answer(202, {"trace_id": ingested.trace_id, "event_id": ingested.event_id})


def find_receiver(slug: str) -> Receiver:
    """The receiver of an endpoint; when a delivery there cannot be accepted, one that verifies nothing, as slowly.

    Raises SecretUnavailableError.
    """
    known = WebhookEndpoint.objects.filter(slug=slug, enabled=True)
    endpoint = known.first() if _SLUG.fullmatch(slug) else None
    if endpoint is None:
        return _NOBODY
    try:
        scheme = scheme_for(endpoint.scheme, endpoint.config)
        secrets = _usable(scheme, [endpoint.secret, endpoint.old_secret])
    except (SchemeError, SecretNotFoundError, ValueError) as error:
        log.error("the endpoint %s cannot verify deliveries: %s", slug, error)
        return _NOBODY
    return Receiver(endpoint.source, scheme, secrets)


class Receivers:
    """Receivers by slug, trusted for a moment, so that a burst of deliveries asks the database once."""

    MOST = 1_000

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, Receiver]] = {}

    def get(self, slug: str) -> Receiver | None:
        """The receiver, if it was looked up a moment ago."""
        until, receiver = self._known.get(slug, (0.0, None))
        return receiver if time.monotonic() < until else None

    def learn(self, slug: str, receiver: Receiver) -> None:
        """Trust it for as long as the settings say."""
        if len(self._known) >= self.MOST:
            self._known.clear()
        self._known[slug] = (time.monotonic() + setting("AUTOMATE_ENDPOINT_CACHE_SECONDS"), receiver)


_NOBODY = Receiver("", GitHubScheme({}), (SecretValue(token_hex(32)),))


def _usable(scheme: SignatureScheme, references: Sequence[str]) -> tuple[SecretValue, ...]:
    """The secrets behind the references. A short one is no secret. Raises SecretNotFoundError, ValueError."""
    if not scheme.signed:
        return ()
    secrets = tuple(resolve(reference) for reference in references if reference)
    for secret in secrets:
        if problem := scheme.secret_problem(secret.reveal()):
            raise ValueError(f"a secret is {problem}")
    if not secrets:
        raise ValueError("no secret is set")
    return secrets


def _storable(text: str, most: int = 200) -> str:
    return text.replace("\0", "")[:most]


def _key(key: str | None) -> str | None:
    """A delivery key that fits its column: a longer one by its hash."""
    if key is None or len(key) <= 200:
        return None if key is None else _storable(key)
    return hashlib.sha256(key.encode()).hexdigest()

"""What happens to a delivery, whoever serves it: the same functions for Django's view and for the ASGI application."""

from __future__ import annotations

import hashlib
import logging
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any, NamedTuple

import msgspec
import psycopg
from django.db import DataError as DjangoDataError
from django.db import Error as DatabaseError
from psycopg_pool import PoolTimeout

from automate_core.conf import setting
from automate_core.ids import trace_id_from
from automate_core.models import WebhookEndpoint
from automate_core.outbox.ingest import Ingested, NewEvent
from automate_core.triggers.host_events import TEST_HEADER
from automate_core.webhooks import bodies, cloudevents, rates
from automate_core.webhooks.errors import BodyError
from automate_core.webhooks.schemes.registry import GitHubScheme, SchemeError, SignatureScheme, scheme_for
from automate_core.webhooks.schemes.signing import Delivery, Reply
from automate_core.webhooks.tally import tally
from automate_governance.redaction.redactor import STRONG, Redactor
from automate_governance.secrets.interfaces import SecretNotFoundError, SecretUnavailableError
from automate_governance.secrets.resolver import SecretValue, resolve

log = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 5
_SLUG = re.compile(r"[A-Za-z0-9_-]{1,100}")
_GENERAL_HEADERS = ("content-type", "user-agent", "traceparent", "x-request-id")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the sender gets: a status, headers, and a JSON body, or `reply` in its place."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    reply: Reply | None = None

    @property
    def content_type(self) -> str:
        """The kind of body."""
        return self.reply.content_type if self.reply else "application/json"

    def content(self) -> bytes:
        """The body as bytes."""
        return self.reply.content if self.reply else msgspec.json.encode(self.body)


# One body for a bad signature, an unknown and a disabled endpoint: a stranger learns nothing of what exists.
UNAUTHORIZED = Answer(401, {"error": "The signature is missing or does not match."})
TOO_LARGE = Answer(413, {"error": "The body is too large."})
CONTENT_ENCODED = Answer(415, {"error": "Send the body without a content encoding."})
METHOD_NOT_ALLOWED = Answer(405, {"error": "Deliver by POST."}, {"Allow": "POST"})
UNAVAILABLE = Answer(503, {"error": "Not accepted, try again soon."}, {"Retry-After": str(RETRY_AFTER_SECONDS)})

_REJECTION_REASONS = {400: "body", 415: "media type", 429: "rate"}


class AcceptedDelivery(NamedTuple):
    """What a good delivery holds: its events, all or none to be taken, and how to answer then."""

    events: Sequence[NewEvent]
    reply: Reply | None = None
    is_batch: bool = False

    def accepted(self, ingested: Sequence[Ingested]) -> Answer:
        """The answer for events that are in the outbox, now or from an earlier delivery."""
        if self.is_batch:
            each = [{"trace_id": one.trace_id, "event_id": one.event_id} for one in ingested]
            return Answer(202, {**(each[0] if each else {}), "events": each})
        [one] = ingested
        if self.reply is None:
            return Answer(202, {"trace_id": one.trace_id, "event_id": one.event_id})
        ids = {"Automate-Trace-Id": one.trace_id, "Automate-Event-Id": one.event_id}
        return Answer(200, headers=ids, reply=self.reply)


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret of an endpoint, valid until a moment (time.time()), or for good."""

    field: str
    value: SecretValue
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Receiver:
    """An endpoint made ready to verify: its scheme, and its secrets, which no event of its holds.

    `trouble` says why it accepts nothing.
    """

    endpoint_id: int | None
    source: str
    scheme: SignatureScheme
    secrets: tuple[Secret, ...]
    reject_reason: str = ""
    redactor: Redactor = field(default_factory=Redactor)

    def receive(self, delivery: Delivery, whence: rates.Source) -> AcceptedDelivery | Answer:
        """Verify the raw body, then parse it: the events to accept, or the answer to give. Refusals are counted."""
        answer = self._verify(delivery, whence)
        if isinstance(answer, Answer) and answer.status >= 400:
            reason = self.reject_reason or "signature" if answer.status == 401 else _REJECTION_REASONS[answer.status]
            tally.refused(self.endpoint_id, reason)
        return answer

    def _verify(self, delivery: Delivery, whence: rates.Source) -> AcceptedDelivery | Answer:
        if delivery.headers.get("content-encoding", "identity").lower() != "identity":
            return CONTENT_ENCODED
        now = time.time()
        secrets = [each for each in self.secrets if each.until is None or now < each.until]
        matching = self.scheme.match([each.value.reveal() for each in secrets], delivery)
        if matching is None:
            return _too_many_answer(rates.failures.take(whence)) or UNAUTHORIZED
        if self.scheme.signed and self.endpoint_id is not None:
            tally.used(self.endpoint_id, secrets[matching].field)
        try:
            return self._read(delivery)
        except BodyError as error:
            return Answer(error.status, {"error": str(error)})

    def _read(self, delivery: Delivery) -> AcceptedDelivery | Answer:
        """Raises BodyError."""
        in_headers = not self.scheme.proves_body_alone
        if self.scheme.takes_cloudevents and (events := cloudevents.read(delivery, in_headers=in_headers)) is not None:
            trace_id = trace_id_from(delivery.headers.get("traceparent", ""))
            batch = [self._cloud_event(event, delivery, trace_id) for event in events]
            return AcceptedDelivery(batch, is_batch=cloudevents.is_batch(delivery))
        headers = delivery.headers
        document = bodies.read(delivery.body, headers.get("content-type", ""), json_field=self.scheme.json_field)
        if challenge := self.scheme.challenge(document.value):
            return Answer(200, reply=challenge)
        event = NewEvent(
            source=self.source,
            endpoint_id=self.endpoint_id or 0,
            type=_storable(self.scheme.event_type(headers, document.value)),
            payload=self._redacted(document.text),
            delivery_key=_stored_key(self.scheme.delivery_key(delivery, document.value)),
            headers=self._stored_headers(delivery),
            trace_id=trace_id_from(headers.get("traceparent", "")),
        )
        return AcceptedDelivery([event], self.scheme.reply(document.value))

    def _cloud_event(self, event: cloudevents.CloudEvent, delivery: Delivery, trace_id: str) -> NewEvent:
        return NewEvent(
            source=self.source,
            endpoint_id=self.endpoint_id or 0,
            type=_storable(event.type),
            payload=self._redacted(event.document.text),
            delivery_key=_stored_key(event.key),
            headers=self._stored_headers(delivery),
            trace_id=trace_id_from(event.traceparent) if event.traceparent else trace_id,
        )

    def _redacted(self, document: str) -> str:
        """What others send is kept as it came, but for the secrets by which they prove who they are."""
        return self.redactor.document(document, shapes=False, at_least=STRONG)

    def _stored_headers(self, delivery: Delivery) -> dict[str, str]:
        headers = delivery.headers
        kept = {
            name: _storable(headers[name], 500)
            for name in (*_GENERAL_HEADERS, *self.scheme.safe_headers)
            if name in headers
        }
        masked: dict[str, str] = self.redactor.value(kept, shapes=False, at_least=STRONG)
        return {**masked, TEST_HEADER: "1"} if self.scheme.is_test(headers) else masked


def rate_limited(whence: rates.Source) -> Answer | None:
    """The answer to one who delivers too fast, before anything is read; None when it may go on."""
    answer = _too_many_answer(rates.deliveries.take(whence))
    if answer is not None:
        tally.refused(None, "rate")
    return answer


def too_large() -> Answer:
    """The answer to a body over the limit, which is given before the endpoint is looked up."""
    tally.refused(None, "size")
    return TOO_LARGE


def error_answer(error: Exception) -> Answer:
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


def find_receiver(slug: str) -> Receiver:
    """The receiver of an endpoint; when a delivery there cannot be accepted, one that verifies nothing, as slowly.

    Raises SecretUnavailableError.
    """
    endpoint = WebhookEndpoint.objects.filter(slug=slug).first() if _SLUG.fullmatch(slug) else None
    if endpoint is None:
        return _rejecting_receiver(None, "unknown")
    if not endpoint.enabled:
        return _rejecting_receiver(endpoint.pk, "disabled")
    try:
        scheme = scheme_for(endpoint.scheme, endpoint.config)
        secrets = _active_secrets(scheme, endpoint)
    except (SchemeError, SecretNotFoundError, ValueError) as error:
        log.error("the endpoint %s cannot verify deliveries: %s", slug, error)
        return _rejecting_receiver(endpoint.pk, "secret")
    known = Redactor()
    known.learn(*(each.value.reveal() for each in secrets))
    return Receiver(endpoint.pk, endpoint.source, scheme, secrets, redactor=known)


class ReceiverCache:
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


_REJECTING_SECRETS = (Secret("", SecretValue(token_hex(32))),)


def _rejecting_receiver(endpoint_id: int | None, trouble: str) -> Receiver:
    return Receiver(endpoint_id, "", GitHubScheme({}), _REJECTING_SECRETS, trouble)


def _too_many_answer(seconds: int) -> Answer | None:
    if not seconds:
        return None
    return Answer(429, {"error": "Too many deliveries; come again later."}, {"Retry-After": str(seconds)})


def _active_secrets(scheme: SignatureScheme, endpoint: WebhookEndpoint) -> tuple[Secret, ...]:
    """The secrets that are valid now. A short one is no secret; an old one that is gone is missed by nobody here.

    Raises SecretNotFoundError, SecretUnavailableError, ValueError.
    """
    if not scheme.signed:
        return ()
    if not endpoint.secret:
        raise ValueError("no secret is set")
    secrets = [Secret("secret", _resolve_secret(scheme, endpoint.secret))]
    if endpoint.has_old_secret and endpoint.old_secret_until is not None:
        try:
            old = _resolve_secret(scheme, endpoint.old_secret)
        except (SecretNotFoundError, ValueError) as error:
            log.warning("the old secret of the endpoint %s is not accepted: %s", endpoint.slug, error)
        else:
            secrets.append(Secret("old_secret", old, endpoint.old_secret_until.timestamp()))
    return tuple(secrets)


def _resolve_secret(scheme: SignatureScheme, reference: str) -> SecretValue:
    secret = resolve(reference)
    if problem := scheme.secret_problem(secret.reveal()):
        raise ValueError(f"the secret {reference} is {problem}")
    return secret


def _storable(text: str, most: int = 200) -> str:
    return text.replace("\0", "")[:most]


def _stored_key(key: str | None) -> str | None:
    """A delivery key that fits its column: a longer one by its hash."""
    if key is None or len(key) <= 200:
        return None if key is None else _storable(key)
    return hashlib.sha256(key.encode()).hexdigest()

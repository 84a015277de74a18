"""Receivers: endpoints made ready to verify deliveries, and to read the events in them."""

from __future__ import annotations

import hashlib
import logging
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from secrets import token_hex
from typing import NamedTuple

from automate_connectors.registry import find_webhook
from automate_core.conf import setting
from automate_core.ids import trace_id_from
from automate_core.models import ServiceWebhook, WebhookEndpoint
from automate_core.outbox.ingest import IngestResult, NewEvent
from automate_core.replies.waiting import ReplyOutcome
from automate_core.triggers.host_events import TEST_HEADER
from automate_core.webhooks import bodies, cloudevents, rates
from automate_core.webhooks.answers import CONTENT_ENCODED, UNAUTHORIZED, Answer, build_reply_answer, too_many_answer
from automate_core.webhooks.bodies import BodyError
from automate_core.webhooks.registration.changes import announce_changes
from automate_core.webhooks.schemes.registry import (
    GitHubScheme,
    SchemeError,
    SignatureScheme,
    scheme_for,
    signature_schemes,
)
from automate_core.webhooks.schemes.signing import Delivery, Reply
from automate_core.webhooks.schemes.verification import PLUGIN_CALLS, match_secret
from automate_core.webhooks.tally import tally
from automate_governance.redaction.redactor import MIN_STRONG_LENGTH, Redactor
from automate_governance.secrets.interfaces import SecretLostError, SecretNotFoundError, SecretUnavailableError
from automate_governance.secrets.resolver import SecretValue, resolve

log = logging.getLogger(__name__)

_SLUG = re.compile(r"[A-Za-z0-9_-]{1,100}")
EVENT_TYPE = "event-type"  #: header of an event of a service's webhook: the type that the service gives it
_GENERAL_HEADERS = ("content-type", "user-agent", "traceparent", "x-request-id")


_REJECTION_REASONS = {400: "body", 415: "media type", 429: "rate"}


class AcceptedDelivery(NamedTuple):
    """The events of a verified delivery, to be stored all or none, and the answer that follows."""

    events: Sequence[NewEvent]
    reply: Reply | None = None
    is_batch: bool = False

    def answer(self, ingested: Sequence[IngestResult]) -> Answer:
        """The answer for events that are in the outbox, now or from an earlier delivery."""
        if self.is_batch:
            each = [{"trace_id": one.trace_id, "event_id": one.event_id} for one in ingested]
            return Answer(202, {**(each[0] if each else {}), "events": each})
        [one] = ingested
        if self.reply is None:
            return Answer(202, {"trace_id": one.trace_id, "event_id": one.event_id})
        return Answer(200, headers=id_headers(one), reply=self.reply)

    def answer_with_reply(self, ingested: IngestResult, outcome: ReplyOutcome) -> Answer:
        """The answer for the only event of a delivery that waited for the reply of its run."""
        return build_reply_answer(outcome, self.answer([ingested]), id_headers(ingested))


def id_headers(ingested: IngestResult) -> dict[str, str]:
    """The headers that name an event where the body is not ours."""
    return {"Automate-Trace-Id": ingested.trace_id, "Automate-Event-Id": ingested.event_id}


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret of an endpoint, valid until a time (as of time.time()), or without end."""

    field: str
    value: SecretValue
    until: float | None = None


@dataclass(frozen=True, slots=True)
class ServiceTarget:
    """The trigger of a workflow for which the sender has a webhook: other event types than its `types` start nothing.

    Without types, all do. The type of its events is the key of the trigger, and the sender's is in a header.
    """

    key: str
    types: frozenset[str]

    def takes(self, kind: str) -> bool:
        """Whether an event of this type is one of the trigger's."""
        return not self.types or kind in self.types

    def place(self, event: NewEvent) -> NewEvent:
        """The event as one of the trigger's."""
        delivery_key = _stored_key(f"{self.key} {event.delivery_key}") if event.delivery_key else None
        headers = {**event.headers, EVENT_TYPE: event.type} if event.type else event.headers
        return replace(event, type=self.key, delivery_key=delivery_key, headers=headers)


@dataclass(frozen=True, slots=True)
class Announcement:
    """The webhook at a service whose deliveries only say that there are changes; those of `quiet` types say nothing."""

    webhook_id: int
    quiet: frozenset[str]

    def answer(self, kind: str) -> Answer:
        """Have the changes read, and answer."""
        if kind in self.quiet:
            return Answer(200, {"ignored": True})
        announce_changes(self.webhook_id)
        return Answer(200, {"announced": True})


@dataclass(frozen=True, slots=True)
class Receiver:
    """An endpoint made ready to verify: its scheme, and its secrets, which no event of its holds.

    `reject_reason` says why it accepts nothing. Deliveries wait `reply_seconds` for the reply of their run.
    """

    endpoint_id: int | None
    source: str
    scheme: SignatureScheme
    secrets: tuple[Secret, ...]
    reject_reason: str = ""
    redactor: Redactor = field(default_factory=Redactor)
    reply_seconds: int = 0
    is_built_in: bool = True
    trigger: ServiceTarget | None = None
    announces: Announcement | None = None

    @property
    def may_block(self) -> bool:
        """Whether `receive` may wait for the database, for another system, or for code that is not ours."""
        return self.scheme.may_block or not self.is_built_in or self.announces is not None

    def receive(self, delivery: Delivery, source: rates.Source) -> AcceptedDelivery | Answer:
        """Verify the raw body, then parse it: the events to accept, or the answer to give. Refusals are counted.

        Raises what a scheme that is not built in raises, and CallTimeoutError when it does not return.
        """
        if self.is_built_in:
            answer = self._verify(delivery, source)
        else:
            answer = PLUGIN_CALLS.run(self.scheme.code, lambda: self._verify(delivery, source))
        if isinstance(answer, Answer) and answer.status >= 400:
            reason = self.reject_reason or "signature" if answer.status == 401 else _REJECTION_REASONS[answer.status]
            tally.count_rejected(self.endpoint_id, reason)
        return answer

    def _verify(self, delivery: Delivery, source: rates.Source) -> AcceptedDelivery | Answer:
        if delivery.headers.get("content-encoding", "identity").lower() != "identity":
            return CONTENT_ENCODED
        now = time.time()
        secrets = [each for each in self.secrets if each.until is None or now < each.until]
        matching = match_secret(self.scheme, [each.value.reveal() for each in secrets], delivery)
        if matching is None:
            return too_many_answer(rates.failures.take(source)) or UNAUTHORIZED
        if self.scheme.has_secret and self.endpoint_id is not None:
            tally.note_secret_use(self.endpoint_id, secrets[matching].field)
        if self.announces is not None:
            return self.announces.answer(self.scheme.event_type(delivery.headers, None))
        try:
            return self._read(delivery)
        except BodyError as error:
            return Answer(error.status, {"error": str(error)})

    def _read(self, delivery: Delivery) -> AcceptedDelivery | Answer:
        """Raises BodyError."""
        in_headers = not self.scheme.proves_body_alone
        if (
            self.scheme.takes_cloudevents
            and (events := cloudevents.read_events(delivery, in_headers=in_headers)) is not None
        ):
            trace_id = trace_id_from(delivery.headers.get("traceparent", ""))
            batch = [self._cloud_event(event, delivery, trace_id) for event in events]
            return self._placed(AcceptedDelivery(batch, is_batch=cloudevents.is_batch(delivery)))
        headers = delivery.headers
        document = bodies.read_document(
            delivery.body,
            headers.get("content-type", ""),
            json_field=self.scheme.json_field,
            json_types=self.scheme.json_types,
        )
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
        return self._placed(AcceptedDelivery([event], self.scheme.reply(document.value)))

    def _placed(self, accepted: AcceptedDelivery) -> AcceptedDelivery | Answer:
        """The delivery with events of its trigger, if it comes for one; an answer to one that the trigger ignores."""
        target = self.trigger
        if target is None:
            return accepted
        events = [target.place(event) for event in accepted.events if target.takes(event.type)]
        return accepted._replace(events=events) if events else Answer(200, {"ignored": True}, reply=accepted.reply)

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
        """The document as it came, without the endpoint's own secrets."""
        return self.redactor.document(document, patterns=False, at_least=MIN_STRONG_LENGTH)

    def _stored_headers(self, delivery: Delivery) -> dict[str, str]:
        headers = delivery.headers
        kept = {
            name: _storable(headers[name], 500)
            for name in (*_GENERAL_HEADERS, *self.scheme.safe_headers)
            if name in headers
        }
        masked: dict[str, str] = self.redactor.value(kept, patterns=False, at_least=MIN_STRONG_LENGTH)
        return {**masked, TEST_HEADER: "1"} if self.scheme.is_test(headers) else masked


def find_receiver(slug: str) -> Receiver:
    """The receiver of an endpoint; when it cannot accept deliveries, one that rejects them all, as slowly.

    Raises SecretUnavailableError, also for a lost secret: before any signature is read, so for everybody alike.
    """
    endpoint = WebhookEndpoint.objects.filter(slug=slug).first() if _SLUG.fullmatch(slug) else None
    if endpoint is None:
        return _service_receiver(slug) or _rejecting_receiver(None, "unknown")
    if not endpoint.enabled:
        return _rejecting_receiver(endpoint.pk, "disabled")
    try:
        scheme = scheme_for(endpoint.scheme, endpoint.config)
        secrets = _active_secrets(scheme, endpoint)
    except SecretLostError as error:
        tally.count_rejected(endpoint.pk, "lost secret")
        raise SecretUnavailableError(str(error)) from error
    except (SchemeError, SecretNotFoundError, ValueError) as error:
        log.error("the endpoint %s cannot verify deliveries: %s", slug, error)
        return _rejecting_receiver(endpoint.pk, "secret")
    known = Redactor()
    known.learn(*(each.value.reveal() for each in secrets))
    return Receiver(
        endpoint.pk,
        endpoint.source,
        scheme,
        secrets,
        redactor=known,
        reply_seconds=endpoint.reply_seconds,
        is_built_in=signature_schemes.is_built_in(scheme.code),
    )


def _service_receiver(slug: str) -> Receiver | None:
    """The receiver of a webhook at a service; None for one that is not there, or is being removed.

    Raises SecretUnavailableError.
    """
    found = ServiceWebhook.objects.exclude(state=ServiceWebhook.State.REMOVING).select_related("workflow", "secret")
    webhook = found.filter(slug=slug, workflow__isnull=False).first() if _SLUG.fullmatch(slug) else None
    if webhook is None or webhook.workflow is None:
        return None
    try:
        _, described = find_webhook(webhook.webhook)
        scheme = scheme_for(described.scheme, described.scheme_config)
        secrets = [Secret("secret", _resolve_secret(scheme, webhook.secret.reference))] if webhook.secret else []
    except SecretLostError as error:
        raise SecretUnavailableError(str(error)) from error
    except (LookupError, SchemeError, SecretNotFoundError, ValueError) as error:
        log.error("the service webhook %s cannot verify deliveries: %s", slug, error)
        return None
    if scheme.has_secret and not secrets:
        return None  # the service makes it, and has not yet
    known = Redactor()
    known.learn(*(each.value.reveal() for each in secrets))
    return Receiver(
        None,
        f"service:{webhook.workflow.slug}",
        scheme,
        tuple(secrets),
        redactor=known,
        is_built_in=signature_schemes.is_built_in(scheme.code),
        trigger=ServiceTarget(webhook.key, frozenset(webhook.events) or frozenset(described.event_types)),
        announces=Announcement(webhook.pk, frozenset(described.quiet)) if described.announces else None,
    )


class ReceiverCache:
    """Receivers by slug, for some seconds: a burst of deliveries asks the database once."""

    MOST = 1_000

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, Receiver]] = {}

    def get(self, slug: str) -> Receiver | None:
        """The receiver, if it was found less than AUTOMATE_ENDPOINT_CACHE_SECONDS ago."""
        until, receiver = self._known.get(slug, (0.0, None))
        return receiver if time.monotonic() < until else None

    def put(self, slug: str, receiver: Receiver) -> None:
        """Remember a receiver for AUTOMATE_ENDPOINT_CACHE_SECONDS."""
        if len(self._known) >= self.MOST:
            self._known.clear()
        self._known[slug] = (time.monotonic() + setting("AUTOMATE_ENDPOINT_CACHE_SECONDS"), receiver)


_REJECTING_SECRETS = (Secret("", SecretValue(token_hex(32))),)


def _rejecting_receiver(endpoint_id: int | None, trouble: str) -> Receiver:
    return Receiver(endpoint_id, "", GitHubScheme({}), _REJECTING_SECRETS, trouble)


def _active_secrets(scheme: SignatureScheme, endpoint: WebhookEndpoint) -> tuple[Secret, ...]:
    """The secrets that are valid now. A secret that is too short is an error; a missing old secret is logged.

    Raises SecretNotFoundError, SecretUnavailableError, ValueError.
    """
    if not scheme.has_secret:
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
        raise ValueError(f"{reference}: {problem}")
    return secret


def _storable(text: str, most: int = 200) -> str:
    return text.replace("\0", "")[:most]


def _stored_key(key: str | None) -> str | None:
    """A delivery key that fits its column: a longer one by its hash."""
    if key is None or len(key) <= 200:
        return None if key is None else _storable(key)
    return hashlib.sha256(key.encode()).hexdigest()

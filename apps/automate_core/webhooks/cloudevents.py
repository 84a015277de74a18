"""CloudEvents 1.0 over HTTP: structured, binary and batched, all as the same object.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md

An event's payload is its JSON form whichever way it came: the attributes by name, and `data`, or `data_base64` for
what is no JSON and no text.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import msgspec

from automate_core.webhooks import bodies
from automate_core.webhooks.bodies import BodyError, Document
from automate_core.webhooks.schemes.signing import Delivery

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
MAX_BATCH = 1_000
_REQUIRED = ("id", "source", "type")


@dataclass(frozen=True, slots=True)
class CloudEvent:
    """An event in its JSON form."""

    document: Document

    @property
    def key(self) -> str:
        """The delivery key: source and id together. A source has no space."""
        return f"{self.document.value['source']} {self.document.value['id']}"

    @property
    def type(self) -> str:
        """The event type."""
        return str(self.document.value["type"])

    @property
    def traceparent(self) -> str:
        """The distributed tracing extension, empty when there is none."""
        return str(self.document.value.get("traceparent") or "")


def is_batch(delivery: Delivery) -> bool:
    """Whether the delivery is a batch of events."""
    return delivery.media_type == BATCH


def read_events(delivery: Delivery, *, in_headers: bool = True) -> Sequence[CloudEvent] | None:
    """The events in a delivery; None when it is no CloudEvents message. Raises BodyError.

    `in_headers` says whether attributes in headers are accepted: where a signature covers the body alone, anybody who
    has seen one delivery could make others of it.
    """
    media_type = delivery.media_type
    if media_type == STRUCTURED:
        return [_check_event(bodies.read_document(delivery.body, STRUCTURED))]
    if media_type == BATCH:
        return _read_batch(delivery.body)
    if media_type.startswith("application/cloudevents"):
        raise BodyError(f"The content type {media_type[:100]} is not supported. Send {STRUCTURED} or {BATCH}.", 415)
    if "ce-specversion" not in delivery.headers:
        return None
    if not in_headers:
        raise BodyError(f"The signature does not cover headers. Send the CloudEvent as {STRUCTURED}.", 415)
    return [_check_event(_read_binary(delivery))]


def _read_batch(body: bytes) -> list[CloudEvent]:
    """The events, each with the text that it came in."""
    bodies.check_limits(bodies.decode_json(body))
    texts = bodies.decode_json(body, list[msgspec.Raw])
    if len(texts) > MAX_BATCH:
        raise BodyError(f"The batch has more than {MAX_BATCH:,} events.")
    return [_check_event(Document(bodies.decode_json(bytes(text)), bytes(text).decode())) for text in texts]


def _read_binary(delivery: Delivery) -> Document:
    """Attributes from the `ce-` headers, which are percent-encoded; data from the body."""
    event: dict[str, Any] = {
        name[3:]: unquote(value) for name, value in delivery.headers.items() if name.startswith("ce-") and len(name) > 3
    }
    if content_type := delivery.headers.get("content-type"):
        event["datacontenttype"] = content_type
    name, data, written = _read_data(delivery)
    bodies.check_limits(event)
    event |= {name: data} if name else {}
    return Document(event, msgspec.json.encode(event | ({name: written} if name else {})).decode())


def _read_data(delivery: Delivery) -> tuple[str, Any, Any]:
    """(name, value, the value as it is written) of a body; no name when there is none."""
    if not delivery.body:
        return "", None, None
    media_type = delivery.media_type
    if not media_type or media_type == "application/json" or media_type.endswith("+json"):
        document = bodies.read_document(delivery.body, media_type)
        return "data", document.value, msgspec.Raw(delivery.body)
    if media_type.startswith("text/"):
        try:
            text = delivery.body.decode()
        except UnicodeDecodeError:
            raise BodyError("The text is not encoded in UTF-8.") from None
        bodies.check_limits(text)
        return "data", text, text
    encoded = base64.b64encode(delivery.body).decode()
    return "data_base64", encoded, encoded


def _check_event(document: Document) -> CloudEvent:
    event = document.value
    if not isinstance(event, dict):
        raise BodyError("A CloudEvent must be an object.")
    if event.get("specversion") != "1.0":
        raise BodyError("The specversion of the CloudEvent must be 1.0.")
    for name in _REQUIRED:
        if not isinstance(event.get(name), str) or not event[name]:
            raise BodyError(f"The CloudEvent has no {name}.")
    return CloudEvent(document)

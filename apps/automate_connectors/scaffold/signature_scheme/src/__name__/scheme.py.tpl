"""$title as a signature scheme of webhook endpoints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from automate_core.webhooks.schemes.signing import Delivery, Headers, SignatureScheme, field, hex_hmac


class $class_name(SignatureScheme):
    """HMAC-SHA256 of the body, in hexadecimal digits."""

    code = "$name"
    name = "$title"
    proof = "`X-Signature`"
    key = "`id` of the body"
    kind = "`type` of the body"

    def offered(self, headers: Headers) -> Sequence[str]:
        """Return the signatures in a delivery. Names of headers are in lower case."""
        return [headers.get("x-signature", "")]

    def expected(self, secret: str, delivery: Delivery) -> Sequence[str]:
        """Return the signatures that a holder of the secret may give to this delivery."""
        return [hex_hmac(secret, delivery.body)]

    def sign(
        self, secret: str, body: bytes, *, event_type: str, delivery: str, url: str = "", content_type: str = ""
    ) -> dict[str, str]:
        """Return the headers with which the sender would deliver the body."""
        return {"X-Signature": hex_hmac(secret, body)}

    def delivery_key(self, delivery: Delivery, payload: Any) -> str | None:
        """Return what repeated deliveries of one event share."""
        return field(payload, "id") or None

    def event_type(self, headers: Headers, payload: Any) -> str:
        """Return the type of the event."""
        return field(payload, "type")

"""How deliveries are signed, named and told apart: one class for each sender's scheme.

Verification works on bytes, in constant time, and tries every secret without an early exit. Clocks are the server's.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets as random
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

TOLERANCE_SECONDS = 300
SHORTEST_SECRET = 16

type Headers = Mapping[str, str]  # names in lower case


class SchemeError(ValueError):
    """A scheme that does not exist, or whose configuration does not fit; `field` is the endpoint's field at fault."""

    def __init__(self, message: str, field: str = "config") -> None:
        super().__init__(message)
        self.field = field


class SignatureScheme(ABC):
    """One sender's rules. `config` is the endpoint's own configuration, checked when the scheme is made."""

    code: ClassVar[str]
    name: ClassVar[str]
    signed: ClassVar[bool] = True
    safe_headers: tuple[str, ...] = ()  #: stored with the event, beside the general ones

    def __init__(self, config: Mapping[str, Any]) -> None:
        if config:
            raise SchemeError(f"{self.name} has nothing to configure, not {', '.join(config)}")

    @abstractmethod
    def verify(self, secrets: Sequence[str], headers: Headers, body: bytes) -> bool:
        """Whether one of `secrets` signed these bytes. Never raises."""

    @abstractmethod
    def sign(self, secret: str, body: bytes, *, event_type: str, delivery: str) -> dict[str, str]:
        """The headers with which the sender would deliver `body`. Used to send, and to test."""

    @abstractmethod
    def delivery_key(self, headers: Headers, body: bytes) -> str | None:
        """What two deliveries of the same event have in common, or None when the scheme names nothing."""

    @abstractmethod
    def event_type(self, headers: Headers, payload: Any) -> str:
        """The kind of event, empty when the scheme names none."""

    def secret_problem(self, secret: str) -> str | None:
        """Why `secret` may not be used, or None: a short one could be guessed, an empty one lets anybody sign."""
        return None if len(secret) >= SHORTEST_SECRET else f"shorter than {SHORTEST_SECRET} characters"


class GitHubScheme(SignatureScheme):
    """GitHub: HMAC-SHA256 of the body in `X-Hub-Signature-256`.

    https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries
    """

    code = "github"
    name = "GitHub"
    safe_headers = ("x-github-event", "x-github-delivery", "x-github-hook-id")

    def verify(self, secrets: Sequence[str], headers: Headers, body: bytes) -> bool:
        return _any_hmac(secrets, headers.get("x-hub-signature-256", ""), body, prefix="sha256=")

    def sign(self, secret: str, body: bytes, *, event_type: str, delivery: str) -> dict[str, str]:
        return {
            "X-GitHub-Event": event_type,
            "X-GitHub-Delivery": delivery,
            "X-Hub-Signature-256": "sha256=" + hmac.digest(secret.encode(), body, "sha256").hex(),
        }

    def delivery_key(self, headers: Headers, body: bytes) -> str | None:
        return headers.get("x-github-delivery") or None

    def event_type(self, headers: Headers, payload: Any) -> str:
        return headers.get("x-github-event", "")


class StandardWebhooksScheme(SignatureScheme):
    """Standard Webhooks: HMAC-SHA256 over `id.timestamp.body`, secret `whsec_<base64>`, several signatures at once.

    https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
    """

    code = "standard"
    name = "Standard Webhooks"
    safe_headers = ("webhook-id", "webhook-timestamp")

    def verify(self, secrets: Sequence[str], headers: Headers, body: bytes) -> bool:
        identifier, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
        offered = [part[3:] for part in headers.get("webhook-signature", "").split(" ") if part.startswith("v1,")]
        matches = False
        for secret in secrets:
            expected = self._signature(secret, identifier, timestamp, body)
            for signature in offered[:20]:
                matches |= hmac.compare_digest(expected.encode(), signature.encode())
        return matches and bool(identifier) and _is_recent(timestamp)

    def sign(self, secret: str, body: bytes, *, event_type: str, delivery: str) -> dict[str, str]:
        timestamp = str(int(time.time()))
        signature = self._signature(secret, delivery, timestamp, body)
        return {"Webhook-Id": delivery, "Webhook-Timestamp": timestamp, "Webhook-Signature": f"v1,{signature}"}

    def delivery_key(self, headers: Headers, body: bytes) -> str | None:
        return headers.get("webhook-id") or None

    def event_type(self, headers: Headers, payload: Any) -> str:
        kind = payload.get("type") if isinstance(payload, dict) else None
        return kind if isinstance(kind, str) else ""

    def secret_problem(self, secret: str) -> str | None:
        try:
            key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        except (binascii.Error, ValueError):
            return "not whsec_ and base64"
        return None if len(key) >= SHORTEST_SECRET else f"its key is shorter than {SHORTEST_SECRET} bytes"

    @staticmethod
    def _signature(secret: str, identifier: str, timestamp: str, body: bytes) -> str:
        try:
            key = base64.b64decode(secret.removeprefix("whsec_"))
        except (binascii.Error, ValueError):
            key = random.token_bytes(32)  # a secret that is none signs nothing
        signed = f"{identifier}.{timestamp}.".encode() + body
        return base64.b64encode(hmac.digest(key, signed, "sha256")).decode()


@dataclass(frozen=True, kw_only=True)
class _HmacRules:
    header: str = "X-Signature"
    prefix: str = ""
    encoding: str = "hex"
    algorithm: str = "sha256"
    delivery_header: str = ""
    event_header: str = ""
    event_field: str = ""
    dedupe_seconds: int = 0


class HmacScheme(SignatureScheme):
    """Generic HMAC of the body. Configuration, each with a default:

    `header` (X-Signature), `prefix` (none), `encoding` (hex or base64), `algorithm` (sha256, sha384 or sha512),
    `delivery_header` (the header that names a delivery), `dedupe_seconds` (without such a header: the same body
    within that many seconds is the same delivery; 0 takes each), `event_header` or `event_field` (the type of event).
    """

    code = "hmac"
    name = "HMAC"

    def __init__(self, config: Mapping[str, Any]) -> None:
        try:
            self.rules = _HmacRules(**config)
        except TypeError:
            known = ", ".join(_HmacRules.__dataclass_fields__)
            raise SchemeError(f"HMAC is configured by {known}, not {', '.join(config)}") from None
        if self.rules.encoding not in {"hex", "base64"}:
            raise SchemeError("encoding is hex or base64")
        if self.rules.algorithm not in {"sha256", "sha384", "sha512"}:
            raise SchemeError("algorithm is sha256, sha384 or sha512")
        if not all(isinstance(value, str) for name, value in config.items() if name != "dedupe_seconds"):
            raise SchemeError("the configuration's values are texts")
        if not isinstance(self.rules.dedupe_seconds, int) or self.rules.dedupe_seconds < 0:
            raise SchemeError("dedupe_seconds is a number of seconds")
        self.safe_headers = tuple(
            name.lower() for name in (self.rules.delivery_header, self.rules.event_header) if name
        )

    def verify(self, secrets: Sequence[str], headers: Headers, body: bytes) -> bool:
        offered = headers.get(self.rules.header.lower(), "")
        return _any_hmac(secrets, offered, body, self.rules.prefix, self.rules.algorithm, self.rules.encoding)

    def sign(self, secret: str, body: bytes, *, event_type: str, delivery: str) -> dict[str, str]:
        digest = hmac.digest(secret.encode(), body, self.rules.algorithm)
        headers = {self.rules.header: self.rules.prefix + _encoded(digest, self.rules.encoding)}
        if self.rules.delivery_header:
            headers[self.rules.delivery_header] = delivery
        if self.rules.event_header:
            headers[self.rules.event_header] = event_type
        return headers

    def delivery_key(self, headers: Headers, body: bytes) -> str | None:
        if self.rules.delivery_header:
            return headers.get(self.rules.delivery_header.lower()) or None
        if not self.rules.dedupe_seconds:
            return None
        bucket = int(time.time()) // self.rules.dedupe_seconds
        return f"{hashlib.sha256(body).hexdigest()}:{bucket}"

    def event_type(self, headers: Headers, payload: Any) -> str:
        if self.rules.event_header:
            return headers.get(self.rules.event_header.lower(), "")
        kind = payload.get(self.rules.event_field) if isinstance(payload, dict) else None
        return kind if isinstance(kind, str) else ""


class UnsignedScheme(SignatureScheme):
    """No signature: anybody who knows the URL can start workflows. Only ever an explicit choice, badged as a risk."""

    code = "unsigned"
    name = "Unsigned"
    signed = False

    def verify(self, secrets: Sequence[str], headers: Headers, body: bytes) -> bool:
        return True

    def sign(self, secret: str, body: bytes, *, event_type: str, delivery: str) -> dict[str, str]:
        return {}

    def delivery_key(self, headers: Headers, body: bytes) -> str | None:
        return None

    def event_type(self, headers: Headers, payload: Any) -> str:
        return ""


SCHEMES: dict[str, type[SignatureScheme]] = {
    scheme.code: scheme for scheme in (GitHubScheme, StandardWebhooksScheme, HmacScheme, UnsignedScheme)
}


def scheme_for(code: str, config: Mapping[str, Any]) -> SignatureScheme:
    """The scheme of that code with that configuration. Raises SchemeError."""
    if code not in SCHEMES:
        raise SchemeError(f"there is no scheme {code!r}; there is {', '.join(SCHEMES)}", field="scheme")
    if not isinstance(config, dict):
        raise SchemeError("the configuration is a mapping of names to values")
    return SCHEMES[code](config)


def _any_hmac(
    secrets: Sequence[str],
    offered: str,
    body: bytes,
    prefix: str = "",
    algorithm: str = "sha256",
    encoding: str = "hex",
) -> bool:
    """Whether `offered` is the HMAC of `body` under one of `secrets`: all are tried, each in constant time."""
    given = offered.removeprefix(prefix).strip()
    given = given.lower() if encoding == "hex" else given
    matches = False
    for secret in secrets:
        expected = _encoded(hmac.digest(secret.encode(), body, algorithm), encoding)
        matches |= hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace"))
    return matches and offered.startswith(prefix)


def _encoded(digest: bytes, encoding: str) -> str:
    return digest.hex() if encoding == "hex" else base64.b64encode(digest).decode()


def _is_recent(timestamp: str) -> bool:
    """Within five minutes of the server's clock, either way."""
    return timestamp.isascii() and timestamp.isdigit() and abs(time.time() - int(timestamp[:15])) <= TOLERANCE_SECONDS

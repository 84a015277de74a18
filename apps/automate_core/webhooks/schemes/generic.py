"""Schemes for senders that are not known by name: their endpoint says where to look."""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from automate_core.webhooks.schemes.signing import (
    SHORTEST_SECRET,
    Delivery,
    Headers,
    SchemeError,
    SignatureScheme,
    base64_hmac,
    field,
    hex_hmac,
    token_problem,
)
from automate_plugins import text
from automate_plugins.fields import FieldKind, FieldSpec

_NEVER_STORED = ("authorization", "proxy-authorization", "cookie")
_KEY = "`delivery_header` or `delivery_field`, else `dedupe_seconds`"
_KIND = text("`event_header` or `event_field`")


def _choice(name: str, label: str, *values: str) -> FieldSpec:
    choices = tuple((value, value) for value in values)
    return FieldSpec(name=name, label=label, kind=FieldKind.CHOICE, choices=choices, default=values[0])


NAMING = (
    FieldSpec(name="event_header", label=text("Header with the event type")),
    FieldSpec(
        name="event_field",
        label=text("Or body field with the event type"),
        help=text("A dotted name, such as event.type."),
    ),
    FieldSpec(
        name="delivery_header",
        label=text("Header with the delivery key"),
        help=text("Deliveries with the same key become one event."),
    ),
    FieldSpec(name="delivery_field", label=text("Or body field with the delivery key")),
    FieldSpec(
        name="dedupe_seconds",
        label=text("Or combine equal bodies for (seconds)"),
        kind=FieldKind.INTEGER,
        default=0,
        help=text(
            "Deliveries without a key and with equal bodies become one event within one fixed time window of the server"
            " clock. 0 keeps each of them."
        ),
    ),
)


@dataclass(frozen=True, kw_only=True)
class Naming:
    """The places of a delivery's key and type."""

    delivery_header: str = ""
    delivery_field: str = ""
    event_header: str = ""
    event_field: str = ""
    dedupe_seconds: int = 0


@dataclass(frozen=True, kw_only=True)
class HmacRules(Naming):
    """The place of the signature, and how it is computed."""

    header: str = "X-Signature"
    prefix: str = ""
    encoding: str = "hex"
    algorithm: str = "sha256"


@dataclass(frozen=True, kw_only=True)
class BearerRules(Naming):
    """The place of the token."""

    header: str = "Authorization"
    prefix: str = "Bearer "


class ConfiguredScheme[Rules: Naming](SignatureScheme):
    """A scheme whose key and type come from headers and fields that its endpoint names."""

    key = _KEY
    kind = _KIND
    takes_cloudevents = True
    rules_type: type[Rules]

    def __init__(self, config: Mapping[str, Any]) -> None:
        known = {each.name: each.type for each in fields(self.rules_type)}
        if unknown := [str(name) for name in config if name not in known]:
            raise SchemeError(
                text(
                    "%(scheme)s has the settings %(known)s. Remove %(unknown)s.",
                    scheme=self.name,
                    known=", ".join(known),
                    unknown=", ".join(unknown),
                )
            )
        if not all(isinstance(value, str) for name, value in config.items() if name != "dedupe_seconds"):
            raise SchemeError(text("The values of the configuration must be texts."))
        self.rules = self.rules_type(**config)
        seconds = self.rules.dedupe_seconds
        if not isinstance(seconds, int) or isinstance(seconds, bool) or seconds < 0:
            raise SchemeError(text("dedupe_seconds must be a number of seconds."))
        named = [name.lower() for name in (self.rules.delivery_header, self.rules.event_header) if name]
        secret = {*_NEVER_STORED, str(getattr(self.rules, "header", "")).lower()}
        if found := secret.intersection(named):
            raise SchemeError(
                text(
                    "%(names)s is a credential and cannot identify deliveries or event types.",
                    names=", ".join(found),
                )
            )
        self.safe_headers = tuple(named)

    def sign(
        self, secret: str, body: bytes, *, event_type: str, delivery: str, url: str = "", content_type: str = ""
    ) -> dict[str, str]:
        named = {self.rules.delivery_header: delivery, self.rules.event_header: event_type}
        return {name: value for name, value in named.items() if name} | self._proof(secret, body)

    def delivery_key(self, delivery: Delivery, payload: Any) -> str | None:
        rules = self.rules
        if key := _named(rules.delivery_header, rules.delivery_field, delivery.headers, payload):
            return key
        if not rules.dedupe_seconds:
            return None
        bucket = int(time.time()) // rules.dedupe_seconds
        return f"{hashlib.sha256(delivery.body).hexdigest()}:{bucket}"

    def event_type(self, headers: Headers, payload: Any) -> str:
        return _named(self.rules.event_header, self.rules.event_field, headers, payload)

    def _proof(self, secret: str, body: bytes) -> dict[str, str]:
        return {}


def _named(header: str, path: str, headers: Headers, payload: Any) -> str:
    """The text in that header; without it the one in that field of the body; empty when there is neither."""
    return (headers.get(header.lower(), "") if header else "") or (field(payload, path) if path else "")


class HmacScheme(ConfiguredScheme[HmacRules]):
    """Generic HMAC of the body, in a header that its configuration names."""

    code = "hmac"
    name = "HMAC"
    proof = text("`header` (X-Signature), after `prefix`")
    rules_type = HmacRules
    config_fields = (
        FieldSpec(name="header", label=text("Signature header"), default="X-Signature"),
        FieldSpec(name="prefix", label=text("Signature prefix"), default="", help=text("For example sha256=.")),
        _choice("encoding", text("Encoding"), "hex", "base64"),
        _choice("algorithm", text("Algorithm"), "sha256", "sha384", "sha512"),
        *NAMING,
    )

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        if self.rules.encoding not in {"hex", "base64"}:
            raise SchemeError(text("encoding must be hex or base64."))
        if self.rules.algorithm not in {"sha256", "sha384", "sha512"}:
            raise SchemeError(text("algorithm must be sha256, sha384 or sha512."))

    def offered(self, headers: Headers) -> Sequence[str]:
        given = headers.get(self.rules.header.lower(), "")
        if not given.startswith(self.rules.prefix):
            return []
        given = given.removeprefix(self.rules.prefix).strip()
        return [given.lower() if self.rules.encoding == "hex" else given]

    def expected(self, secret: str, delivery: Delivery) -> Sequence[str]:
        return [self._signature(secret, delivery.body)]

    def _proof(self, secret: str, body: bytes) -> dict[str, str]:
        return {self.rules.header: self.rules.prefix + self._signature(secret, body)}

    def _signature(self, secret: str, body: bytes) -> str:
        encode = hex_hmac if self.rules.encoding == "hex" else base64_hmac
        return encode(secret, body, self.rules.algorithm)


class BearerScheme(ConfiguredScheme[BearerRules]):
    """The secret itself in a header. Use it over https only: anyone who reads one delivery can forge others."""

    code = "bearer"
    proves_body_alone = False
    name = text("Bearer token")
    proof = text("`header` (Authorization), after `prefix` (Bearer)")
    rules_type = BearerRules
    config_fields = (
        FieldSpec(name="header", label=text("Token header"), default="Authorization"),
        FieldSpec(name="prefix", label=text("Token prefix"), default="Bearer ", help=text("Including the space.")),
        *NAMING,
    )

    def offered(self, headers: Headers) -> Sequence[str]:
        given = headers.get(self.rules.header.lower(), "")
        prefix = self.rules.prefix
        matches = given[: len(prefix)].lower() == prefix.lower()
        return [given[len(prefix) :].strip()] if matches else []

    def expected(self, secret: str, delivery: Delivery) -> Sequence[str]:
        return [secret]

    def secret_problem(self, secret: str) -> str | None:
        return super().secret_problem(secret) or token_problem(secret)

    def _proof(self, secret: str, body: bytes) -> dict[str, str]:
        return {self.rules.header: self.rules.prefix + secret}


class BasicScheme(ConfiguredScheme[Naming]):
    """HTTP Basic (RFC 7617): the secret is `user:password`. Over https only."""

    code = "basic"
    proves_body_alone = False
    name = text("Basic authentication")
    proof = "`Authorization`"
    rules_type = Naming
    config_fields = NAMING

    def offered(self, headers: Headers) -> Sequence[str]:
        kind, _, given = headers.get("authorization", "").partition(" ")
        return [given.strip()] if kind.lower() == "basic" else []

    def expected(self, secret: str, delivery: Delivery) -> Sequence[str]:
        return [base64.b64encode(secret.encode()).decode()]

    def new_secret(self) -> str:
        return f"webhook:{secrets.token_hex(24)}"

    def secret_problem(self, secret: str) -> str | None:
        user, separator, password = secret.partition(":")
        if not user or not separator:
            return text("The secret must have the form user:password.")
        return (
            None
            if len(password) >= SHORTEST_SECRET
            else text("The password in the secret is shorter than %(count)s characters.", count=SHORTEST_SECRET)
        )

    def _proof(self, secret: str, body: bytes) -> dict[str, str]:
        return {"Authorization": "Basic " + base64.b64encode(secret.encode()).decode()}


class UnsignedScheme(ConfiguredScheme[Naming]):
    """No signature: anybody who knows the URL can start workflows. Only ever an explicit choice, badged as a risk."""

    code = "unsigned"
    proves_body_alone = False
    name = text("Unsigned")
    proof = "none"
    signed = False
    has_secret = False
    rules_type = Naming
    config_fields = NAMING

    def offered(self, headers: Headers) -> Sequence[str]:
        return []

    def expected(self, secret: str, delivery: Delivery) -> Sequence[str]:
        return []

    def match(self, secrets: Sequence[str], delivery: Delivery) -> int | None:
        """Accept every delivery."""
        return 0

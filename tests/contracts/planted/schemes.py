"""A good signature scheme, and what can be wrong with one."""

from __future__ import annotations

import logging
import time

from automate_core.webhooks.schemes.signing import SHORTEST_SECRET, SignatureScheme, field, hex_hmac
from tests.contracts.planted import Fault, planter

FAULTS: list[Fault] = []
planted = planter(FAULTS)
logger = logging.getLogger("planted")


class GoodScheme(SignatureScheme):
    """HMAC of the body in one header."""

    code = "erp"
    name = "ERP"
    proof = "`X-Erp-Signature`"
    key = "`id` of the body"
    kind = "`type` of the body"

    def offered(self, headers):
        return [headers.get("x-erp-signature", "")]

    def expected(self, secret, delivery):
        return [hex_hmac(secret, delivery.body)]

    def sign(self, secret, body, *, event_type, delivery, url="", content_type=""):
        return {"X-Erp-Signature": hex_hmac(secret, body)}

    def delivery_key(self, delivery, payload):
        return field(payload, "id") or None

    def event_type(self, headers, payload):
        return field(payload, "type")


@planted("identity", "code must be")
class BadCode(GoodScheme):
    code = "My ERP"


@planted("identity", "kind must be text")
class NoKind(GoodScheme):
    kind = None


@planted("config", "SchemeError")
class TakesAnything(GoodScheme):
    def __init__(self, config):
        self.config = config


@planted("secret", "empty secret")
class EmptySecret(GoodScheme):
    def secret_problem(self, secret):
        return None


@planted("secret", "refuses a good secret")
class NoSecretIsGood(GoodScheme):
    def secret_problem(self, secret):
        return f"Not {SHORTEST_SECRET} characters."


@planted("accepts", "is refused")
class SignsSomethingElse(GoodScheme):
    def sign(self, secret, body, *, event_type, delivery, url="", content_type=""):
        return {"X-Erp-Signature": hex_hmac(secret, b"")}


@planted("accepts", "match returns bool")
class ReturnsTrue(GoodScheme):
    def match(self, secrets, delivery):
        return super().match(secrets, delivery) is not None


@planted("refuses", "without headers")
class AcceptsNothing(GoodScheme):
    def match(self, secrets, delivery):
        return 0 if "x-erp-signature" not in delivery.headers else super().match(secrets, delivery)


@planted("refuses", "changed body")
class SignsTheLengthAlone(GoodScheme):
    def expected(self, secret, delivery):
        return [hex_hmac(secret, b"same")]

    def sign(self, secret, body, *, event_type, delivery, url="", content_type=""):
        return {"X-Erp-Signature": hex_hmac(secret, b"same")}


@planted("hostile", "match raises")
class RaisesOnGarbage(GoodScheme):
    def offered(self, headers):
        return [bytes.fromhex(headers.get("x-erp-signature", "")).hex()]


@planted("hostile", "did not return", call_seconds=0.3)
class Blocks(GoodScheme):
    def offered(self, headers):
        if not headers.get("x-erp-signature"):
            time.sleep(60)
        return super().offered(headers)


@planted("reads", "event_type")
class TypeOfNone(GoodScheme):
    def event_type(self, headers, payload):
        return payload["type"]


@planted("reads", "challenge returns dict")
class ChallengeIsADict(GoodScheme):
    def challenge(self, payload):
        return {"challenge": "yes"}


@planted("same_key", "two keys")
class KeyOfTheClock(GoodScheme):
    def delivery_key(self, delivery, payload):
        return str(time.perf_counter_ns())


@planted("no_secret_shown", "logged, printed or written")
class LogsTheSecret(GoodScheme):
    def expected(self, secret, delivery):
        logger.info("verifying with %s", secret)
        return super().expected(secret, delivery)

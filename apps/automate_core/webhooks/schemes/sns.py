"""Amazon SNS: messages of one topic, signed with RSA by a certificate that AWS publishes.

https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import json
import logging
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode, urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256

from automate_connectors.outbound import http_session
from automate_core.webhooks.schemes.certificates import CertificateCache
from automate_core.webhooks.schemes.signing import (
    TOLERANCE_SECONDS,
    Delivery,
    Headers,
    PublicKeyScheme,
    Reply,
    SchemeError,
    field,
)
from automate_egress import EgressError
from automate_plugins import text
from automate_plugins.fields import FieldSpec

REPEATED_SECONDS = 3_600  #: for which SNS repeats a message, with its first timestamp
CONFIRM_SECONDS = 5.0

_NOTIFICATION, _SUBSCRIPTION, _END = "Notification", "SubscriptionConfirmation", "UnsubscribeConfirmation"
_CONFIRMATION_FIELDS = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
_SIGNED_FIELDS = {
    _NOTIFICATION: ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    _SUBSCRIPTION: _CONFIRMATION_FIELDS,
    _END: _CONFIRMATION_FIELDS,
}
_HASHES = {"1": SHA1, "2": SHA256}
_ARN = re.compile(r"arn:aws(?:-us-gov)?:sns:([a-z0-9-]{3,30}):\d{12}:[A-Za-z0-9_-]{1,256}(?:\.fifo)?")
_CERTIFICATE_PATH = re.compile(r"/[A-Za-z0-9._-]{1,200}\.pem")

log = logging.getLogger(__name__)
certificates = CertificateCache()


class SnsScheme(PublicKeyScheme):
    """Amazon SNS: RSA over the fields of the message. A subscription to the topic is confirmed by itself.

    Configuration: `topic_arn`, the only topic whose messages are accepted. Certificates are fetched from the topic's
    region of amazonaws.com alone.
    """

    code = "sns"
    name = "Amazon SNS"
    has_secret = False
    may_block = True
    json_types = ("text/plain",)
    example_config = {"topic_arn": "arn:aws:sns:us-east-1:123456789012:orders"}
    config_fields = (
        FieldSpec(
            name="topic_arn",
            label=text("Topic ARN"),
            help=text("The ARN of the topic, such as arn:aws:sns:us-east-1:123456789012:orders."),
        ),
    )
    proof = text("`Signature` of the body")
    key = "`MessageId` of the body"
    kind = "`Type` of the body"
    safe_headers = ("x-amz-sns-message-type", "x-amz-sns-message-id")

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__({name: value for name, value in config.items() if name != "topic_arn"})
        self.topic_arn = config.get("topic_arn", "")
        found = _ARN.fullmatch(self.topic_arn) if isinstance(self.topic_arn, str) else None
        if found is None:
            raise SchemeError(
                text("topic_arn must be the ARN of a topic, such as arn:aws:sns:us-east-1:123456789012:orders.")
            )
        self._host = f"sns.{found[1]}.amazonaws.com"

    def match(self, secrets: Sequence[str], delivery: Delivery) -> int | None:
        """0 for a message of the topic that AWS signed, else None. Never raises."""
        return 0 if self.is_signed("", delivery) else None

    def is_signed(self, key: str, delivery: Delivery) -> bool:
        """Whether AWS signed it. The topic and the time are compared first: nothing is fetched for other messages."""
        message = _read_message(delivery.body)
        if field(message, "TopicArn") != self.topic_arn or not _is_timely(field(message, "Timestamp")):
            return False
        algorithm = _HASHES.get(field(message, "SignatureVersion"))
        signed = canonical_text(message)
        public = self._certificate_key(field(message, "SigningCertURL")) if algorithm and signed else None
        if public is None or algorithm is None:
            return False
        try:
            signature = base64.b64decode(field(message, "Signature"), validate=True)
            public.verify(signature, signed, PKCS1v15(), algorithm())
        except (InvalidSignature, binascii.Error, ValueError):
            return False
        return True

    def delivery_key(self, delivery: Delivery, payload: Any) -> str | None:
        return field(payload, "MessageId") or None

    def event_type(self, headers: Headers, payload: Any) -> str:
        return field(payload, "Type")

    def challenge(self, payload: Any) -> Reply | None:
        """Confirm a subscription to the topic. Raises EgressError when AWS cannot be reached: SNS asks again.

        The address that the message names is not used.
        """
        if field(payload, "Type") != _SUBSCRIPTION:
            return None
        query = urlencode(
            {"Action": "ConfirmSubscription", "TopicArn": self.topic_arn, "Token": field(payload, "Token")}
        )
        session = http_session(deadline=time.monotonic() + CONFIRM_SECONDS)
        answer = session.request("GET", f"https://{self._host}/?{query}", follow_redirects=False)
        if answer.status != 200:
            log.warning("AWS did not confirm the subscription to %s: HTTP %d", self.topic_arn, answer.status)
            raise EgressError(f"AWS answered {answer.status}")
        return Reply(b"confirmed")

    def _certificate_key(self, url: str) -> RSAPublicKey | None:
        try:
            parts = urlsplit(url)
        except ValueError:
            return None
        if (parts.scheme, parts.netloc, parts.query, parts.fragment) != ("https", self._host, "", ""):
            return None
        return certificates.find_key(url) if _CERTIFICATE_PATH.fullmatch(parts.path) else None


def canonical_text(message: Mapping[str, Any]) -> bytes:
    """The text that AWS signs: name and value of each signed field on lines of their own; empty for another message."""
    names = _SIGNED_FIELDS.get(field(message, "Type"), ())
    pairs = [(name, message[name]) for name in names if name in message]
    missing = set(names) - {name for name, _ in pairs} - {"Subject"}
    if missing or not all(isinstance(value, str) for _, value in pairs):
        return b""
    return "".join(f"{name}\n{value}\n" for name, value in pairs).encode("utf-8", "replace")


def _read_message(body: bytes) -> dict[str, Any]:
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return message if isinstance(message, dict) else {}


def _is_timely(timestamp: str) -> bool:
    """Whether a timestamp such as 2012-05-02T00:54:06.655Z is of the last hour: SNS repeats messages so long."""
    try:
        sent = dt.datetime.fromisoformat(timestamp)
    except ValueError:
        return False
    if sent.tzinfo is None:
        return False
    return -TOLERANCE_SECONDS <= time.time() - sent.timestamp() <= REPEATED_SECONDS

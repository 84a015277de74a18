"""The senders that are known by name, each by its own documentation."""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets as random
from collections.abc import Sequence
from typing import Any

from automate_core.webhooks.schemes.signing import (
    SHORTEST_SECRET,
    Delivery,
    Headers,
    Reply,
    SignatureScheme,
    base64_hmac,
    current_timestamp,
    digest,
    field,
    hex_hmac,
    is_recent,
    token_problem,
)
from automate_plugins import text


class GitHubScheme(SignatureScheme):
    """GitHub: HMAC-SHA256 of the body. A `ping`, sent when a webhook is set up, is accepted and starts nothing.

    https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries
    """

    code = "github"
    name = "GitHub"
    proof = "`X-Hub-Signature-256`"
    key = "`X-GitHub-Delivery`"
    kind = "`X-GitHub-Event`"
    json_field = "payload"
    safe_headers = ("x-github-event", "x-github-delivery", "x-github-hook-id")

    def offered(self, headers: Headers) -> Sequence[str]:
        return [headers.get("x-hub-signature-256", "")]

    def expected(self, secret: str, delivery: Delivery) -> Sequence[str]:
        return ["sha256=" + hex_hmac(secret, delivery.body)]

    def sign(
        self, secret: str, body: bytes, *, event_type: str, delivery: str, url: str = "", content_type: str = ""
    ) -> dict[str, str]:
        return {
            "X-GitHub-Event": event_type,
            "X-GitHub-Delivery": delivery,
            "X-Hub-Signature-256": "sha256=" + hex_hmac(secret, body),
        }

    def delivery_key(self, delivery: Delivery, payload: Any) -> str | None:
        return delivery.headers.get("x-github-delivery") or None

    def event_type(self, headers: Headers, payload: Any) -> str:
        return headers.get("x-github-event", "")

    def is_test(self, headers: Headers) -> bool:
        return headers.get("x-github-event") == "ping"


class StandardWebhooksScheme(SignatureScheme):
    """Standard Webhooks: HMAC-SHA256 over `id.timestamp.body`, secret `whsec_<base64>`, several signatures at once.

    https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
    """

    code = "standard"
    name = "Standard Webhooks"
    proof = "`Webhook-Signature`"
    key = "`Webhook-Id`"
    kind = text("`type` of the body")
    takes_cloudevents = True
    safe_headers = ("webhook-id", "webhook-timestamp")

    def offered(self, headers: Headers) -> Sequence[str]:
        return [part[3:] for part in headers.get("webhook-signature", "").split(" ") if part.startswith("v1,")]

    def expected(self, secret: str, delivery: Delivery) -> Sequence[str]:
        identifier, timestamp = (delivery.headers.get(f"webhook-{name}", "") for name in ("id", "timestamp"))
        return [self._signature(secret, identifier, timestamp, delivery.body)]

    def is_timely(self, delivery: Delivery) -> bool:
        return bool(delivery.headers.get("webhook-id")) and is_recent(delivery.headers.get("webhook-timestamp", ""))

    def sign(
        self, secret: str, body: bytes, *, event_type: str, delivery: str, url: str = "", content_type: str = ""
    ) -> dict[str, str]:
        timestamp = current_timestamp()
        signature = self._signature(secret, delivery, timestamp, body)
        return {"Webhook-Id": delivery, "Webhook-Timestamp": timestamp, "Webhook-Signature": f"v1,{signature}"}

    def delivery_key(self, delivery: Delivery, payload: Any) -> str | None:
        return delivery.headers.get("webhook-id") or None

    def event_type(self, headers: Headers, payload: Any) -> str:
        return field(payload, "type")

    def new_secret(self) -> str:
        return "whsec_" + base64.b64encode(random.token_bytes(32)).decode()

    def secret_problem(self, secret: str) -> str | None:
        try:
            key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        except (binascii.Error, ValueError):
            return text("The secret must be whsec_ followed by base64.")
        if len(key) >= SHORTEST_SECRET:
            return None
        return text("The key in the secret is shorter than %(count)s bytes.", count=SHORTEST_SECRET)

    @staticmethod
    def _signature(secret: str, identifier: str, timestamp: str, body: bytes) -> str:
        try:
            key = base64.b64decode(secret.removeprefix("whsec_"))
        except (binascii.Error, ValueError):
            key = random.token_bytes(32)  # a secret that is none signs nothing
        signed = f"{identifier}.{timestamp}.".encode() + body
        return base64.b64encode(hmac.digest(key, signed, "sha256")).decode()


class StripeScheme(SignatureScheme):
    """Stripe: HMAC-SHA256 over `timestamp.body`; any of several `v1` values counts, `v0` never.

    https://docs.stripe.com/webhooks/signature
    """

    code = "stripe"
    name = "Stripe"
    shown_by = text("In Stripe, open the endpoint and copy the signing secret (whsec_…).")
    proof = "`Stripe-Signature`"
    key = "`id` of the body"
    kind = text("`type` of the body")

    def offered(self, headers: Headers) -> Sequence[str]:
        return self._parts(headers, "v1")

    def expected(self, secret: str, delivery: Delivery) -> Sequence[str]:
        return [hex_hmac(secret, self._signed(delivery))]

    def is_timely(self, delivery: Delivery) -> bool:
        return is_recent(self._timestamp(delivery.headers))

    def sign(
        self, secret: str, body: bytes, *, event_type: str, delivery: str, url: str = "", content_type: str = ""
    ) -> dict[str, str]:
        timestamp = current_timestamp()
        return {"Stripe-Signature": f"t={timestamp},v1={hex_hmac(secret, f'{timestamp}.'.encode() + body)}"}

    def delivery_key(self, delivery: Delivery, payload: Any) -> str | None:
        return field(payload, "id") or digest(self._signed(delivery))

    def event_type(self, headers: Headers, payload: Any) -> str:
        return field(payload, "type")

    def secret_problem(self, secret: str) -> str | None:
        return super().secret_problem(secret.removeprefix("whsec_"))

    def _signed(self, delivery: Delivery) -> bytes:
        return f"{self._timestamp(delivery.headers)}.".encode() + delivery.body

    def _timestamp(self, headers: Headers) -> str:
        return next(iter(self._parts(headers, "t")), "")

    @staticmethod
    def _parts(headers: Headers, name: str) -> list[str]:
        pairs = (part.strip().partition("=") for part in headers.get("stripe-signature", "").split(","))
        return [value for key, _, value in pairs if key == name]


class SlackScheme(SignatureScheme):
    """Slack: HMAC-SHA256 over `v0:timestamp:body`. The Events API, slash commands and interactions.

    https://docs.slack.dev/authentication/verifying-requests-from-slack
    """

    code = "slack"
    name = "Slack"
    shown_by = text("In Slack, open the app's Basic Information page and copy the signing secret.")
    proof = "`X-Slack-Signature`"
    key = "`event_id` of the body, `trigger_id` of commands and interactions"
    kind = text("`event.type` of the body, the command, or the interaction's `type`")
    json_field = "payload"
    safe_headers = ("x-slack-retry-num", "x-slack-retry-reason", "x-slack-request-timestamp")

    def offered(self, headers: Headers) -> Sequence[str]:
        return [headers.get("x-slack-signature", "")]

    def expected(self, secret: str, delivery: Delivery) -> Sequence[str]:
        return ["v0=" + hex_hmac(secret, self._signed(delivery))]

    def is_timely(self, delivery: Delivery) -> bool:
        return is_recent(delivery.headers.get("x-slack-request-timestamp", ""))

    def sign(
        self, secret: str, body: bytes, *, event_type: str, delivery: str, url: str = "", content_type: str = ""
    ) -> dict[str, str]:
        timestamp = current_timestamp()
        signature = hex_hmac(secret, f"v0:{timestamp}:".encode() + body)
        return {"X-Slack-Request-Timestamp": timestamp, "X-Slack-Signature": f"v0={signature}"}

    def delivery_key(self, delivery: Delivery, payload: Any) -> str | None:
        return field(payload, "event_id") or field(payload, "trigger_id") or digest(self._signed(delivery))

    def event_type(self, headers: Headers, payload: Any) -> str:
        return field(payload, "event.type") or field(payload, "command") or field(payload, "type")

    def challenge(self, payload: Any) -> Reply | None:
        if field(payload, "type") != "url_verification":
            return None
        return Reply(field(payload, "challenge").encode("utf-8", "replace"))

    def reply(self, payload: Any) -> Reply | None:
        """Commands and interactions fail on people's screens unless the answer is 200 and empty."""
        return None if field(payload, "event_id") else Reply()

    @staticmethod
    def _signed(delivery: Delivery) -> bytes:
        return f"v0:{delivery.headers.get('x-slack-request-timestamp', '')}:".encode() + delivery.body


class ShopifyScheme(SignatureScheme):
    """Shopify: HMAC-SHA256 of the body in base64.

    https://shopify.dev/docs/apps/build/webhooks/subscribe/https
    """

    code = "shopify"
    name = "Shopify"
    shown_by = text(
        "In Shopify, open Settings > Notifications > Webhooks and copy the signing secret. For an app, use its client"
        " secret."
    )
    proof = "`X-Shopify-Hmac-Sha256`"
    key = "`X-Shopify-Webhook-Id`"
    kind = "`X-Shopify-Topic`"
    safe_headers = tuple(
        f"x-shopify-{name}"
        for name in ("topic", "webhook-id", "event-id", "shop-domain", "api-version", "triggered-at")
    )

    def offered(self, headers: Headers) -> Sequence[str]:
        return [headers.get("x-shopify-hmac-sha256", "")]

    def expected(self, secret: str, delivery: Delivery) -> Sequence[str]:
        return [base64_hmac(secret, delivery.body)]

    def sign(
        self, secret: str, body: bytes, *, event_type: str, delivery: str, url: str = "", content_type: str = ""
    ) -> dict[str, str]:
        return {
            "X-Shopify-Topic": event_type,
            "X-Shopify-Webhook-Id": delivery,
            "X-Shopify-Hmac-Sha256": base64_hmac(secret, body),
        }

    def delivery_key(self, delivery: Delivery, payload: Any) -> str | None:
        return delivery.headers.get("x-shopify-webhook-id") or None

    def event_type(self, headers: Headers, payload: Any) -> str:
        return headers.get("x-shopify-topic", "")


class TypeformScheme(SignatureScheme):
    """Typeform: HMAC-SHA256 of the body in base64, after `sha256=`.

    https://www.typeform.com/developers/webhooks/secure-your-webhooks/
    """

    code = "typeform"
    name = "Typeform"
    proof = "`Typeform-Signature`"
    key = "`event_id` of the body"
    kind = text("`event_type` of the body")

    def offered(self, headers: Headers) -> Sequence[str]:
        return [headers.get("typeform-signature", "")]

    def expected(self, secret: str, delivery: Delivery) -> Sequence[str]:
        return ["sha256=" + base64_hmac(secret, delivery.body)]

    def sign(
        self, secret: str, body: bytes, *, event_type: str, delivery: str, url: str = "", content_type: str = ""
    ) -> dict[str, str]:
        return {"Typeform-Signature": "sha256=" + base64_hmac(secret, body)}

    def delivery_key(self, delivery: Delivery, payload: Any) -> str | None:
        return field(payload, "event_id") or digest(delivery.body)

    def event_type(self, headers: Headers, payload: Any) -> str:
        return field(payload, "event_type")


class GitLabScheme(SignatureScheme):
    """GitLab: the secret token itself in a header. For its signing tokens, take Standard Webhooks.

    https://docs.gitlab.com/user/project/integrations/webhooks/
    """

    code = "gitlab"
    name = "GitLab"
    proof = "`X-Gitlab-Token`"
    key = "`Idempotency-Key`, else `X-Gitlab-Event-UUID` with the body"
    kind = text("`object_kind` or `event_name` of the body")
    safe_headers = ("x-gitlab-event", "x-gitlab-event-uuid", "x-gitlab-instance", "idempotency-key")

    def offered(self, headers: Headers) -> Sequence[str]:
        return [headers.get("x-gitlab-token", "")]

    def expected(self, secret: str, delivery: Delivery) -> Sequence[str]:
        return [secret]

    def sign(
        self, secret: str, body: bytes, *, event_type: str, delivery: str, url: str = "", content_type: str = ""
    ) -> dict[str, str]:
        return {"X-Gitlab-Event": event_type, "Idempotency-Key": delivery, "X-Gitlab-Token": secret}

    def secret_problem(self, secret: str) -> str | None:
        return super().secret_problem(secret) or token_problem(secret)

    def delivery_key(self, delivery: Delivery, payload: Any) -> str | None:
        """A webhook that an earlier one caused carries the earlier one's UUID: that alone would not tell them apart."""
        uuid = delivery.headers.get("x-gitlab-event-uuid")
        return delivery.headers.get("idempotency-key") or (uuid and f"{uuid} {digest(delivery.body)}") or None

    def event_type(self, headers: Headers, payload: Any) -> str:
        named = field(payload, "object_kind") or field(payload, "event_name")
        return named or headers.get("x-gitlab-event", "")

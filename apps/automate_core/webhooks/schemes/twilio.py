"""Twilio, which signs the address that it posts to."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit, urlunsplit

from django.conf import settings

from automate_core.webhooks.schemes.signing import (
    FORM,
    Delivery,
    Headers,
    Reply,
    SchemeError,
    SignatureScheme,
    base64_hmac,
    digest,
    field,
    form_fields,
)
from automate_plugins import text
from automate_plugins.fields import FieldSpec


class TwilioScheme(SignatureScheme):
    """Twilio: HMAC-SHA1 over the public address and the form's sorted fields; of JSON, a hash is in the address.

    Configuration: `public_url`, the scheme and host that Twilio knows the site by, where it is not AUTOMATE_SITE_URL.
    https://www.twilio.com/docs/usage/webhooks/webhooks-security
    """

    code = "twilio"
    name = "Twilio"
    shown_by = text("In the Twilio console, copy the auth token of the account.")
    config_fields = (
        FieldSpec(
            name="public_url",
            label=text("Public URL"),
            help=text(
                "The URL under which Twilio reaches this site, such as https://hooks.example.com. "
                "Leave empty for the site URL."
            ),
        ),
    )
    proof = "`X-Twilio-Signature`"
    key = "`I-Twilio-Idempotency-Token`, else all that is signed"
    kind = text("`message.STATUS` or `call.STATUS` by the form's status field, else `EventType`")
    safe_headers = ("i-twilio-idempotency-token",)

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__({name: value for name, value in config.items() if name != "public_url"})
        self.public_url = config.get("public_url", "")
        if not isinstance(self.public_url, str) or (
            self.public_url and not self.public_url.startswith(("https://", "http://"))
        ):
            raise SchemeError(text("public_url must be a URL such as https://hooks.example.com."))

    def offered(self, headers: Headers) -> Sequence[str]:
        return [headers.get("x-twilio-signature", "")]

    def expected(self, secret: str, delivery: Delivery) -> Sequence[str]:
        """With the port and without: Twilio signs one or the other."""
        url = (self.public_url or str(settings.AUTOMATE_SITE_URL)).rstrip("/") + delivery.target
        return [
            base64_hmac(secret, _signed_by_twilio(each, delivery.body, delivery.media_type), "sha1")
            for each in _with_and_without_port(url)
        ]

    def is_timely(self, delivery: Delivery) -> bool:
        """There is no timestamp; but a body that is no form has to be the one whose hash was signed."""
        if delivery.media_type == FORM:
            return True
        query = parse_qs(urlsplit(delivery.target).query)
        offered = query.get("bodySHA256", [""])[0].lower()
        return hmac.compare_digest(
            offered.encode("utf-8", "replace"), hashlib.sha256(delivery.body).hexdigest().encode()
        )

    def address(self, url: str, body: bytes, content_type: str) -> str:
        if content_type.startswith(FORM):
            return url
        return f"{url}{'&' if '?' in url else '?'}bodySHA256={hashlib.sha256(body).hexdigest()}"

    def sign(
        self, secret: str, body: bytes, *, event_type: str, delivery: str, url: str = "", content_type: str = ""
    ) -> dict[str, str]:
        public = urlsplit(self.public_url or url)
        signed = urlunsplit(urlsplit(url)._replace(scheme=public.scheme, netloc=public.netloc))
        return {
            "I-Twilio-Idempotency-Token": delivery,
            "X-Twilio-Signature": base64_hmac(
                secret, _signed_by_twilio(signed, body, content_type.partition(";")[0]), "sha1"
            ),
        }

    def delivery_key(self, delivery: Delivery, payload: Any) -> str | None:
        token = delivery.headers.get("i-twilio-idempotency-token")
        return token or digest(_signed_by_twilio(delivery.target, delivery.body, delivery.media_type))

    def event_type(self, headers: Headers, payload: Any) -> str:
        for status, prefix in (("MessageStatus", "message"), ("SmsStatus", "message"), ("CallStatus", "call")):
            if value := field(payload, status):
                return f"{prefix}.{value}"
        return field(payload, "EventType")

    def reply(self, payload: Any) -> Reply | None:
        """TwiML that asks for nothing: another content type is an error in Twilio's log."""
        return Reply(b"<Response/>", "text/xml")


def _signed_by_twilio(url: str, body: bytes, media_type: str) -> bytes:
    fields = form_fields(body) if media_type == FORM else {}
    listed = "".join(name + value for name in sorted(fields) for value in sorted(set(fields[name])))
    return (url + listed).encode("utf-8", "replace")


def _with_and_without_port(url: str) -> list[str]:
    parts = urlsplit(url)
    host, _, port = parts.netloc.rpartition("@")[2].partition(":")
    standard = "443" if parts.scheme == "https" else "80"
    return [urlunsplit(parts._replace(netloc=netloc)) for netloc in (host, f"{host}:{port or standard}")]

"""E-mail connector: one message through the site's configured mail server, from the site's own address."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.core.mail import EmailMultiAlternatives
from django.core.validators import validate_email

from automate_connectors.adapters.base import Action, ConnectorAdapter, ConnectorError, Effect
from automate_plugins.fields import FieldKind, FieldSpec

MAX_RECIPIENTS = 50


class EmailConnector(ConnectorAdapter):
    """`send` hands one message to Django's mail backend."""

    code = "email"
    name = "Email"
    description = "Send an email"
    icon = "mail"
    hue = 20
    actions = (
        Action(
            name="send",
            label="Send an email",
            description="Send one message to up to 50 people",
            effect=Effect.EFFECTFUL,
            fields=(
                FieldSpec(name="to", label="To", kind=FieldKind.JSON, required=True, help="An address or a list"),
                FieldSpec(name="cc", label="Copy to", kind=FieldKind.JSON),
                FieldSpec(name="reply_to", label="Reply to", kind=FieldKind.JSON),
                FieldSpec(name="subject", label="Subject", required=True),
                FieldSpec(name="text", label="Text", kind=FieldKind.LONG_TEXT, required=True),
                FieldSpec(name="html", label="HTML", kind=FieldKind.LONG_TEXT),
            ),
        ),
    )

    def execute(self, action: str, params: dict[str, Any], context: dict[str, Any]) -> Any:
        """Send the message; the output names the recipients."""
        to, cc, reply_to = (_addresses(params.get(name), name) for name in ("to", "cc", "reply_to"))
        if not to or len(to) + len(cc) > MAX_RECIPIENTS:
            raise ConnectorError(f"between 1 and {MAX_RECIPIENTS} recipients are needed", code="invalid_input")
        message = EmailMultiAlternatives(
            subject=params["subject"],
            body=params["text"],
            to=to,
            cc=cc,
            reply_to=reply_to,
            headers={"X-Idempotency-Key": context["idempotency_key"]},
        )
        if params.get("html"):
            message.attach_alternative(params["html"], "text/html")
        context["log"](f"Sending to {len(to) + len(cc)} recipient(s)")
        try:
            message.send()
        except ValueError as error:  # a newline in a header
            raise ConnectorError(str(error), code="invalid_input") from error
        except OSError as error:  # SMTP errors are OSErrors
            raise ConnectorError(f"the mail server refused: {error}", code="mail_failed", retryable=True) from error
        return {"to": to, "cc": cc}


def _addresses(value: Any, name: str) -> list[str]:
    addresses = [value] if isinstance(value, str) else list(value or [])
    for address in addresses:
        try:
            validate_email(address)
        except ValidationError as error:
            raise ConnectorError(f"{name}: {address!r} is not an email address", code="invalid_input") from error
    return addresses

"""E-mail connector: one message through the connection's mail server, or the site's own where none is named."""

from __future__ import annotations

import email.policy
import hashlib
import re
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMultiAlternatives
from django.core.validators import validate_email
from django.utils.html import strip_tags

from automate_connectors.adapters.base import Action, ConnectorAdapter, ConnectorError, Effect
from automate_connectors.web import File, invalid_input, normalized_filename
from automate_egress import EgressError, MailError
from automate_egress.mail import MailServer, check_mail, send_mail
from automate_governance.redaction.redactor import redact_text
from automate_plugins.fields import FieldKind, FieldSpec

MAX_RECIPIENTS = 50
MAX_ATTACHMENTS = 10
MAX_ATTACHED_BYTES = 10_000_000
MAX_TEXT = 1_000_000
_SECURITY = (("starttls", "STARTTLS"), ("tls", "TLS from the start"), ("none", "None (internal hosts only)"))
# What mail programs run or mail servers refuse for it.
_EXECUTABLE = re.compile(
    r"\.(ade|adp|apk|app|bat|chm|cmd|com|cpl|dll|dmg|exe|hta|img|ins|iso|isp|jar|js|jse|lib|lnk|mde|msc|msi|msp|mst|"
    r"nsh|pif|ps1|scr|sct|shb|sys|vb|vbe|vbs|vhd|vxd|wsc|wsf|wsh)$",
    re.IGNORECASE,
)


class EmailConnector(ConnectorAdapter):
    """`send` sends one message. Without a connection it goes through the site's mailer, from the site's address."""

    code = "email"
    name = "Email"
    description = "Send an email"
    icon = "mail"
    hue = 20
    config_fields = (
        FieldSpec(name="host", label="Mail server", required=True, help="Such as smtp.example.com"),
        FieldSpec(name="port", label="Port", kind=FieldKind.INTEGER, default=587, help="587, 465, 2525 or 25"),
        FieldSpec(name="security", label="Encryption", kind=FieldKind.CHOICE, choices=_SECURITY, default="starttls"),
        FieldSpec(name="username", label="User name"),
        FieldSpec(name="password", label="Password", kind=FieldKind.SECRET),
        FieldSpec(name="from_address", label="From", required=True, help="The address that messages come from"),
        FieldSpec(name="from_name", label="From name"),
        FieldSpec(name="senders", label="Other senders", kind=FieldKind.LIST, help="Addresses that steps may choose"),
        FieldSpec(
            name="authorities",
            label="Certificate authority",
            kind=FieldKind.LONG_TEXT,
            help="In PEM form, for a server whose certificate no public authority signed",
        ),
    )
    actions = (
        Action(
            name="send",
            label="Send an email",
            description="Send one message to up to 50 people",
            effect=Effect.EFFECTFUL,
            needs_one_of=("text", "html"),
            fields=(
                FieldSpec(
                    name="to",
                    label="To",
                    kind=FieldKind.JSON,
                    required=True,
                    help="An address or a list",
                    language="text",
                ),
                FieldSpec(name="cc", label="Copy to", kind=FieldKind.JSON, language="text"),
                FieldSpec(name="bcc", label="Blind copy to", kind=FieldKind.JSON, language="text"),
                FieldSpec(name="reply_to", label="Reply to", kind=FieldKind.JSON, language="text"),
                FieldSpec(name="sender", label="From", help="One of the connection's senders"),
                FieldSpec(name="subject", label="Subject", required=True),
                FieldSpec(
                    name="text",
                    label="Text",
                    kind=FieldKind.LONG_TEXT,
                    help="Made from the HTML when empty",
                    shown=True,
                ),
                FieldSpec(name="html", label="HTML", kind=FieldKind.CODE, language="html"),
                FieldSpec(
                    name="attachments",
                    label="Attachments",
                    kind=FieldKind.LIST,
                    help="Each a mapping: filename, content_type and base64 or text",
                ),
            ),
        ),
    )

    def validate_config(self, config: dict[str, Any]) -> None:
        """Check the addresses and what signing in needs. Raises ConnectorError, ValueError."""
        _addresses([config.get("from_address"), *(config.get("senders") or [])], "from_address")
        if bool(config.get("username")) != bool(config.get("password")):
            raise ValueError("signing in needs both username and password")
        if config.get("password") and config.get("security") == "none":
            raise ValueError("a password is sent over TLS alone: choose STARTTLS or TLS")

    def own_hosts(self, config: dict[str, Any]) -> tuple[str, ...]:
        """The mail server."""
        return (config["host"],) if isinstance(config.get("host"), str) else ()

    def execute(self, action: str, params: dict[str, Any], context: dict[str, Any]) -> Any:
        """Send the message; the output names the recipients, and those that the server refused."""
        connection = context.get("connection") or {}
        message = _message(params, connection, context["idempotency_key"])
        count = len(message.recipients())
        context["log"](f"Sending to {count} recipient(s)")
        refused: dict[str, str] = {}
        try:
            if connection:
                refused = _deliver(message, connection, context)
            else:
                message.send()
        except EgressError:
            raise
        except ValueError as error:  # a newline in a header
            raise invalid_input(str(error)) from error
        except OSError as error:  # SMTP errors are OSErrors
            raise ConnectorError(f"the mail server refused: {error}", code="mail_failed", retryable=True) from error
        return {"to": message.to, "cc": message.cc, **({"refused": refused} if refused else {})}

    def describe(self, action: str, params: dict[str, Any], context: dict[str, Any]) -> dict[str, Any]:
        """The message: who gets it from whom, its subject and its text."""
        message = _message(params, context.get("connection") or {}, context["idempotency_key"])
        described = {
            "summary": f"Email to {', '.join(message.to)}: {message.subject}",
            "from": message.from_email or settings.DEFAULT_FROM_EMAIL,
            "to": message.to,
            "cc": message.cc,
            "bcc": message.bcc,
            "reply_to": message.reply_to,
            "subject": message.subject,
            "text": message.body,
            "attachments": [attachment[0] for attachment in message.attachments],
        }
        return {name: value for name, value in described.items() if value}

    def check_connection(self, context: dict[str, Any]) -> str:
        """Sign in to the mail server, and send nothing."""
        server = _server(context["connection"])
        try:
            check_mail(context["network"], server)
        except MailError as error:
            code = "needs_reconnect" if error.code == "authentication_failed" else error.code
            raise ConnectorError(str(error), code=code, retryable=error.retryable) from error
        except EgressError as error:
            raise ConnectorError(str(error), code=error.code, retryable=error.retryable) from error
        return f"{server.host} takes mail" + (f" from {server.username}" if server.username else "")


def _message(params: dict[str, Any], connection: dict[str, Any], key: str) -> EmailMultiAlternatives:
    names = ("to", "cc", "bcc", "reply_to")
    to, cc, bcc, reply_to = (_addresses(params.get(name), name) for name in names)
    if not to or len(to) + len(cc) + len(bcc) > MAX_RECIPIENTS or len(reply_to) > MAX_RECIPIENTS:
        raise invalid_input(f"between 1 and {MAX_RECIPIENTS} recipients are needed")
    subject, text, html = (_without_secrets(params.get(name) or "") for name in ("subject", "text", "html"))
    if not text and not html:
        raise invalid_input("a message needs a text or an HTML body")
    if len(text) > MAX_TEXT or len(html) > MAX_TEXT:
        raise invalid_input(f"text and HTML have at most {MAX_TEXT:,} characters each")
    _one_line(subject, "subject")
    message = EmailMultiAlternatives(
        subject=subject,
        body=text or strip_tags(html).strip(),
        from_email=_sender(params.get("sender") or "", connection),
        to=to,
        cc=cc,
        bcc=bcc,
        reply_to=reply_to,
        headers={"X-Idempotency-Key": key, "Message-ID": _message_id(key)},
    )
    if html:
        message.attach_alternative(html, "text/html")
    for file in _files(params.get("attachments") or []):
        message.attach(file.filename, file.content, file.content_type.partition(";")[0])
    return message


def _without_secrets(text: str) -> str:
    """A mail is read by many, and kept: no secret of ours goes into one."""
    return redact_text(text, patterns=False)


def _sender(wanted: str, connection: dict[str, Any]) -> str | None:
    """The From header; None stands for the site's own address."""
    own = connection.get("from_address")
    allowed = {address.lower() for address in (own, *(connection.get("senders") or [])) if address}
    if wanted and wanted.lower() not in allowed:
        raise invalid_input(
            f"{wanted!r} is not one of the connection's senders: {', '.join(sorted(allowed)) or 'none'}"
        )
    if not own:
        return None
    name = _one_line(connection.get("from_name") or "", "from_name").replace("\\", "").replace('"', "")
    return f'"{name}" <{wanted or own}>' if name else wanted or own


def _addresses(value: Any, name: str) -> list[str]:
    addresses = [value] if isinstance(value, str) else value or []
    if not isinstance(addresses, list):
        raise invalid_input(f"{name} must be an address or a list of addresses")
    for address in addresses:
        try:
            validate_email(address)
        except (ValidationError, TypeError) as error:
            raise invalid_input(f"{name}: {str(address)[:200]!r} is not an email address") from error
    return addresses


def _one_line(text: str, name: str) -> str:
    if any(character in text for character in "\r\n\0") or len(text) > 900:
        raise invalid_input(f"{name} must be one line of at most 900 characters")
    return text


def _files(values: list[Any]) -> list[File]:
    if len(values) > MAX_ATTACHMENTS:
        raise invalid_input(f"a message has at most {MAX_ATTACHMENTS} attachments")
    files = [File.read(value, f"attachments[{index}]") for index, value in enumerate(values)]
    if sum(len(file.content) for file in files) > MAX_ATTACHED_BYTES:
        raise invalid_input(f"the attachments are larger than {MAX_ATTACHED_BYTES:,} bytes together")
    for file in files:
        if _EXECUTABLE.search(normalized_filename(file.filename)):
            raise invalid_input(f"{file.filename} is a program; mail servers refuse such attachments")
    return files


def _message_id(key: str) -> str:
    """The same on every attempt, so that a receiver can tell a repeated message."""
    domain = settings.DEFAULT_FROM_EMAIL.rpartition("@")[2].strip("> ") or "localhost"
    return f"<{hashlib.sha256(key.encode()).hexdigest()[:32]}@{domain}>"


def _server(connection: dict[str, Any]) -> MailServer:
    return MailServer(
        host=connection["host"],
        port=connection.get("port") or 587,
        security=connection.get("security") or "starttls",
        username=connection.get("username") or "",
        password=connection.get("password") or "",
        authorities=connection.get("authorities") or "",
    )


def _deliver(message: EmailMultiAlternatives, connection: dict[str, Any], context: dict[str, Any]) -> dict[str, str]:
    return send_mail(
        context["network"],
        _server(connection),
        sender=message.from_email.rpartition("<")[2].rstrip(">"),
        recipients=message.recipients(),
        message=message.message(policy=email.policy.SMTP).as_bytes(),
    )

"""Email connector: one message through the connection's mail server, or the site's own where none is named."""

from __future__ import annotations

import email.policy
import re
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMultiAlternatives
from django.core.validators import validate_email
from django.utils.html import strip_tags

from automate_connectors.adapters.base import ConnectorAdapter, ConnectorError
from automate_connectors.adapters.tables import read_tables
from automate_connectors.context import Files
from automate_connectors.files.contents import read_file
from automate_connectors.mail.message_ids import make_message_id
from automate_connectors.web import File, invalid_input, normalized_filename
from automate_egress import EgressError, MailError
from automate_egress.mail import MailServer, check_mail, send_mail
from automate_governance.redaction.redactor import redact_text
from automate_plugins import ntext, text

MAX_RECIPIENTS = 50
MAX_ATTACHMENTS = 10
MAX_ATTACHED_BYTES = 10_000_000
MAX_TEXT = 1_000_000
# What mail programs run or mail servers refuse for it.
_EXECUTABLE = re.compile(
    r"\.(ade|adp|apk|app|bat|chm|cmd|com|cpl|dll|dmg|exe|hta|img|ins|iso|isp|jar|js|jse|lib|lnk|mde|msc|msi|msp|mst|"
    r"nsh|pif|ps1|scr|sct|shb|sys|vb|vbe|vbs|vhd|vxd|wsc|wsf|wsh)$",
    re.IGNORECASE,
)


_TABLES = read_tables(Path(__file__).with_suffix(".yaml"), max_recipients=MAX_RECIPIENTS)


class EmailConnector(ConnectorAdapter):
    """`send` sends one message. Without a connection it goes through the site's mailer, from the site's address."""

    code = "email"
    name = text("Email")
    description = text("Send an email")
    icon = "mail"
    hue = 20
    takes_sign_in = False
    config_fields = _TABLES.settings
    actions = _TABLES.actions

    def validate_config(self, config: dict[str, Any]) -> None:
        """Check the addresses and what signing in needs. Raises ConnectorError, ValueError."""
        _addresses([config.get("from_address"), *(config.get("senders") or [])], "from_address")
        if bool(config.get("username")) != bool(config.get("password")):
            raise ValueError(text("Enter both a username and a password, or neither."))
        if config.get("password") and config.get("security") == "none":
            raise ValueError(text("A password requires encryption. Select STARTTLS or implicit TLS."))

    def own_hosts(self, config: dict[str, Any]) -> tuple[str, ...]:
        """The mail server."""
        return (config["host"],) if isinstance(config.get("host"), str) else ()

    def execute(self, action: str, params: dict[str, Any], context: dict[str, Any]) -> Any:
        """Send the message; the output names the recipients, and those that the server refused."""
        connection = context.get("connection") or {}
        message = _message(params, connection, context)
        count = len(message.recipients())
        context["log"](ntext("Sending to %(count)s recipient.", "Sending to %(count)s recipients.", count))
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
            reason = text("The mail server rejected the message: %(reason)s", reason=str(error))
            raise ConnectorError(reason, code="mail_failed", retryable=True) from error
        return {"to": message.to, "cc": message.cc, **({"refused": refused} if refused else {})}

    def describe(self, action: str, params: dict[str, Any], context: dict[str, Any]) -> dict[str, Any]:
        """The message: who gets it from whom, its subject and its text."""
        message = _message(params, context.get("connection") or {}, context)
        described = {
            "summary": text("Email to %(to)s: %(subject)s", to=", ".join(message.to), subject=message.subject),
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
        if server.username:
            return text("Signed in to %(name)s as %(user)s.", name=server.host, user=server.username)
        return text("Connected to %(name)s.", name=server.host)


def _message(params: dict[str, Any], connection: dict[str, Any], context: dict[str, Any]) -> EmailMultiAlternatives:
    key = context["idempotency_key"]
    names = ("to", "cc", "bcc", "reply_to")
    to, cc, bcc, reply_to = (_addresses(params.get(name), name) for name in names)
    if not to or len(to) + len(cc) + len(bcc) > MAX_RECIPIENTS or len(reply_to) > MAX_RECIPIENTS:
        raise invalid_input(text("Enter between 1 and %(maximum)s recipients.", maximum=MAX_RECIPIENTS))
    subject, plain, html = (_without_secrets(params.get(name) or "") for name in ("subject", "text", "html"))
    if not plain and not html:
        raise invalid_input(text("Enter a text or an HTML body."))
    if len(plain) > MAX_TEXT or len(html) > MAX_TEXT:
        raise invalid_input(text("Text and HTML can have up to %(count)s characters each.", count=MAX_TEXT))
    _one_line(subject, "subject")
    message = EmailMultiAlternatives(
        subject=subject,
        body=plain or strip_tags(html).strip(),
        from_email=_sender(params.get("sender") or "", connection),
        to=to,
        cc=cc,
        bcc=bcc,
        reply_to=reply_to,
        headers={"X-Idempotency-Key": key, "Message-ID": make_message_id(key)},
    )
    if html:
        message.attach_alternative(html, "text/html")
    for file in _files(params.get("attachments") or [], context.get("files")):
        message.attach(file.filename, file.content, file.content_type.partition(";")[0])
    return message


def _without_secrets(content: str) -> str:
    """A mail is read by many, and kept: no secret of ours goes into one."""
    return redact_text(content, patterns=False)


def _sender(wanted: str, connection: dict[str, Any]) -> str | None:
    """The From header; None stands for the site's own address."""
    own = connection.get("from_address")
    allowed = {address.lower() for address in (own, *(connection.get("senders") or [])) if address}
    if wanted and wanted.lower() not in allowed:
        raise invalid_input(
            text(
                "%(address)s is not a sender of this connection. Senders: %(known)s.",
                address=wanted,
                known=", ".join(sorted(allowed)),
            )
            if allowed
            else text("Select a connection to send from %(address)s.", address=wanted)
        )
    if not own:
        return None
    name = _one_line(connection.get("from_name") or "", "from_name").replace("\\", "").replace('"', "")
    return f'"{name}" <{wanted or own}>' if name else wanted or own


def _addresses(value: Any, name: str) -> list[str]:
    addresses = [value] if isinstance(value, str) else value or []
    if not isinstance(addresses, list):
        raise invalid_input(text("%(name)s must be an address or a list of addresses.", name=name))
    for address in addresses:
        try:
            validate_email(address)
        except (ValidationError, TypeError) as error:
            message = text("%(name)s: %(value)s is not an email address.", name=name, value=repr(str(address)[:200]))
            raise invalid_input(message) from error
    return addresses


def _one_line(line: str, name: str) -> str:
    if any(character in line for character in "\r\n\0") or len(line) > 900:
        raise invalid_input(text("%(name)s must be one line of up to %(count)s characters.", name=name, count=900))
    return line


def _files(values: list[Any], store: Files | None) -> list[File]:
    if len(values) > MAX_ATTACHMENTS:
        raise invalid_input(text("A message can have up to %(count)s attachments.", count=MAX_ATTACHMENTS))
    files = [read_file(value, f"attachments[{index}]", store) for index, value in enumerate(values)]
    if sum(len(file.content) for file in files) > MAX_ATTACHED_BYTES:
        size = MAX_ATTACHED_BYTES // 1_000_000
        raise invalid_input(text("The attachments are larger than %(size)s MB in total.", size=size))
    for file in files:
        if _EXECUTABLE.search(normalized_filename(file.filename)):
            raise invalid_input(
                text("%(name)s is a program. Mail servers reject such attachments.", name=file.filename)
            )
    return files


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

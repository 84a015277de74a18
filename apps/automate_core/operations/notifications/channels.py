"""Channels of messages: mail, Slack through a connection, and signed webhooks.

Each attempt of a message carries the same id, so that a recipient can recognise a repetition.
"""

from __future__ import annotations

import datetime as dt
import json
import time
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, mailers
from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.connection_test import build_call_context
from automate_connectors.invocation import invoke
from automate_connectors.models import Connection
from automate_connectors.outbound import http_session
from automate_core.conf import named
from automate_core.models import Notification, NotificationRule
from automate_core.operations.notifications import approval_mail, texts
from automate_core.webhooks.schemes.registry import scheme_for
from automate_egress import EgressError
from automate_governance.people.locale import person_locale
from automate_governance.permissions import can
from automate_governance.redaction.redactor import redact_text, redactor_context
from automate_governance.secrets.interfaces import SecretNotFoundError, SecretUnavailableError
from automate_governance.secrets.resolver import resolve
from automate_governance.texts import kept_text
from automate_plugins import text
from automate_plugins.registry import PluginNotFoundError
from automate_plugins.texts import restored

WEBHOOK_SECONDS = 15.0
_NON_SENDING_BACKENDS = ("console.EmailBackend", "dummy.EmailBackend", "filebased.EmailBackend")
_RETRYABLE_STATUSES = {408, 425, 429}  #: statuses below 500 after which the same may go well


class NotDeliveredError(Exception):
    """A failed delivery; the message is for people. `again` says that a later attempt may succeed."""

    def __init__(self, message: str, *, again: bool) -> None:
        shown = redact_text(message)[:500]
        super().__init__(restored(kept_text(message, shown), shown))
        self.again = again


def can_mail() -> bool:
    """Whether the site has a mail server, and not a backend that only prints or stores messages."""
    if hasattr(settings, "MAILERS"):
        config = mailers.settings.get("default")
        backend = config.get("BACKEND", "") if config is not None else "dummy.EmailBackend"
    else:
        backend = settings.EMAIL_BACKEND
    return not str(backend).endswith(_NON_SENDING_BACKENDS)


def no_mail_message() -> str:
    """The message where the site cannot send mail."""
    return text(
        "This site cannot send email yet. An administrator must configure a mail server in %(setting)s.",
        setting=named("MAILERS"),
    )


def deliver(notification: Notification) -> None:
    """Send a message through its channel. Raises NotDeliveredError."""
    with redactor_context():
        _hand_over(notification)


def _hand_over(notification: Notification) -> None:
    match notification.channel:
        case NotificationRule.Channel.EMAIL:
            _send_mail(notification)
        case NotificationRule.Channel.SLACK:
            _post_to_slack(notification, _existing_rule(notification))
        case NotificationRule.Channel.WEBHOOK:
            _call_webhook(notification, _existing_rule(notification))


def _existing_rule(notification: Notification) -> NotificationRule:
    if notification.rule is None:
        raise NotDeliveredError(text("The rule was removed."), again=False)
    return notification.rule


def notification_reason(notification: Notification) -> str:
    """The sentence that says why a person gets a message, in the active language."""
    if notification.wait_id is not None:
        return _("You received this email because you can decide this approval.")
    if notification.kind == Notification.TEST or notification.rule is None:
        return _("This is a test of a notification rule. Nothing has happened.")
    rule = notification.rule.get_kind_display()
    return _("You received this email because of the notification rule “%(rule)s”.") % {"rule": rule}


# --- mail -------------------------------------------------------------------------------------------------------------


def _send_mail(notification: Notification) -> None:
    if not can_mail():
        raise NotDeliveredError(no_mail_message(), again=False)
    with person_locale(notification.person):
        mail = _build_mail(notification)
    try:
        mail.send()
    except OSError as error:  # SMTP's errors are
        raise NotDeliveredError(
            text("The mail server responded: %(reply)s", reply=_smtp_reply(error)), again=not _is_final(error)
        ) from error
    except ValueError as error:  # a header or an address that is none
        raise NotDeliveredError(text("Sending the email failed: %(error)s", error=str(error)), again=False) from error


def _build_mail(notification: Notification) -> EmailMultiAlternatives:
    """The mail in the active language and time zone: those of its recipient."""
    facts, count, why = notification.facts, notification.count, notification_reason(notification)
    if notification.wait_id is not None:
        subject, message, due, url = approval_mail.approval_text(notification)
        decide = _("Decide here: %(url)s") % {"url": url}
        body = "\n\n".join(part for part in (message, due, f"{decide}\n") if part)
        shown = [{"text": message or subject, "when": due, "url": url, "link": _("Decide")}]
    else:
        subject, body = texts.subject_line(facts, count), texts.plain_text(facts, count, why)
        shown = [
            {"text": texts.fact_text(each), "when": texts.fact_time(each), "url": each["url"], "link": _("Open")}
            for each in facts
        ]
    more = texts.more_text(count - len(facts)) if facts else []
    html = render_to_string("automate_core/notification.html", {"facts": shown, "more": more, "why": why})
    mail = EmailMultiAlternatives(
        redact_text(subject),
        redact_text(body),
        to=[notification.target],
        headers={"Message-ID": f"<{notification.pk}@automate>", "Auto-Submitted": "auto-generated"},
    )
    mail.attach_alternative(redact_text(html), "text/html")
    return mail


def _smtp_reply(error: OSError) -> str:
    """The server's reply, the readable part of SMTP's errors."""
    for _status, reply in getattr(error, "recipients", {}).values():
        return _decode_reply(reply)
    reply = getattr(error, "smtp_error", None)
    return f"{getattr(error, 'smtp_code', '')} {_decode_reply(reply)}".strip() if reply is not None else str(error)


def _is_final(error: OSError) -> bool:
    """Whether the server rejects this recipient or this message permanently."""
    statuses = [status for status, _reply in getattr(error, "recipients", {}).values()]
    return bool(statuses) and all(status >= 500 for status in statuses)


def _decode_reply(reply: Any) -> str:
    return reply.decode("utf-8", "replace") if isinstance(reply, bytes) else str(reply)


# --- Slack ------------------------------------------------------------------------------------------------------------


def _post_to_slack(notification: Notification, rule: NotificationRule) -> None:
    """Post in the name of the rule's author, who needs the permission to use the connection."""
    connection = Connection.objects.filter(slug=rule.connection, connector="slack").first()
    if connection is None:
        raise NotDeliveredError(text("Slack connection %(name)s not found.", name=rule.connection), again=False)
    author = rule.author
    if author is None or not can(author, "use", connection):
        raise NotDeliveredError(_missing_use(author.get_username() if author else "", str(connection)), again=False)
    with person_locale(None):
        params = {"channel": rule.room, "text": _slack_text(notification)}
    try:
        adapter = connection.adapter
        given = {**build_call_context(connection, author), "idempotency_key": notification.pk.hex}
        invoke(adapter, adapter.action("post_message"), params, given)
    except ConnectorError as error:
        raise NotDeliveredError(error.message, again=error.retryable) from error
    except SecretUnavailableError as error:
        raise NotDeliveredError(str(error), again=True) from error
    except (SecretNotFoundError, PluginNotFoundError) as error:
        raise NotDeliveredError(str(error), again=False) from error


def _missing_use(author: str, connection: str) -> str:
    if not author:
        return text("The author of this rule is not permitted to use the connection %(name)s.", name=connection)
    return text(
        "%(author)s needs the Use permission for the connection %(name)s.",
        author=author,
        name=connection,
    )


def _slack_text(notification: Notification) -> str:
    """The message in the active language: that of the site."""
    link = _mrkdwn(_("Open"))
    facts = [f"{_mrkdwn(texts.fact_text(each))} <{_mrkdwn(each['url'])}|{link}>" for each in notification.facts]
    return "\n".join([*facts, *map(_mrkdwn, texts.more_text(notification.count - len(facts)))])


def _mrkdwn(plain: str) -> str:
    """Text escaped for Slack: https://docs.slack.dev/messaging/formatting-message-text#escaping"""
    return plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("|", "\u2502")


# --- webhooks ---------------------------------------------------------------------------------------------------------


def webhook_payload(notification: Notification) -> dict[str, Any]:
    """The payload of a webhook."""
    return {
        "type": f"notification.{notification.kind}",
        "timestamp": dt.datetime.now(dt.UTC).isoformat(),
        "data": {
            "id": str(notification.pk),
            "count": notification.count,
            "happened": texts.public_facts(notification.facts),
            "workflow": notification.workflow.slug if notification.workflow else None,
        },
    }


def _call_webhook(notification: Notification, rule: NotificationRule) -> None:
    """Signed as Standard Webhooks has it, with a secret of the rule's own."""
    body = json.dumps(webhook_payload(notification)).encode()
    try:
        secret = resolve(rule.secret).reveal()
        signed = scheme_for("standard", {}).sign(
            secret, body, event_type="", delivery=str(notification.pk), url=rule.url
        )
        answer = http_session(deadline=time.monotonic() + WEBHOOK_SECONDS).request(
            "POST",
            rule.url,
            data=body,
            headers={**signed, "Content-Type": "application/json"},
            follow_redirects=False,
        )
    except SecretUnavailableError as error:
        raise NotDeliveredError(str(error), again=True) from error
    except SecretNotFoundError as error:
        raise NotDeliveredError(str(error), again=False) from error
    except EgressError as error:
        raise NotDeliveredError(str(error), again=error.retryable) from error
    if not 200 <= answer.status < 300:
        again = answer.status >= 500 or answer.status in _RETRYABLE_STATUSES
        raise NotDeliveredError(
            text("%(target)s responded with HTTP %(status)s.", target=notification.target, status=str(answer.status)),
            again=again,
        )

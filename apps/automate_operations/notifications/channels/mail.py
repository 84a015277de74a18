"""Email: to the owner of a workflow, to people and to addresses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.core.mail import EmailMultiAlternatives, mailers
from django.core.validators import validate_email
from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from automate_core.conf import named
from automate_core.models import Notification, NotificationRule
from automate_governance.people.locale import person_locale
from automate_governance.people.names import email_of, sign_in_name
from automate_governance.permissions import Person
from automate_governance.redaction.redactor import redact_text
from automate_operations.notifications import approval_mail, texts
from automate_operations.notifications.channels.base import Channel
from automate_operations.notifications.channels.contract import NotDeliveredError
from automate_operations.notifications.rule_values import Incident, RuleValues, Target, may_be_notified
from automate_plugins import text

MOST_ADDRESSES = 20
_NON_SENDING_BACKENDS = ("console.EmailBackend", "dummy.EmailBackend", "filebased.EmailBackend")


class EmailChannel(Channel):
    """Mail through the site's mail server."""

    code = "email"
    name = text("Email")
    description = text("Emails through the mail server of the site")
    icon = "mail"
    rule_fields = frozenset({"to_owner", "people", "addresses"})

    def targets(self, rule: NotificationRule, incident: Incident) -> Iterable[Target]:
        return dict.fromkeys(_addresses(rule, incident))

    def deliver(self, notification: Notification) -> None:
        _send_mail(notification)

    def problems(
        self, rule: NotificationRule, values: RuleValues, people: list[Any], by: Person
    ) -> Iterator[tuple[str, str]]:
        return _mail_problems(rule, values, people)

    def places(self, rule: NotificationRule) -> list[str]:
        owner = ["the owner"] if rule.to_owner else []
        return [*(sign_in_name(person) for person in rule.people.all()), *rule.addresses, *owner]


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


def _addresses(rule: NotificationRule, incident: Incident) -> Iterator[Target]:
    people = [person for person in rule.people.all() if person.is_active and may_be_notified(person, rule.workflow)]
    instead: list[Target] = []
    if rule.to_owner and incident.owner is not None:
        muted = incident.workflow is not None and rule.muted_for.filter(pk=incident.workflow.pk).exists()
        people += [incident.owner] if incident.owner.is_active and not muted else []
        instead = [] if incident.owner.is_active or muted else administrators()
    seen: set[str] = set()
    for target in (*(Target(email_of(person), person) for person in people), *instead, *map(Target, rule.addresses)):
        if target.name and target.name.lower() not in seen:
            seen.add(target.name.lower())
            yield target


def administrators() -> list[Target]:
    """The people who are told in place of an owner who left."""
    people = get_user_model()._default_manager.filter(is_superuser=True, is_active=True).order_by("pk")
    return [Target(email_of(person), person) for person in people[:MOST_ADDRESSES] if email_of(person)]


def _mail_problems(rule: NotificationRule, values: RuleValues, people: list[Any]) -> Iterator[tuple[str, str]]:
    found = {sign_in_name(person): person for person in people}
    for name in values.people:
        person = found.get(name)
        if person is None:
            yield "people", _("No active account named %(name)s.") % {"name": name}
        elif not email_of(person):
            yield "people", _("%(name)s has no email address.") % {"name": name}
        elif not may_be_notified(person, rule.workflow):
            if rule.workflow:
                said = _("%(name)s cannot view this workflow. Share it with them first.")
            else:
                said = _("%(name)s cannot view all workflows.")
            yield "people", said % {"name": name}
    for address in values.addresses:
        try:
            validate_email(address)
        except ValidationError:
            yield "addresses", _("%(address)s is not an email address.") % {"address": address}
    if len(values.addresses) + len(values.people) > MOST_ADDRESSES:
        yield "addresses", _("Enter at most %(count)s people and addresses.") % {"count": MOST_ADDRESSES}
    if not (values.to_owner or values.people or values.addresses):
        yield "people", _("Choose at least one recipient: the owner, people or addresses.")


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
    facts, count, why = notification.facts, notification.count, texts.notification_reason(notification)
    if notification.wait_id is not None:
        asked = approval_mail.approval_text(notification)
        subject, body = asked.subject, asked.plain
        shown = [
            {"text": asked.title, "message": asked.message, "details": asked.details, "when": asked.due,
             "url": asked.url, "link": _("Decide")}
        ]  # fmt: skip
    else:
        subject, body = texts.subject_line(facts, count), texts.plain_text(facts, count, why)
        shown = [
            {"text": sentence, "link": _("Open"), **_where(alike)} for sentence, alike in texts.gather_alike(facts)
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


def _where(alike: list[texts.Fact]) -> dict[str, Any]:
    """The time and page of one fact, or a list of them."""
    places = [{"when": texts.fact_time(each), "url": each["url"]} for each in alike]
    return places[0] if len(places) == 1 else {"places": places}


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

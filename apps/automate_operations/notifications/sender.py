"""Sending: a message is leased by one worker, sent outside any transaction, and settled.

The number of the attempt is the lease's token: when a worker dies, another follows, and a late one settles nothing. So
each message is sent at least once, and twice only where a worker was lost in between.
"""

from __future__ import annotations

import datetime as dt
import logging

from django.db import transaction
from django.db.models import F, Q

from automate_core import database
from automate_core.models import Notification
from automate_core.states import NOTIFICATION_EDGES, NotificationStatus, move
from automate_governance.texts import kept_text
from automate_operations.notifications import approval_mail, messages
from automate_operations.notifications.channels import delivery, mail
from automate_operations.notifications.channels.contract import NotDeliveredError
from automate_plugins import text

LEASE = dt.timedelta(minutes=5)  #: longer than any attempt takes
PAUSES = tuple(dt.timedelta(minutes=minutes) for minutes in (1, 5, 30, 120))  #: before the attempts after the first

log = logging.getLogger(__name__)

#: SQL: whether a message is to be sent.
DUE = """EXISTS (SELECT FROM automate_core_notification WHERE status = 'waiting' AND send_at <= automate_now()
    AND (taken_until IS NULL OR taken_until < automate_now()))"""


def send_next() -> float | None:
    """Send the message that is due first; gives 0 when there may be more."""
    notification = _lease_next()
    if notification is None:
        return None
    attempt_delivery(notification)
    return 0.0


def attempt_delivery(notification: Notification) -> None:
    """Send a leased message, and store the outcome."""
    reason = _drop_reason(notification)
    if reason:
        _settle(notification, NotificationStatus.DROPPED, **_reason(reason))
        return
    if notification.person is not None and not notification.person.is_active:
        _replace_inactive(notification)
        return
    try:
        delivery.deliver(notification)
    except NotDeliveredError as error:
        log.warning("notification %s: %s", notification.pk, error)
        _postpone(notification, str(error), again=error.again)
    except Exception as error:  # one message holds up no other
        log.exception("notification %s could not be sent", notification.pk)
        _postpone(notification, text("Sending failed: %(error)s.", error=type(error).__name__), again=True)
    else:
        _settle(notification, NotificationStatus.SENT, sent_at=database.AutomateNow())


@transaction.atomic
def _lease_next() -> Notification | None:
    now = database.AutomateNow()
    free = Q(taken_until=None) | Q(taken_until__lt=now)
    due = Notification.objects.filter(free, status=NotificationStatus.WAITING, send_at__lte=now)
    related = due.select_related("rule__author", "workflow", "person")
    notification = related.order_by("send_at", "pk").select_for_update(skip_locked=True, of=("self",)).first()
    if notification is not None:
        notification.attempts += 1
        Notification.objects.filter(pk=notification.pk).update(attempts=F("attempts") + 1, taken_until=now + LEASE)
    return notification


@transaction.atomic
def _replace_inactive(notification: Notification) -> None:
    """Send to the administrators what an owner should have had who left meanwhile. Of others, say that it is lost."""
    rule, person = notification.rule, notification.person
    was_owner = rule is not None and rule.to_owner and person not in rule.people.all()
    targets = mail.administrators() if was_owner else []
    if rule is None or not targets:
        reason = text("No one was reached: the account is not active.")
        _settle(notification, NotificationStatus.FAILED, **_reason(reason))
        return
    for target in targets:
        Notification.objects.create(
            **messages.target_columns(rule, target),
            kind=notification.kind,
            workflow=notification.workflow,
            facts=notification.facts,
            count=notification.count,
            send_at=database.AutomateNow(),
        )
    reason = text("The account is not active. The administrators were notified instead.")
    _settle(notification, NotificationStatus.DROPPED, **_reason(reason))


def _drop_reason(notification: Notification) -> str:
    """The reason to drop a message; empty when it is to be sent."""
    if notification.wait_id is not None:
        return "" if approval_mail.is_needed(notification) else text("The approval was decided or delegated.")
    if notification.rule is None or notification.rule.removed_at is not None:
        return text("The rule was removed.")
    if notification.kind != Notification.TEST and not notification.rule.is_on:
        return text("The rule is turned off.")
    return ""


def _postpone(notification: Notification, reason: str, *, again: bool) -> None:
    if not again or notification.attempts > len(PAUSES) or notification.kind == Notification.TEST:
        _settle(notification, NotificationStatus.FAILED, **_reason(reason))
        return
    send_at = database.AutomateNow() + PAUSES[notification.attempts - 1]
    _leased_row(notification).update(**_reason(reason), taken_until=None, send_at=send_at)


def _settle(notification: Notification, status: NotificationStatus, **values: object) -> None:
    move(NOTIFICATION_EDGES, NotificationStatus.WAITING, status)
    _leased_row(notification).update(**{"status": status, "taken_until": None, **_reason(""), **values})


def _reason(reason: str) -> dict[str, object]:
    """Columns of a reason: what it says in English, and what it is translated from."""
    return {"error": reason, "error_text": kept_text(reason, reason)}


def _leased_row(notification: Notification):  # type: ignore[no-untyped-def]
    """The row, as long as no other worker has leased it since."""
    return Notification.objects.filter(
        pk=notification.pk, attempts=notification.attempts, status=NotificationStatus.WAITING
    )

"""Reminders of approvals that nobody has decided: one mail to each person who was asked."""

from __future__ import annotations

import datetime as dt
import logging

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import Q
from django.urls import NoReverseMatch, reverse

from automate_core.models import Wait
from automate_core.states import WaitStatus
from automate_core.waking import DatabaseNow

BATCH = 50
AGAIN_AFTER = dt.timedelta(minutes=5)

log = logging.getLogger(__name__)

#: SQL: whether somebody is to be reminded.
DUE = "EXISTS (SELECT FROM automate_core_wait WHERE status = 'open' AND remind_at <= automate_now())"


def remind() -> float | None:
    """Remind those whose time has come; gives 0 when there may be more.

    A reminder is taken before it is sent, so that two processes do not both send it; what the mail server refuses is
    tried again later.
    """
    waits = _take()
    for wait in waits:
        try:
            _mail(wait)
        except OSError as error:  # SMTP's errors are
            log.warning("approval %s: no reminder could be sent: %s", wait.pk, error)
            Wait.objects.filter(pk=wait.pk).update(remind_at=DatabaseNow() + AGAIN_AFTER)
    return 0.0 if len(waits) == BATCH else None


@transaction.atomic
def _take() -> list[Wait]:
    due = Wait.objects.filter(status=WaitStatus.OPEN, remind_at__lte=DatabaseNow()).order_by("remind_at")
    waits = list(due.select_related("run__workflow").select_for_update(skip_locked=True, of=("self",))[:BATCH])
    Wait.objects.filter(pk__in=[wait.pk for wait in waits]).update(remind_at=None)
    return waits


def _mail(wait: Wait) -> None:
    """One mail for each, so that nobody sees who else was asked."""
    people = get_user_model()._default_manager.filter(
        Q(pk__in=wait.assignees.values("user")) | Q(groups__in=wait.assignees.values("group")), is_active=True
    )
    data = wait.data or {}
    name = " ".join(str(data.get("name") or wait.path).split())
    text = f"{data.get('message', '')}\n\nDecide here: {_address(wait)}\n".lstrip()
    for address in people.exclude(email="").values_list("email", flat=True).distinct():
        EmailMessage(f"Reminder: {name}, {wait.run.workflow.name}"[:200], text, to=[address]).send()


def _address(wait: Wait) -> str:
    try:
        return f"{settings.AUTOMATE_SITE_URL}{reverse('studio:approval_page', args=[wait.pk])}"
    except NoReverseMatch:  # a project without the screens
        return str(settings.AUTOMATE_SITE_URL)

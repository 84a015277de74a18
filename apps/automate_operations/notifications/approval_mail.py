"""Mail to assignees: when an approval opens or is delegated to them, and as a reminder.

Each person gets their own message, so that no address is disclosed, and a rejected one delays no other.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from automate_core import database
from automate_core.models import Notification, Wait, WaitAssignee
from automate_core.runs.waits import approvals
from automate_core.states import FINAL_RUN_STATES, WaitStatus
from automate_governance.people.names import email_of
from automate_governance.permissions import Person
from automate_operations.notifications import texts

BATCH = 50
LONGEST_DETAIL = 500  #: characters; the page shows more

#: SQL: whether there is an assignee to notify.
APPROVAL_MAIL_DUE = "EXISTS (SELECT FROM automate_core_waitassignee WHERE NOT told AND NOT excluded)"
#: SQL: whether a reminder is due.
REMINDER_DUE = "EXISTS (SELECT FROM automate_core_wait WHERE status = 'open' AND remind_at <= automate_now())"


@transaction.atomic
def queue_approval_mail() -> float | None:
    """Queue mail to new assignees; gives 0 when there is some to send, or more."""
    unnotified = WaitAssignee.objects.filter(told=False, excluded=False).order_by("wait", "pk")
    rows = list(unnotified.select_related("wait__run").select_for_update(skip_locked=True, of=("self",))[:BATCH])
    by_wait: dict[Wait, list[WaitAssignee]] = {}
    for row in rows:
        if row.wait.status == WaitStatus.OPEN:
            by_wait.setdefault(row.wait, []).append(row)
    for wait, new in by_wait.items():
        _queue(Notification.APPROVAL, wait, new)
    WaitAssignee.objects.filter(pk__in=[row.pk for row in rows]).update(told=True)
    return 0.0 if rows else None


@transaction.atomic
def queue_reminders() -> float | None:
    """Queue reminders that are due; gives 0 when there are some to send, or more."""
    due = Wait.objects.filter(status=WaitStatus.OPEN, remind_at__lte=database.AutomateNow()).order_by("remind_at")
    waits = list(due.select_related("run").select_for_update(skip_locked=True, of=("self",))[:BATCH])
    for wait in waits:
        _queue(Notification.REMINDER, wait, wait.assignees.filter(excluded=False))
    Wait.objects.filter(pk__in=[wait.pk for wait in waits]).update(remind_at=None)
    return 0.0 if waits else None


def is_needed(notification: Notification) -> bool:
    """Whether the approval is still open, and the person still assigned."""
    person = notification.person
    return person is not None and approvals.open_approvals_for(person).filter(notifications=notification).exists()


@dataclass(frozen=True, kw_only=True)
class ApprovalText:
    """A mail about an approval: its title, what is asked, the details (label, value), the deadline and the page."""

    subject: str
    title: str
    message: str
    details: list[tuple[str, str]]
    due: str
    url: str

    @property
    def plain(self) -> str:
        """The mail without markup."""
        details = "\n".join(f"{label}: {value}" for label, value in self.details)
        decide = _("Decide here: %(url)s") % {"url": self.url}
        return "\n\n".join(part for part in (self.message or self.title, details, self.due, f"{decide}\n") if part)


def approval_text(notification: Notification) -> ApprovalText:
    """A mail about an approval, in the active language."""
    wait = Wait.objects.select_related("run__workflow").get(notifications=notification)
    data = wait.data or {}
    names = {"approval": approvals.approval_name(wait), "workflow": wait.run.workflow.name}
    if notification.kind == Notification.REMINDER:
        subject = _("Reminder: %(approval)s, %(workflow)s") % names
    else:
        subject = f"{names['approval']}, {names['workflow']}"
    return ApprovalText(
        subject=" ".join(subject.split())[:200],
        title=" ".join(f"{names['approval']}, {names['workflow']}".split()),
        message=str(data.get("message", "")).strip(),
        details=[(str(fact["label"]), _detail_text(fact["value"])) for fact in data.get("context", [])],
        due=_("Due %(time)s") % {"time": texts.format_moment(wait.due_at)} if wait.due_at else "",
        url=texts.page_url("studio:approval_page", wait.pk),
    )


def _detail_text(value: Any) -> str:
    if value is None or value == "":
        return _("Not set")
    written = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return written if len(written) <= LONGEST_DETAIL else f"{written[:LONGEST_DETAIL]} …"


def _queue(kind: str, wait: Wait, assignees: Iterable[WaitAssignee]) -> None:
    now = database.now()
    Notification.objects.bulk_create(
        Notification(
            kind=kind,
            wait=wait,
            workflow_id=wait.run.workflow_id,
            channel=Notification.Channel.EMAIL,
            target=email_of(person),
            person=person,
            count=1,
            send_at=now,
        )
        for person in _recipients(wait, assignees)
        if wait.run.status not in FINAL_RUN_STATES
    )


def _recipients(wait: Wait, assignees: Iterable[WaitAssignee]) -> Iterable[Person]:
    """The active people with an address among them, each once; those who may not decide are left out."""
    rows = list(assignees)
    assigned = Q(pk__in=[row.user_id for row in rows]) | Q(groups__in=[row.group_id for row in rows if row.group_id])
    barred = wait.assignees.filter(excluded=True).values("user")
    people = get_user_model()._default_manager.filter(assigned, is_active=True).exclude(pk__in=barred).distinct()
    return [person for person in people if email_of(person)]

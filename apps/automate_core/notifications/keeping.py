"""How long the log of notifications is kept, and what rules remember."""

from __future__ import annotations

import datetime as dt

from django.db import transaction

from automate_core import database
from automate_core.conf import setting
from automate_core.models import Notification, Occurrence
from automate_core.states import NotificationStatus

BATCH = 1_000


def due() -> str:
    """SQL: whether something is older than that."""
    if not _days():
        return "false"
    before = f"automate_now() - interval '{_days()} days'"
    return f"""(EXISTS (SELECT FROM automate_core_notification WHERE created_at < {before} AND status <> 'waiting')
        OR EXISTS (SELECT FROM automate_core_occurrence WHERE at < {before}))"""  # noqa: S608 - a whole number


@transaction.atomic
def prune() -> float | None:
    """Let go of a batch of each; gives 0 when there may be more."""
    before = database.AutomateNow() - dt.timedelta(days=_days())
    over = Notification.objects.exclude(status=NotificationStatus.WAITING).filter(created_at__lt=before)
    notifications = list(over.order_by("created_at").select_for_update(skip_locked=True).values_list("pk")[:BATCH])
    old = Occurrence.objects.filter(at__lt=before).order_by("at")
    occurrences = list(old.select_for_update(skip_locked=True).values_list("pk")[:BATCH])
    Notification.objects.filter(pk__in=[pk for (pk,) in notifications]).delete()
    Occurrence.objects.filter(pk__in=[pk for (pk,) in occurrences]).delete()
    return 0.0 if BATCH in {len(notifications), len(occurrences)} else None


def _days() -> int:
    return max(int(setting("AUTOMATE_NOTIFICATION_DAYS")), 0)

"""How long the log of notifications is kept, and what rules remember."""

from __future__ import annotations

import datetime as dt

from django.db import transaction

from automate_core import database
from automate_core.conf import setting
from automate_core.models import Notification, NotificationRule, Occurrence
from automate_core.states import NotificationStatus

BATCH = 1_000
TAKEN_BACK = dt.timedelta(days=1)  #: how long a rule can be taken back that was removed


def due() -> str:
    """SQL: whether something is older than that."""
    removed = """EXISTS (SELECT FROM automate_core_notificationrule
        WHERE removed_at < automate_now() - interval '1 day')"""
    if not _days():
        return removed
    before = f"automate_now() - interval '{_days()} days'"
    return f"""({removed}
        OR EXISTS (SELECT FROM automate_core_notification WHERE created_at < {before} AND status <> 'waiting')
        OR EXISTS (SELECT FROM automate_core_occurrence WHERE at < {before}))"""  # noqa: S608 - a whole number


@transaction.atomic
def prune() -> float | None:
    """Let go of a batch of each; gives 0 when there may be more."""
    NotificationRule.objects.filter(removed_at__lt=database.AutomateNow() - TAKEN_BACK).delete()
    if not _days():
        return None
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

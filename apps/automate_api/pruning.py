"""The maintenance task that deletes idempotent answers after a day."""

from __future__ import annotations

import datetime as dt

from django.utils import timezone

from automate_api.models import IdempotentAnswer

KEPT = dt.timedelta(days=1)
_BATCH = 1_000

#: SQL: whether `prune_answers` has work.
DUE = f"EXISTS (SELECT FROM automate_api_idempotentanswer WHERE created_at < now() - interval '{KEPT.days} day')"


def prune_answers() -> float | None:
    """Delete answers that are older than a day, a batch of them; 0 when there may be more."""
    old = IdempotentAnswer.objects.filter(created_at__lt=timezone.now() - KEPT).order_by("created_at")
    deleted, _rows = IdempotentAnswer.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:_BATCH])).delete()
    return 0.0 if deleted == _BATCH else None

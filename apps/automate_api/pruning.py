"""The end of idempotent answers: deleted after a day, or erased because they hold personal data."""

from __future__ import annotations

import datetime as dt

from django.utils import timezone

from automate_api.models import ApiToken, IdempotentAnswer, ServiceAccount
from automate_operations.erasure.data_kinds import emptied
from automate_operations.erasure.sources import Kind, Source, register_kind
from automate_plugins import ntext, text

KEPT = dt.timedelta(days=1)
_BATCH = 1_000

#: SQL: whether `prune_answers` has work.
DUE = f"EXISTS (SELECT FROM automate_api_idempotentanswer WHERE created_at < now() - interval '{KEPT.days} day')"


def prune_answers() -> float | None:
    """Delete answers that are older than a day, a batch of them; 0 when there may be more."""
    old = IdempotentAnswer.objects.filter(created_at__lt=timezone.now() - KEPT).order_by("created_at")
    deleted, _rows = IdempotentAnswer.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:_BATCH])).delete()
    return 0.0 if deleted == _BATCH else None


def register_erasure() -> None:
    """Have the answers searched for personal data. An erased one still keeps its request from being repeated."""
    register_kind(
        Kind(
            name="answer",
            counted=lambda count: ntext("%(count)s answer of the API", "%(count)s answers of the API", count),
            action=text("Their content is erased. A repeated request gets an empty answer."),
            erase=emptied(IdempotentAnswer, body="", location=""),
        ),
        Source(model=IdempotentAnswer, columns=("key", "location", "body"), kind="answer"),
    )
    register_kind(
        Kind(
            name="token",
            counted=lambda count: ntext(
                "%(count)s token or service account", "%(count)s tokens and service accounts", count
            ),
            action=text("Rename or delete it."),
        ),
        Source(model=ApiToken, columns=("name",), kind="token"),
        Source(model=ServiceAccount, columns=("purpose",), kind="token", key="'service account ' || row.user_id"),
    )

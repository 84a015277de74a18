"""The age of statistics: days as the setting says; hours and failures two months, the longest period of a screen."""

from __future__ import annotations

import datetime as dt

from django.db.models import Model, QuerySet

from automate_core.conf import setting
from automate_core.ids import first_uuid7
from automate_core.models import FailedRun, FailureCount, FailureGroup, QueueLevel, RunCount, RunTime, Span

HOURS_KEPT_DAYS = 62


def expired_rows(now: dt.datetime) -> list[QuerySet[Model]]:
    """Rows that are too old, table by table, each found by an index."""
    before = now - dt.timedelta(days=HOURS_KEPT_DAYS)
    measures = RunTime.Measure.values  # the column between, in the index
    found: list[QuerySet[Model]] = [
        RunCount.objects.filter(span=Span.HOUR, at__lt=before),
        RunTime.objects.filter(span=Span.HOUR, measure__in=measures, at__lt=before),
        FailureCount.objects.filter(at__lt=before),
        FailedRun.objects.filter(pk__lt=first_uuid7(before)),
        FailureGroup.objects.filter(last_at__lt=before),
        QueueLevel.objects.filter(at__lt=before),
    ]
    if days := max(int(setting("AUTOMATE_STATISTICS_DAYS")), 0):
        day = now - dt.timedelta(days=max(days, HOURS_KEPT_DAYS))
        found += [
            RunCount.objects.filter(span=Span.DAY, at__lt=day),
            RunTime.objects.filter(span=Span.DAY, measure__in=measures, at__lt=day),
        ]
    return found

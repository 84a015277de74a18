"""What is counted of calls that a service may ask to repeat at once, so that it cannot do so without end."""

from __future__ import annotations

from django.db import models


class PacedCalls(models.Model):
    """Counts of the calls in a row, and of the events since `counted_from`, for at most an hour.

    `limited_at` is when a limit was reached last; NULL once a series has ended by itself.
    """

    pages_in_row = models.PositiveIntegerField(default=0, db_default=0)
    counted_from = models.DateTimeField(null=True)
    counted_events = models.PositiveIntegerField(default=0, db_default=0)
    limited_at = models.DateTimeField(null=True)

    class Meta:
        abstract = True

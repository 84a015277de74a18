"""How long things are kept, and each going over them to let old ones go."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class SitePolicy(models.Model):
    """How many days the site keeps what is over; 0 is for ever, NULL as the setting says. One row at most.

    Runs are told apart by how they ended, but for tests of drafts; `unmatched` are events that started nothing.
    """

    succeeded = models.PositiveIntegerField(null=True)
    failed = models.PositiveIntegerField(null=True)
    cancelled = models.PositiveIntegerField(null=True)
    tests = models.PositiveIntegerField(null=True)
    unmatched = models.PositiveIntegerField(null=True)

    class Meta:
        default_permissions = ()
        constraints = [models.CheckConstraint(condition=Q(pk=1), name="one_policy")]

    def __str__(self) -> str:
        return "retention"


class Pruning(models.Model):
    """One going over the data. It is done in batches, each of which moves `stage` and `after`, where it has come to.

    `workflow` is the slug of the one that it is about, empty for all. `counts` is what was let go, by kind.
    """

    workflow = models.CharField(max_length=100, blank=True)
    by = models.CharField(max_length=20)
    started_at = models.DateTimeField(db_default=Now())
    moved_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)
    stage = models.PositiveSmallIntegerField(default=0)
    after = models.CharField(max_length=100, blank=True)
    counts = models.JSONField(default=dict)

    class Meta:
        ordering = ["-id"]
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["workflow"], condition=Q(ended_at__isnull=True), name="one_open_pruning_per_scope"
            )
        ]

    def __str__(self) -> str:
        return f"pruning {self.pk}"

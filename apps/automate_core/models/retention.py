"""The retention policy of the site, and the prunings."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class SitePolicy(models.Model):
    """Days that the site keeps data; 0 is for ever, NULL the setting's value. One row at most.

    Runs are distinguished by status, and test runs apart; `unmatched` are events that started no run.
    """

    succeeded = models.PositiveIntegerField(null=True)
    failed = models.PositiveIntegerField(null=True)
    cancelled = models.PositiveIntegerField(null=True)
    tests = models.PositiveIntegerField(null=True)
    unmatched = models.PositiveIntegerField(null=True)

    class Meta:
        verbose_name = _("retention policy")
        verbose_name_plural = _("retention policies")
        default_permissions = ()
        constraints = [models.CheckConstraint(condition=Q(pk=1), name="one_policy")]

    def __str__(self) -> str:
        return "retention"


class Pruning(models.Model):
    """A pass over the data in batches, each of which moves `stage` and `after`, its position.

    `workflow` is the slug of a pruning of one workflow, empty for all. `counts` are the deleted rows by kind.
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
        verbose_name = _("retention pass")
        verbose_name_plural = _("retention passes")
        ordering = ["-id"]
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["workflow"], condition=Q(ended_at__isnull=True), name="one_open_pruning_per_scope"
            )
        ]

    def __str__(self) -> str:
        return f"pruning {self.pk}"

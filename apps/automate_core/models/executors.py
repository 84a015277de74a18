"""Steps that are handed out to pools, and the processes that perform them."""

from __future__ import annotations

from django.db import models
from django.db.models import F
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from automate_core.models.fields import DocumentField
from automate_core.models.runs import ExecutionRun


class HandedOutStep(models.Model):
    """An attempt that a pool has to perform. Its id is that of the open wait of its run, which the outcome resolves.

    `params` are the rendered inputs. A message names the row and its `token`; the claim by `performer` is conditional
    on the token, which grows when a claim ended without an outcome. Before the claim, `due_at` is the time of the next
    message; after it, the deadline of the outcome. `most_claims` limits the claims. A performer of another code
    `version` refuses. The row is deleted with its outcome.
    """

    governed_by = "run__workflow"

    id = models.UUIDField(primary_key=True, editable=False)
    run = models.ForeignKey(ExecutionRun, on_delete=models.CASCADE, related_name="+", db_constraint=False)
    path = models.CharField(max_length=2000)
    attempt = models.PositiveIntegerField()
    pool = models.CharField(max_length=64)
    params = DocumentField()
    seconds = models.FloatField()
    token = models.PositiveIntegerField(db_default=1)
    version = models.CharField(max_length=100, db_default="")
    messages = models.PositiveIntegerField(db_default=0)
    claims = models.PositiveIntegerField(db_default=0)
    most_claims = models.PositiveIntegerField()
    performer = models.CharField(max_length=200, db_default="")
    refused_at = models.DateTimeField(null=True)
    claimed_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField(db_default=Now())
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = _("handed-out step")
        verbose_name_plural = _("handed-out steps")
        default_permissions = ()
        indexes = [
            models.Index(F("due_at"), name="handed_out_by_due"),
            models.Index(F("pool"), F("created_at"), name="handed_out_by_pool"),
        ]

    def __str__(self) -> str:
        return f"{self.path} #{self.attempt}"


class PoolConsumer(models.Model):
    """A process that performs the steps of a pool, as of its last report: its code version and how many it takes."""

    name = models.CharField(max_length=200)
    pool = models.CharField(max_length=64)
    version = models.CharField(max_length=100, blank=True)
    slots = models.PositiveIntegerField(default=1)
    started_at = models.DateTimeField(db_default=Now())
    seen_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = _("pool consumer")
        verbose_name_plural = _("pool consumers")
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["pool", "name"], name="one_row_per_consumer")]

    def __str__(self) -> str:
        return f"{self.pool} {self.name}"

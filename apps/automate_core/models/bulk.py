"""Bulk actions on runs and events: a worker processes them, a few at a time."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from automate_core import states
from automate_core.ids import uuid7
from automate_core.models.fields import DocumentField


class BulkAction(models.Model):
    """Cancelling or re-running many runs, setting their outcome, or replaying many events. Their set is fixed when it
    is requested: its items.

    `options` are those of `control.rerun`, `control.cancel` or `control.set_outcome`. `done` and `refused` count
    the items processed so far; each is checked and audited on its own, as `person`. `request` identifies the
    request, so that repeating it creates only one action. `limits` are those of the API token that requested it
    (`people.token_limits`), which count when a worker performs it; None without a token.
    """

    Status = states.BulkStatus

    class Verb(models.TextChoices):
        """The operation on each run."""

        RETRY = "retry", _("Re-run")  #: run it again
        CANCEL = "cancel", _("Cancel")  #: cancel it
        REVIEW = "review", _("Set outcome")  #: of its attempts whose outcome is unknown
        REPLAY = "replay", _("Replay")  #: of events: start what matches them now

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    verb = models.CharField(max_length=8, choices=Verb)
    options = models.JSONField(default=dict)
    limits = models.JSONField(null=True, editable=False)
    status = models.CharField(max_length=8, choices=Status, default=Status.OPEN)
    total = models.PositiveIntegerField()
    done = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    request = models.UUIDField(default=uuid7)
    created_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("bulk action")
        verbose_name_plural = _("bulk actions")
        default_permissions = ()
        indexes = [models.Index(F("id"), condition=Q(status="open"), name="open_bulk_actions")]
        constraints = [models.UniqueConstraint(fields=["person", "request"], name="one_bulk_action_per_request")]

    def __str__(self) -> str:
        return f"{self.verb} {self.total}"


class BulkItem(models.Model):
    """A run of a bulk action, or an event to replay. `result` is the new run, or the cancelled one; `refusal` says why
    there is none.

    `refusal_text` is what it is translated from.
    """

    action = models.ForeignKey(BulkAction, on_delete=models.CASCADE, related_name="items")
    number = models.PositiveIntegerField()
    run = models.UUIDField()
    result = models.UUIDField(null=True)
    refusal = models.TextField(blank=True)
    refusal_text = DocumentField(null=True)

    class Meta:
        verbose_name = _("run of a bulk action")
        verbose_name_plural = _("runs of bulk actions")
        ordering = ["number"]
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["action", "number"], name="one_bulk_item_per_number")]

    def __str__(self) -> str:
        return f"{self.number}: {self.run}"

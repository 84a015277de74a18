"""Searches for a person's data, and what they found: `automate_operations.erasure` performs them."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from automate_core import states
from automate_core.ids import uuid7


class Erasure(models.Model):
    """A search for texts that name a person, and the erasure of what was found.

    `texts` are only there until it has ended; `digest` recognises the same texts again. `stage` and `after` are the
    position of the search. `counts` are the found rows by kind, and after the end those that were erased. `requester`
    is the name of the person, who may be deleted later.
    """

    Status = states.ErasureStatus

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    requester = models.CharField(max_length=200)
    texts = models.JSONField(default=list)
    digest = models.CharField(max_length=64)
    reason = models.CharField(max_length=500, blank=True)
    status = models.CharField(max_length=9, choices=Status, default=Status.SEARCHING)
    stage = models.PositiveSmallIntegerField(default=0)
    after = models.CharField(max_length=100, blank=True)
    looked = models.PositiveBigIntegerField(default=0)
    counts = models.JSONField(default=dict)
    created_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("erasure")
        verbose_name_plural = _("erasures")
        ordering = ["-id"]
        default_permissions = ()
        indexes = [
            models.Index(F("id"), condition=Q(status__in=["searching", "found", "erasing"]), name="open_erasures")
        ]

    def __str__(self) -> str:
        return str(self.id)[-8:]


class ErasureItem(models.Model):
    """Something that holds one of the texts: `key` is its primary key, among those of its `kind`.

    An event stands for itself and its runs. The key of a run without an event is the run's.
    """

    class State(models.TextChoices):
        """What becomes of it."""

        FOUND = "found", _("Found")  #: will be erased
        KEPT = "kept", _("Kept")  #: cannot be erased here: a person has to change it
        IN_USE = "in_use", _("In use")  #: needed by a run that has not ended

    erasure = models.ForeignKey(Erasure, on_delete=models.CASCADE, related_name="items", db_index=False)
    kind = models.CharField(max_length=20)
    key = models.CharField(max_length=64)
    state = models.CharField(max_length=6, choices=State, default=State.FOUND)

    class Meta:
        verbose_name = _("found data")
        verbose_name_plural = _("found data")
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["erasure", "kind", "key"], name="one_item_of_an_erasure")]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"

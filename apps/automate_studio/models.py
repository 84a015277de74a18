"""What the screens keep for themselves."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from automate_core.models import Workflow


class Presence(models.Model):
    """Somebody who has a draft open in the builder, and the step they are at: one row per person and draft.

    `step` is its key, `~trigger` or `~workflow`, and empty while none is chosen. The page tells of itself every ten
    seconds while it can be seen; `presence.present` says who is still there.
    """

    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, related_name="+")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    step = models.CharField(max_length=64, blank=True)
    seen_at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["workflow", "person"], name="one_presence_per_draft")]

    def __str__(self) -> str:
        return f"{self.person} at {self.workflow}"

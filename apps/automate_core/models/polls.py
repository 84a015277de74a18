"""The state of polls: where each poll of a published workflow goes on, and when."""

from __future__ import annotations

from django.db import models
from django.db.models import F
from django.utils.translation import gettext_lazy as _

from automate_core.models.fields import DocumentField
from automate_core.models.paced_calls import PacedCalls
from automate_core.models.workflows import Workflow
from automate_plugins.texts import restored


class PollState(PacedCalls):
    """One poll of a published workflow. Publishing keeps the state while the `digest` of what is asked stays the same.

    `cursor` is the connector's, and NULL before the first call. Until `has_baseline`, what is found starts nothing.
    `seen` are hashes of the ids that were found last, newest first.

    A worker that polls has the row until `lease_until`, and `next_at` is that time meanwhile; `token` is its number,
    which grows with every lease, so that a result that comes too late is not written. `failures` counts since the last
    success; `error` is what the last failure said.
    """

    governed_by = "workflow"

    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, related_name="polls")
    key = models.CharField(max_length=64)
    poll = models.CharField(max_length=200)
    connection = models.CharField(max_length=100, blank=True)
    inputs = DocumentField(default=dict)
    digest = models.CharField(max_length=64)
    seconds = models.FloatField()
    cursor = models.JSONField(null=True)
    has_baseline = models.BooleanField(default=False)
    seen = models.JSONField(default=list)
    next_at = models.DateTimeField()
    lease_until = models.DateTimeField(null=True)
    token = models.PositiveBigIntegerField(default=0)
    failures = models.PositiveIntegerField(default=0)
    error_code = models.CharField(max_length=100, blank=True)
    error = models.CharField(max_length=500, blank=True)
    error_text = DocumentField(null=True)
    due_since = models.DateTimeField()
    polled_at = models.DateTimeField(null=True)
    succeeded_at = models.DateTimeField(null=True)
    found_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("poll")
        verbose_name_plural = _("polls")
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["workflow", "key"], name="one_poll_per_trigger")]
        indexes = [
            models.Index(F("next_at"), name="polls_by_due"),
            models.Index(F("connection"), name="polls_of_connection"),
        ]

    def __str__(self) -> str:
        return f"{self.workflow_id}:{self.key}"

    @property
    def reason(self) -> str:
        """Return `error` as a marked text, which is translated when it is shown."""
        return restored(self.error_text, self.error)

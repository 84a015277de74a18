"""Files that pass between steps, beside the data that refers to them."""

from __future__ import annotations

import secrets

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from automate_core.models.events import Event
from automate_core.models.runs import ExecutionRun
from automate_core.models.workflows import Workflow


def new_reference() -> str:
    """A reference that cannot be guessed: 192 random bits."""
    return secrets.token_hex(24)


class StoredFile(models.Model):
    """A file that a step or a trigger has stored. `reference` is the `$file` of its value, `file` its artifact.

    `run` is the run whose step stored it, `event` the event that brought it; both stay when retention deletes these.
    `workflow` is the one whose payload permission covers it besides. `trace_id` is for the audit trail and telemetry
    alone: senders choose it. A file of an answer that is not accepted yet has a `page` instead: its key and field.
    """

    governed_by = "workflow"

    reference = models.CharField(primary_key=True, max_length=64, default=new_reference, editable=False)
    trace_id = models.CharField(max_length=32)
    workflow = models.ForeignKey(
        Workflow, on_delete=models.SET_NULL, related_name="+", null=True, db_constraint=False, db_index=False
    )
    run = models.ForeignKey(
        ExecutionRun, on_delete=models.DO_NOTHING, related_name="+", null=True, db_constraint=False, db_index=False
    )
    event = models.ForeignKey(
        Event, on_delete=models.DO_NOTHING, related_name="+", null=True, db_constraint=False, db_index=False
    )
    page = models.CharField(max_length=200, null=True)  # noqa: DJ001 - NULL: accepted
    name = models.CharField(max_length=200)
    content_type = models.CharField(max_length=100)
    size = models.PositiveBigIntegerField()
    file = models.CharField(max_length=200, unique=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = _("file")
        verbose_name_plural = _("files")
        default_permissions = ()
        indexes = [
            models.Index(fields=["trace_id"], name="files_by_trace"),
            models.Index(fields=["run"], condition=Q(run__isnull=False), name="files_by_run"),
            models.Index(fields=["event"], condition=Q(event__isnull=False), name="files_by_event"),
            models.Index(fields=["page"], condition=Q(page__isnull=False), name="files_by_page"),
        ]

    def __str__(self) -> str:
        return self.name

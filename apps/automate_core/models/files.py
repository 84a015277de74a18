"""Files that pass between steps, beside the data that refers to them."""

from __future__ import annotations

import secrets

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from automate_core.models.workflows import Workflow


def new_reference() -> str:
    """A reference that cannot be guessed: 192 random bits."""
    return secrets.token_hex(24)


class StoredFile(models.Model):
    """A file that a step or a trigger has stored. `reference` is the `$file` of its value, `file` its artifact.

    It belongs to the trace of its event and runs, and is deleted when none of them is left. `workflow` is the one whose
    payload permission covers it outside of that trace.
    """

    governed_by = "workflow"

    reference = models.CharField(primary_key=True, max_length=64, default=new_reference, editable=False)
    trace_id = models.CharField(max_length=32)
    workflow = models.ForeignKey(
        Workflow, on_delete=models.SET_NULL, related_name="+", null=True, db_constraint=False, db_index=False
    )
    name = models.CharField(max_length=200)
    content_type = models.CharField(max_length=100)
    size = models.PositiveBigIntegerField()
    file = models.CharField(max_length=200, unique=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = _("file")
        verbose_name_plural = _("files")
        default_permissions = ()
        indexes = [models.Index(fields=["trace_id"], name="files_by_trace")]

    def __str__(self) -> str:
        return self.name

"""Ended runs whose traces are still to be sent to an OpenTelemetry collector."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from automate_core.models.runs import ExecutionRun


class TraceExport(models.Model):
    """An ended run whose trace is still to be exported; the row is deleted once the collector has accepted it.

    Until `due_at` a worker exports it, or waits before it tries again.
    """

    governed_by = "run__workflow"

    run = models.OneToOneField(
        ExecutionRun, on_delete=models.CASCADE, primary_key=True, related_name="+", db_constraint=False
    )
    due_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = _("trace export")
        verbose_name_plural = _("trace exports")
        default_permissions = ()
        indexes = [models.Index(fields=["due_at"], name="trace_exports_by_due")]

    def __str__(self) -> str:
        return str(self.run_id)

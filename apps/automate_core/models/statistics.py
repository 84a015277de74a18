"""Statistics of runs by hour and day, and groups of failures. `automate_operations.statistics` writes them.

Test runs are left out of all of it. Relations have no database constraint, as those of runs: docs/adr/0004.
"""

from __future__ import annotations

from django.db import models
from django.db.models import F
from django.utils.translation import gettext_lazy as _

from automate_core.models.runs import ExecutionRun
from automate_core.models.workflows import Workflow


class EndedRun(models.Model):
    """An ended run that is not counted yet: written with its end, and deleted by the worker that counts it."""

    governed_by = "run__workflow"

    run = models.OneToOneField(
        ExecutionRun, on_delete=models.CASCADE, primary_key=True, related_name="+", db_constraint=False
    )

    class Meta:
        verbose_name = _("ended run")
        verbose_name_plural = _("ended runs")
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.run_id)


class Span(models.TextChoices):
    """The length of a row of statistics; each begins with a full hour or day (UTC)."""

    HOUR = "hour", _("Hour")
    DAY = "day", _("Day")


class RunCount(models.Model):
    """The ended runs of a workflow in an hour or on a day, and the highest number that waited for people at a time."""

    governed_by = "workflow"

    workflow = models.ForeignKey(
        Workflow, on_delete=models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    span = models.CharField(max_length=4, choices=Span)
    at = models.DateTimeField()
    succeeded = models.PositiveIntegerField(db_default=0)
    failed = models.PositiveIntegerField(db_default=0)
    cancelled = models.PositiveIntegerField(db_default=0)
    waiting = models.PositiveIntegerField(db_default=0)

    class Meta:
        verbose_name = _("run count")
        verbose_name_plural = _("run counts")
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["span", "at", "workflow"], name="one_count_of_runs")]

    def __str__(self) -> str:
        return f"{self.workflow_id} {self.span} {self.at:%Y-%m-%d %H:%M}"


class RunTime(models.Model):
    """How many runs of a workflow that ended in an hour or on a day took, or were queued for, so long.

    `bucket` is `automate_operations.statistics.buckets`'.
    """

    class Measure(models.TextChoices):
        """The measured time."""

        TOOK = "took", _("Duration")  #: from the start to the end of runs that succeeded or failed
        QUEUED = "queued", _("Queued")  #: from the event, or from the wish to run it again, to the start

    governed_by = "workflow"

    workflow = models.ForeignKey(
        Workflow, on_delete=models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    span = models.CharField(max_length=4, choices=Span)
    at = models.DateTimeField()
    measure = models.CharField(max_length=6, choices=Measure)
    bucket = models.SmallIntegerField()
    count = models.PositiveIntegerField()

    class Meta:
        verbose_name = _("run time")
        verbose_name_plural = _("run times")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["span", "measure", "at", "workflow", "bucket"], name="one_count_a_bucket")
        ]

    def __str__(self) -> str:
        return f"{self.workflow_id} {self.span} {self.at:%Y-%m-%d %H:%M} {self.measure} {self.bucket}"


class FailureGroup(models.Model):
    """Failures with one fingerprint: one workflow, one step, one code and messages of one form.

    `path` is the step's, without loop indexes, empty when no step failed; `message` is the latest one. A new failure
    reopens a resolved group. A muted group stays muted.
    """

    governed_by = "workflow"

    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, related_name="failure_groups", db_constraint=False)
    fingerprint = models.CharField(max_length=32)
    path = models.CharField(max_length=2000, blank=True)
    code = models.CharField(max_length=200)
    message = models.CharField(max_length=500)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    last_run = models.UUIDField()
    resolved_at = models.DateTimeField(null=True)
    muted_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("failure group")
        verbose_name_plural = _("failure groups")
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["workflow", "fingerprint"], name="one_group_of_failures")]
        indexes = [models.Index(F("last_at").desc(), name="failure_groups_by_last")]

    def __str__(self) -> str:
        return f"{self.code} at {self.path}" if self.path else self.code


class FailureCount(models.Model):
    """The number of failures of a group in an hour."""

    group = models.ForeignKey(
        FailureGroup, on_delete=models.CASCADE, related_name="counts", db_constraint=False, db_index=False
    )
    at = models.DateTimeField()
    count = models.PositiveIntegerField()

    class Meta:
        verbose_name = _("failure count")
        verbose_name_plural = _("failure counts")
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["at", "group"], name="one_count_of_failures")]

    def __str__(self) -> str:
        return f"{self.group_id} {self.at:%Y-%m-%d %H:%M}"


class FailedRun(models.Model):
    """A run of a failure group."""

    run = models.OneToOneField(
        ExecutionRun, on_delete=models.CASCADE, primary_key=True, related_name="failure", db_constraint=False
    )
    group = models.ForeignKey(
        FailureGroup, on_delete=models.CASCADE, related_name="runs", db_constraint=False, db_index=False
    )

    class Meta:
        verbose_name = _("failed run")
        verbose_name_plural = _("failed runs")
        default_permissions = ()
        indexes = [models.Index(fields=["group", "run"], name="runs_of_failure_group")]

    def __str__(self) -> str:
        return str(self.run_id)


class QueueLevel(models.Model):
    """The highest number of ready jobs in an hour, and the age of the oldest."""

    at = models.DateTimeField(primary_key=True)
    ready = models.PositiveIntegerField()
    oldest_seconds = models.FloatField()
    looked_at = models.DateTimeField()

    class Meta:
        verbose_name = _("queue level")
        verbose_name_plural = _("queue levels")
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M}"

"""What happened: runs, the attempts of their steps, what they wait for, and their log lines.

The engine's journal writes these tables; their relations have no database constraint: docs/adr/0004.
"""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import CharField, F, Q
from django.db.models.functions import Cast, Now, Right

from automate_core import states
from automate_core.ids import uuid7
from automate_core.models.deletion import protect_open_approvals
from automate_core.models.events import Event
from automate_core.models.workflows import Workflow, WorkflowVersion

_FAILED = Q(status="failed", cause__in=["trigger", "retry"])  #: tests are left out


class ExecutionRun(models.Model):
    """One execution of one workflow version.

    `output` is what its last step gave, kept for the run that called it. `parent` and `parent_path` are the calling run
    and step. `request` names what asked for a re-run, so that the same request makes one. `slot_key` is the value that
    its workflow's concurrency limit counts by; it may run once it is `admitted`.
    `origin` is the kind of trigger that its event came by, taken over by those that repeat it.
    `seq` grows with every checkpoint and is stamped on the rows it wrote: the live page asks for what is newer.
    `noticed` says that a failed run was seen by the rules for notifications.
    `wakes` counts the waits that were resolved, so that a walker that is about to park notices one it missed.
    `rerun_at` is when it was re-run last: it stays when the re-run is deleted.
    `kept_at` is since when it is held back from pruning. `parent` and `retried_from` may be gone: see `retention`.
    """

    Status = states.RunStatus

    class Cause(models.TextChoices):
        """Why the run was made."""

        TRIGGER = "trigger"  #: an event matched
        RETRY = "retry"  #: a person runs an earlier one again
        TEST = "test"  #: a person tests a draft: a snapshot of it, and no statistics count it

    class Origin(models.TextChoices):
        """What its event came by: the beginning of the event's source."""

        WEBHOOK = "webhook"  #: a delivery to an endpoint
        SCHEDULE = "schedule"  #: a time
        MODEL = "model"  #: a change of one of the host's models
        MANUAL = "manual"  #: a person
        EVENT = "app"  #: the host's code
        RUN = "run"  #: the end of another workflow's run
        CALL = "call"  #: a step of another workflow's run

    governed_by = "workflow"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, related_name="runs", db_constraint=False)
    version = models.ForeignKey(
        WorkflowVersion, on_delete=models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    event = models.ForeignKey(
        Event, on_delete=models.CASCADE, related_name="runs", null=True, db_constraint=False, db_index=False
    )
    cause = models.CharField(max_length=8, choices=Cause, default=Cause.TRIGGER)
    origin = models.CharField(max_length=8, choices=Origin, blank=True, db_default="")
    status = models.CharField(max_length=9, choices=Status, default=Status.QUEUED)
    trace_id = models.CharField(max_length=32)
    vars = models.JSONField(null=True)
    output = models.JSONField(null=True)
    error = models.JSONField(null=True)
    parent = models.ForeignKey(
        "self", on_delete=models.SET_NULL, related_name="children", null=True, db_constraint=False, db_index=False
    )
    parent_path = models.CharField(max_length=2000, blank=True, db_default="")
    depth = models.PositiveSmallIntegerField(db_default=0)
    retried_from = models.ForeignKey(
        "self", on_delete=models.SET_NULL, related_name="retries", null=True, db_constraint=False, db_index=False
    )
    request = models.UUIDField(null=True)
    slot_key = models.CharField(max_length=200, null=True)  # noqa: DJ001 - NULL: no limit counts it
    admitted = models.BooleanField(db_default=True)
    priority = models.SmallIntegerField(db_default=0)
    created_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    worker = models.CharField(max_length=100, blank=True)
    seq = models.PositiveIntegerField(default=0)
    wakes = models.PositiveIntegerField(default=0)
    kept_at = models.DateTimeField(null=True)
    noticed = models.BooleanField(db_default=False)
    rerun_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "run"
        ordering = ["-id"]
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["event", "workflow"], condition=Q(cause="trigger"), name="one_run_per_event_and_workflow"
            ),
            models.UniqueConstraint(
                fields=["retried_from", "request"], condition=Q(request__isnull=False), name="one_rerun_per_request"
            ),
        ]
        indexes = [
            models.Index(F("workflow"), F("id").desc(), name="runs_of_workflow"),
            # The two that the run list goes through: whole without the table, so that they are taken
            models.Index(F("status"), F("id").desc(), condition=~Q(cause="test"), name="runs_by_status"),
            models.Index(
                F("workflow"),
                F("status"),
                F("id").desc(),
                condition=~Q(cause="test"),
                name="runs_of_workflow_by_status",
            ),
            models.Index(Right(Cast("id", CharField()), 8), name="runs_by_end_of_id"),
            models.Index(F("workflow"), F("id").desc(), condition=Q(cause="test"), name="tests_of_workflow"),
            models.Index(F("trace_id"), name="runs_by_trace"),
            models.Index(F("event"), condition=~Q(cause="trigger"), name="further_runs_of_event"),
            models.Index(F("workflow"), F("finished_at"), condition=_FAILED, name="failures_of_workflow"),
            models.Index(F("id"), condition=_FAILED & Q(noticed=False), name="failures_to_notice"),
            models.Index(F("parent"), condition=Q(parent__isnull=False), name="runs_by_parent"),
            models.Index(
                F("id"),
                condition=Q(parent__isnull=False, status__in=["queued", "running", "waiting"]),
                name="live_runs_with_parents",
            ),
            models.Index(F("retried_from"), condition=Q(retried_from__isnull=False), name="runs_by_retried"),
            models.Index(
                F("workflow"),
                F("slot_key"),
                F("id"),
                condition=Q(slot_key__isnull=False, status__in=["queued", "running", "waiting"]),
                name="runs_in_slots",
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)[-8:]


class SearchTerm(models.Model):
    """A value that its workflow declares as one to find the run by, written when the run is made.

    The one called `subject` names the run in lists. It is guessed from the payload when none is declared.

    It is part of the event's payload: who may not see that finds nothing by it.
    """

    governed_by = "run__workflow"

    run = models.ForeignKey(
        ExecutionRun, on_delete=models.CASCADE, related_name="terms", db_constraint=False, db_index=False
    )
    name = models.CharField(max_length=64)
    value = models.CharField(max_length=200)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["run", "name"], name="one_value_per_term")]
        # A migration adds `runs_by_words_of_subject`, over the words of the values called `subject`.
        indexes = [models.Index(F("value"), F("name"), F("run").desc(), name="runs_by_term")]

    def __str__(self) -> str:
        return f"{self.name} {self.value}"


class StepRun(models.Model):
    """One attempt of one step. `path` is the step's place in the tree, such as `route/notify`.

    Where `input_file` or `output_file` names a file (`documents`), `input` or `output` is a preview of it.
    """

    Status = states.StepStatus

    governed_by = "run__workflow"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    run = models.ForeignKey(
        ExecutionRun, on_delete=models.CASCADE, related_name="steps", db_constraint=False, db_index=False
    )
    path = models.CharField(max_length=2000)
    attempt = models.PositiveIntegerField(default=1)
    status = models.CharField(max_length=11, choices=Status)
    input = models.JSONField(null=True)
    output = models.JSONField(null=True)
    error = models.JSONField(null=True)
    input_file = models.CharField(max_length=200, null=True)  # noqa: DJ001 - NULL: there is none
    output_file = models.CharField(max_length=200, null=True)  # noqa: DJ001 - NULL: there is none
    idempotency_key = models.CharField(max_length=64)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    seq = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["id"]
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["run", "path", "attempt"], name="one_row_per_attempt")]
        indexes = [
            models.Index(F(name), condition=Q(**{f"{name}__isnull": False}), name=f"steps_by_{name}")
            for name in ("input_file", "output_file")
        ]

    def __str__(self) -> str:
        return f"{self.path} #{self.attempt}"


class ForeseenEffect(models.Model):
    """What an attempt of a dry run would have done: rows with the fields that differ, and calls in words.

    `effects` is a list of documents, as `engine.effects.dry_run` writes them.
    """

    governed_by = "run__workflow"

    run = models.ForeignKey(
        ExecutionRun, on_delete=models.CASCADE, related_name="effects", db_constraint=False, db_index=False
    )
    path = models.CharField(max_length=2000)
    attempt = models.PositiveIntegerField()
    effects = models.JSONField()

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["run", "path", "attempt"], name="effects_once_per_attempt")]

    def __str__(self) -> str:
        return f"{self.path} #{self.attempt}"


class RunLog(models.Model):
    """A line that a step logged."""

    governed_by = "run__workflow"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    run = models.ForeignKey(
        ExecutionRun, on_delete=models.CASCADE, related_name="logs", db_constraint=False, db_index=False
    )
    path = models.CharField(max_length=2000)
    attempt = models.PositiveIntegerField(default=1)
    level = models.CharField(max_length=10)
    message = models.TextField()
    at = models.DateTimeField()
    seq = models.PositiveIntegerField()

    class Meta:
        ordering = ["id"]
        default_permissions = ()
        indexes = [models.Index(fields=["run", "seq"])]

    def __str__(self) -> str:
        return self.message[:80]


class Wait(models.Model):
    """What a run is parked on. Whoever resolves it wakes the run in the same transaction.

    `data` is what is shown to whom it waits for, `outcome` what came of it; `decided_by` the person who decided.
    """

    Status = states.WaitStatus

    class Kind(models.TextChoices):
        """What must come first."""

        RETRY = "retry"  #: the delay before a step's next attempt
        TIMER = "timer"  #: a time
        CALLBACK = "callback"  #: a POST to its single-use address
        APPROVAL = "approval"  #: a person's decision
        CHILD = "child"  #: the end of a run that it started
        SLOT = "slot"  #: its turn, under the workflow's concurrency limit
        PAUSED = "paused"  #: the workflow's going on
        RECONNECT = "reconnect"  #: a connection that only a person can mend
        REVIEW = "review"  #: a person who knows whether an attempt in doubt took effect

    governed_by = "run__workflow"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    run = models.ForeignKey(
        ExecutionRun, on_delete=models.CASCADE, related_name="waits", db_constraint=False, db_index=False
    )
    path = models.CharField(max_length=2000)
    kind = models.CharField(max_length=16, choices=Kind)
    status = models.CharField(max_length=9, choices=Status, default=Status.OPEN)
    due_at = models.DateTimeField(null=True)
    remind_at = models.DateTimeField(null=True)
    data = models.JSONField(null=True)
    outcome = models.JSONField(null=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+", db_index=False
    )
    created_at = models.DateTimeField(db_default=Now())
    resolved_at = models.DateTimeField(null=True)
    seq = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["id"]
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["run", "path"], condition=Q(status="open"), name="one_open_wait_per_step")
        ]
        indexes = [
            models.Index(F("due_at"), condition=Q(status="open"), name="open_waits_by_due"),
            models.Index(
                F("remind_at"), condition=Q(status="open", remind_at__isnull=False), name="open_waits_by_reminder"
            ),
            models.Index(F("kind"), F("id"), condition=Q(status="open"), name="open_waits_by_kind"),
            models.Index(F("run"), name="waits_of_run"),
            models.Index(
                F("decided_by"),
                F("resolved_at").desc(),
                condition=Q(decided_by__isnull=False),
                name="waits_by_who_decided",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.path}"


class WaitAssignee(models.Model):
    """A person or a group whose decision an approval waits for, or an `excluded` person who may not decide it.

    `told` says that the mail which tells them of it was put on its way.
    """

    governed_by = "wait__run__workflow"

    wait = models.ForeignKey(Wait, on_delete=models.CASCADE, related_name="assignees", db_constraint=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=protect_open_approvals, related_name="+", null=True)
    group = models.ForeignKey("auth.Group", on_delete=models.CASCADE, related_name="+", null=True)
    excluded = models.BooleanField(db_default=False)
    told = models.BooleanField(db_default=False)

    class Meta:
        default_permissions = ()
        constraints = [
            models.CheckConstraint(
                condition=Q(user__isnull=False, group__isnull=True) | Q(user__isnull=True, group__isnull=False),
                name="a_person_or_a_group",
            )
        ]
        indexes = [models.Index(F("wait"), condition=Q(told=False, excluded=False), name="assignees_to_tell")]

    def __str__(self) -> str:
        return str(self.user or self.group)

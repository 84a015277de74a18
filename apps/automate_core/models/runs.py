"""Runs, the attempts of their steps, their waits and their log lines.

The engine's journal writes these tables; their relations have no database constraint: docs/adr/0004.
"""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import CharField, F, Q
from django.db.models.functions import Cast, Now, Right
from django.utils.translation import gettext_lazy as _

from automate_core import states
from automate_core.ids import uuid7
from automate_core.models.deletion import protect_open_approvals
from automate_core.models.events import Event
from automate_core.models.workflows import Workflow, WorkflowVersion
from automate_governance.people.names import sign_in_name

_FAILED = Q(status="failed", cause__in=["trigger", "retry"])  #: without test runs


class ExecutionRun(models.Model):
    """One execution of one workflow version.

    `output` is the output of its last step, stored for the run that called it. `parent` and `parent_path` are the
    calling run and step. `request` identifies the request for a re-run, so that repeating it creates only one.
    `slot_key` is the value that its workflow's concurrency limit counts by; the run may start once it is `admitted`.

    `origin` is the kind of trigger of its event; re-runs copy it. `seq` grows with every checkpoint and is stamped on
    the rows that the checkpoint wrote: the live page asks for newer rows. `noticed` is set once the notification rules
    have processed a failed run. `wakes` counts resolved waits, so that the engine notices one that was resolved just
    before it parks the run. `rerun_at` is the time of the last re-run, and stays when that is deleted.

    `kept_at` is the time since which the run is pinned, and so not deleted by retention. `parent` and `retried_from`
    may name runs that retention deleted.

    `inherited_keys` of a re-run are the idempotency keys of attempts in doubt that it repeats, by path, each with the
    digest of the input for which it counts.
    """

    Status = states.RunStatus

    class Cause(models.TextChoices):
        """Reason why the run was created."""

        TRIGGER = "trigger", _("Trigger")  #: an event matched
        RETRY = "retry", _("Re-run")  #: a re-run of an ended run
        TEST = "test", _("Test run")  #: a test run, of a snapshot of a draft; left out of statistics

    class Origin(models.TextChoices):
        """Kind of the event's origin: the beginning of its source."""

        WEBHOOK = "webhook", _("Webhook")  #: a delivery to an endpoint
        SCHEDULE = "schedule", _("Schedule")  #: a time
        MODEL = "model", _("Model change")  #: a change of one of the host's models
        MANUAL = "manual", _("Manual")  #: a person
        EVENT = "app", _("Event from code")  #: the host's code
        API = "api", _("Event from the API")  #: a program or a person, in the name of the host's code
        RUN = "run", _("End of a run")  #: the end of another workflow's run
        CALL = "call", _("Sub-run")  #: a step of another workflow's run
        MCP = "mcp", _("AI agent")  #: an agent, for a person
        POLL = "poll", _("Poll")  #: something new at a service that is asked again and again
        SERVICE = "service", _("Service webhook")  #: a delivery of a service at which a webhook is registered
        FORM = "form", _("Form")  #: an answer to a hosted form
        MAIL = "mail", _("Email")  #: a message to an address of the workflow

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
    inherited_keys = models.JSONField(null=True)
    erasure = models.UUIDField(null=True)  # the one that emptied it

    class Meta:
        verbose_name = _("run")
        verbose_name_plural = _("runs")
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
            # The two indexes of the run list: they cover it, so that the planner uses them
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
    """A value that finds a run, as its workflow declares it, stored when the run is created.

    The term `subject` is the run's title in lists. It is guessed from the payload when the workflow declares none.

    Terms are part of the event's payload: a search by a person who may not view the payload ignores them.
    """

    governed_by = "run__workflow"

    run = models.ForeignKey(
        ExecutionRun, on_delete=models.CASCADE, related_name="terms", db_constraint=False, db_index=False
    )
    name = models.CharField(max_length=64)
    value = models.CharField(max_length=200)

    class Meta:
        verbose_name = _("search term")
        verbose_name_plural = _("search terms")
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["run", "name"], name="one_value_per_term")]
        # A migration adds `runs_by_words_of_subject`, over the words of the terms named `subject`.
        indexes = [models.Index(F("value"), F("name"), F("run").desc(), name="runs_by_term")]

    def __str__(self) -> str:
        return f"{self.name} {self.value}"


class StepRun(models.Model):
    """One attempt of one step. `path` is the step's place in the tree, such as `route/notify`.

    When `input_file` or `output_file` names an artifact, `input` or `output` is a preview of it.
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
        verbose_name = _("attempt")
        verbose_name_plural = _("attempts")
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
    """Effects that an attempt of a dry run would have had: rows with their changed fields, and descriptions of calls.

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
        verbose_name = _("predicted effect")
        verbose_name_plural = _("predicted effects")
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["run", "path", "attempt"], name="effects_once_per_attempt")]

    def __str__(self) -> str:
        return f"{self.path} #{self.attempt}"


class RunReply(models.Model):
    """The first reply to the caller of an event: the attempt of a reply step whose output holds it.

    It is deleted with its run; a delivery that comes again later is answered without it.
    """

    governed_by = "run__workflow"

    event = models.OneToOneField(
        Event, on_delete=models.CASCADE, primary_key=True, related_name="reply", db_constraint=False
    )
    run = models.ForeignKey(ExecutionRun, on_delete=models.CASCADE, related_name="replies", db_constraint=False)
    path = models.CharField(max_length=2000)
    attempt = models.PositiveIntegerField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = _("reply")
        verbose_name_plural = _("replies")
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.path} #{self.attempt}"


class RunLog(models.Model):
    """A line in the log of a step."""

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
        verbose_name = _("log line")
        verbose_name_plural = _("log lines")
        ordering = ["id"]
        default_permissions = ()
        indexes = [models.Index(fields=["run", "seq"])]

    def __str__(self) -> str:
        return self.message[:80]


class Wait(models.Model):
    """A durable pause of a run. Resolving it wakes the run in the same transaction.

    `data` describes the wait to the people who resolve it, `outcome` is the result; `decided_by` is the person who
    decided.
    """

    Status = states.WaitStatus

    class Kind(models.TextChoices):
        """Reason of the pause."""

        RETRY = "retry", _("Retry")  #: the delay before a step's next attempt
        TIMER = "timer", _("Timer")  #: a time
        CALLBACK = "callback", _("Callback")  #: a POST to its single-use URL
        FORM = "form", _("Form")  #: a person's answer to a page of a hosted form
        APPROVAL = "approval", _("Approval")  #: a person's decision
        CHILD = "child", _("Sub-run")  #: the end of a sub-run
        SLOT = "slot", _("Concurrency slot")  #: a concurrency slot of the workflow
        PAUSED = "paused", _("Paused")  #: the workflow is paused
        RECONNECT = "reconnect", _("Reconnect")  #: a connection that a person has to repair
        LIMIT = "limit", _("Rate limit")  #: the rate limit of a connection
        POOL = "pool", _("Pool")  #: the outcome of a step that a pool performs
        REVIEW = "review", _("Review")  #: a person's review of an attempt in doubt

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
        verbose_name = _("wait")
        verbose_name_plural = _("waits")
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
    """A person or group that is asked to decide an approval, or with `excluded` a person who cannot decide it.

    `told` is set once the notification mail is queued.
    """

    governed_by = "wait__run__workflow"

    wait = models.ForeignKey(Wait, on_delete=models.CASCADE, related_name="assignees", db_constraint=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=protect_open_approvals, related_name="+", null=True)
    group = models.ForeignKey("auth.Group", on_delete=models.CASCADE, related_name="+", null=True)
    excluded = models.BooleanField(db_default=False)
    told = models.BooleanField(db_default=False)

    class Meta:
        verbose_name = _("approver")
        verbose_name_plural = _("approvers")
        default_permissions = ()
        constraints = [
            models.CheckConstraint(
                condition=Q(user__isnull=False, group__isnull=True) | Q(user__isnull=True, group__isnull=False),
                name="a_person_or_a_group",
            )
        ]
        indexes = [models.Index(F("wait"), condition=Q(told=False, excluded=False), name="assignees_to_tell")]

    def __str__(self) -> str:
        return sign_in_name(self.user) if self.user else str(self.group)

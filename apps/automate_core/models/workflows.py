"""Workflows: the draft (workflow, triggers, steps) and the frozen versions that runs execute."""

from __future__ import annotations

import pgtrigger
from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase

from automate_core.models.fields import DocumentField
from automate_governance.governed import Governed, verbs
from automate_plugins.texts import restored, verbatim


class Workflow(Governed):
    """A workflow. Its triggers and steps are the draft; `published` is the version that runs.

    `run_as` belongs to the draft, too: published runs act as the `run_as` of their version.
    """

    class Status(models.TextChoices):
        """State of a workflow."""

        DRAFT = "draft", _("Draft")  #: never published
        ACTIVE = "active", _("Active")  #: its published version is matched against events
        PAUSED = "paused", _("Paused")  #: events are accepted, and new runs wait
        ARCHIVED = "archived", _("Archived")  #: out of use, kept for its history

    name = models.CharField(max_length=200)
    slug = models.SlugField(max_length=100, unique=True)
    description = models.TextField(blank=True)
    status = models.CharField(max_length=8, choices=Status, default=Status.DRAFT)
    pause_reason = models.CharField(max_length=100, blank=True, default="", db_default="")  # while it is paused
    run_as = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    tags = models.JSONField(default=list, blank=True)
    timezone = models.CharField(max_length=64, default="UTC")
    priority = models.SmallIntegerField(default=0)
    concurrency = DocumentField(null=True, blank=True)
    retention = DocumentField(null=True, blank=True)  # days by state; the site's policy for others
    agents = DocumentField(null=True, blank=True)  # the tool that AI agents see; none without it
    vars = DocumentField(default=dict)
    subject = models.CharField(max_length=500, blank=True, default="", db_default="")
    runs_on = models.CharField(max_length=64, blank=True, default="", db_default="")
    search_terms = DocumentField(default=dict)
    published = models.ForeignKey(
        "automate_core.WorkflowVersion", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    rev = models.PositiveIntegerField(default=0)  # of the draft: each edit is the next one
    structure_rev = models.PositiveIntegerField(default=0)  # of the last edit that changed the tree or the triggers
    settings_rev = models.PositiveIntegerField(default=0)  # of the last edit of the workflow's own fields
    published_rev = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = _("workflow")
        verbose_name_plural = _("workflows")
        ordering = ["name", "id"]
        default_permissions = ()
        permissions = verbs(
            "workflow", "add", "view", "view_payload", "change", "run", "operate", "publish", "share", "delete"
        )

    def __str__(self) -> str:
        return self.name

    @property
    def has_unpublished_changes(self) -> bool:
        """Whether the draft was changed since it was last published."""
        return self.published_id is not None and self.rev != self.published_rev


class WorkflowUserPermission(UserObjectPermissionBase):
    """A verb on one workflow, granted to a person."""

    content_object = models.ForeignKey(Workflow, on_delete=models.CASCADE)


class WorkflowGroupPermission(GroupObjectPermissionBase):
    """A verb on one workflow, granted to a group."""

    content_object = models.ForeignKey(Workflow, on_delete=models.CASCADE)


class Trigger(models.Model):
    """A trigger of the draft. Publishing copies it into the version and into `ActiveTrigger`.

    `tested` is the last look at what a poll finds: the `digest` of what was asked, and the `error` that it met, which
    is empty after an answer.
    """

    class Kind(models.TextChoices):
        """Kind of its events."""

        WEBHOOK = "webhook", _("Webhook")  #: a delivery to an endpoint
        SCHEDULE = "schedule", _("Schedule")  #: a time
        MODEL = "model", _("Model change")  #: a change of one of the host's models
        MANUAL = "manual", _("Manual")  #: a person
        EVENT = "event", _("Event from code")  #: the host's code
        RUN = "run", _("End of a run")  #: the end of another workflow's run
        POLL = "poll", _("Poll")  #: something new at a service that is asked again and again
        SERVICE = "service", _("Service webhook")  #: a delivery of a service at which a webhook is registered
        FORM = "form", _("Form")  #: an answer to a hosted form
        MAIL = "mail", _("Email")  #: a message to an address of the workflow

    governed_by = "workflow"

    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, related_name="triggers")
    key = models.CharField(max_length=64)
    kind = models.CharField(max_length=16, choices=Kind)
    config = DocumentField(default=dict)
    filter = DocumentField(null=True, blank=True)
    position = models.PositiveIntegerField(default=0)
    rev = models.PositiveIntegerField(default=0)
    tested = models.JSONField(null=True, editable=False)

    class Meta:
        verbose_name = _("trigger")
        verbose_name_plural = _("triggers")
        ordering = ["position", "id"]
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["workflow", "key"], name="one_trigger_per_key")]

    def __str__(self) -> str:
        return f"{self.workflow_id}:{self.key}"


class Step(models.Model):
    """One node of the draft tree. `key` never changes; `name` is a label.

    `slot` is the list of the parent that holds it: a branch has one slot for each route. `settings` holds the fields
    that only its kind has, such as a branch's routes with their conditions.
    """

    class Kind(models.TextChoices):
        """Kind of a step."""

        ACTION = "action", _("Action")  #: call a connector
        BRANCH = "branch", _("Branch")  #: run the routes whose conditions are true
        PARALLEL = "parallel", _("Parallel")  #: run all branches at once
        FOR_EACH = "for_each", _("For each")  #: run for each item of a list
        REPEAT = "repeat", _("Repeat")  #: run until a condition is true
        WAIT = "wait", _("Wait")  #: wait for a time or a callback
        APPROVAL = "approval", _("Approval")  #: ask people
        WORKFLOW = "workflow", _("Workflow")  #: start another workflow
        TRY = "try", _("Catch errors")  #: catch errors
        STOP = "stop", _("Stop")  #: end the run
        REPLY = "reply", _("Reply to caller")  #: answer the caller that waits for the run

    governed_by = "workflow"

    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, related_name="steps")
    key = models.CharField(max_length=64, validators=[RegexValidator(r"^[a-z][a-z0-9_]*$")])
    name = models.CharField(max_length=200, blank=True)
    kind = models.CharField(max_length=16, choices=Kind)
    parent = models.ForeignKey("self", on_delete=models.CASCADE, null=True, blank=True, related_name="children")
    slot = models.CharField(max_length=64, blank=True)
    position = models.PositiveIntegerField(default=0)
    action = models.CharField(max_length=200, blank=True)
    connection = models.CharField(max_length=100, blank=True)
    inputs = DocumentField(default=dict)
    policy = DocumentField(default=dict)
    settings = DocumentField(default=dict)
    notes = models.TextField(blank=True)
    disabled = models.BooleanField(default=False)
    rev = models.PositiveIntegerField(default=0)

    class Meta:
        verbose_name = _("step")
        verbose_name_plural = _("steps")
        ordering = ["position", "id"]
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["workflow", "key"], name="one_step_per_key")]

    def __str__(self) -> str:
        return self.name or self.key


class DraftCommand(models.Model):
    """One edit of a draft: `changes` are the rows before and after it, for undo and redo.

    `words` say what was edited, in English; `message` is the same as a text that can be translated.

    `number` is the workflow's `rev` that it created; `rev` is the one at which it was last applied or undone, by
    `changed_by`, in the browser tab `tab` ("" elsewhere).
    """

    class Status(models.TextChoices):
        """State of an edit."""

        APPLIED = "applied", _("Applied")  #: part of the draft
        UNDONE = "undone", _("Undone")  #: undone, can be redone
        DROPPED = "dropped", _("Dropped")  #: undone, and cannot be redone after a later edit

    governed_by = "workflow"

    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, related_name="commands")
    number = models.PositiveIntegerField()
    kind = models.CharField(max_length=32)
    words = models.CharField(max_length=700)
    message = DocumentField(null=True)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    changes = DocumentField()
    structural = models.BooleanField()
    status = models.CharField(max_length=8, choices=Status, default=Status.APPLIED)
    rev = models.PositiveIntegerField()
    changed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    changed_at = models.DateTimeField(default=timezone.now)
    tab = models.CharField(max_length=36, blank=True, default="", db_default="", editable=False)

    class Meta:
        verbose_name = _("edit")
        verbose_name_plural = _("edits")
        ordering = ["-number"]
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["workflow", "number"], name="one_edit_per_number")]
        indexes = [models.Index(fields=["workflow", "rev"], name="edits_by_rev")]

    def __str__(self) -> str:
        return self.words

    @property
    def label(self) -> str:
        """`words` as a marked text, which is translated when it is shown."""
        return restored(self.message, self.words)


# What was published stays. Its run-as user can be handed over, and its message, which may name a person, be erased.
_KEEP_PUBLISHED = """
    IF (NEW.id, NEW.workflow_id, NEW.number, NEW.author_id, NEW.created_at)
            = (OLD.id, OLD.workflow_id, OLD.number, OLD.author_id, OLD.created_at)
        AND NEW.definition::text = OLD.definition::text
        AND NEW.test IS NOT DISTINCT FROM OLD.test
        AND (NEW.message = OLD.message AND NEW.message_text::text IS NOT DISTINCT FROM OLD.message_text::text
            OR NEW.message = '' AND NEW.message_text IS NULL)
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'versions of workflows are append-only';
"""


class Published(models.Manager["WorkflowVersion"]):
    """Published versions, without the snapshots of test runs."""

    def get_queryset(self) -> models.QuerySet[WorkflowVersion]:
        """Leave out snapshots."""
        return super().get_queryset().filter(test__isnull=True)


class WorkflowVersion(models.Model):
    """A published definition and the user that its runs act as. A run keeps the version that it started with.

    `message_text` is what a message that no person wrote is translated from.

    With `test`, the `engine.test_options.TestOptions`, it is a snapshot of a draft, number 0, for one test run:
    `snapshots` includes these, `objects` and a workflow's `versions` do not.

    The database keeps it as it is, but for `run_as` and an erased message.
    """

    governed_by = "workflow"

    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    definition = DocumentField()
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    run_as = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    message = models.TextField(blank=True)
    message_text = DocumentField(null=True)
    test = models.JSONField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = Published()
    snapshots = models.Manager["WorkflowVersion"]()

    class Meta:
        verbose_name = _("workflow version")
        verbose_name_plural = _("workflow versions")
        ordering = ["-number"]
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["workflow", "number"], condition=Q(test__isnull=True), name="one_version_per_number"
            )
        ]
        triggers = [
            pgtrigger.Trigger(
                name="append_only", operation=pgtrigger.Update, when=pgtrigger.Before, func=_KEEP_PUBLISHED
            )
        ]

    def __str__(self) -> str:
        return f"v{self.number}" if self.number else "test"

    @property
    def label(self) -> str:
        """`message` as a text that is translated when it is shown, unless a person wrote it."""
        return restored(self.message_text, verbatim(self.message))


class StepSample(models.Model):
    """A step's output in tests: a result that a person kept as a sample, or a mock.

    Expressions see a sample as the step's output; a mock also replaces the step when it would run.
    """

    class Kind(models.TextChoices):
        """Kind of a sample."""

        PIN = "pin", _("Kept sample")  #: a kept result of the step
        MOCK = "mock", _("Mock")  #: a mock: test runs use it instead of running the step

    governed_by = "workflow"

    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, related_name="samples")
    key = models.CharField(max_length=64)
    kind = models.CharField(max_length=4, choices=Kind)
    output = models.JSONField(null=True)  # NULL is JSON null
    run = models.UUIDField(null=True)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    made_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = _("step sample")
        verbose_name_plural = _("step samples")
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["workflow", "key", "kind"], name="one_sample_of_a_kind")]

    def __str__(self) -> str:
        return f"{self.kind} of {self.key}"


class ActiveTrigger(models.Model):
    """The match index: triggers of published versions, found by source and event type.

    An empty `event_type` matches every type of the source. `config` holds the fields that only its kind has.
    """

    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, related_name="active_triggers")
    version = models.ForeignKey(WorkflowVersion, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=64)
    kind = models.CharField(max_length=16)
    source = models.CharField(max_length=200)
    event_type = models.CharField(max_length=200, blank=True)
    filter = models.JSONField(null=True)
    config = models.JSONField(default=dict)
    priority = models.SmallIntegerField(default=0)

    class Meta:
        verbose_name = _("active trigger")
        verbose_name_plural = _("active triggers")
        default_permissions = ()
        indexes = [models.Index(fields=["source", "event_type"])]

    def __str__(self) -> str:
        return f"{self.source} {self.event_type}".strip()


class Schedule(models.Model):
    """The next start of a published workflow by a schedule. Publishing keeps `next_at` when the times do not change."""

    governed_by = "workflow"

    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, related_name="schedules")
    key = models.CharField(max_length=64)
    times = models.JSONField()
    next_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("schedule")
        verbose_name_plural = _("schedules")
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["workflow", "key"], name="one_schedule_per_trigger")]
        indexes = [models.Index(F("next_at"), name="schedules_by_due")]

    def __str__(self) -> str:
        return f"{self.workflow_id}:{self.key}"

"""Notification rules, the incidents that they recorded, and the messages, which are the log as well."""

from __future__ import annotations

import datetime as dt

from django.conf import settings
from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from automate_core import states
from automate_core.ids import uuid7
from automate_core.models.fields import DocumentField
from automate_core.models.runs import Wait
from automate_core.models.workflows import Workflow
from automate_plugins.texts import restored

DEFAULT_WINDOW = dt.timedelta(minutes=15)


class NotificationRule(models.Model):
    """Which incidents are sent to whom: of one workflow, or of all when `workflow` is NULL.

    `failures` and `span` are the thresholds of its kind; of polls, `failures` are intervals. A recipient gets at most
    one message per `window`, and none between `quiet_from` and `quiet_until` in `timezone`: incidents meanwhile are
    collected into the next message.
    `author` is the last person who changed the rule; connections are used with their permissions. Owners of the
    workflows in `muted_for` are left out. A deleted rule can be restored for a day.
    """

    class Kind(models.TextChoices):
        """The kind of incident."""

        FIRST_FAILURE = "first_failure", _("A run fails after a success")
        FAILURES = "failures", _("Several runs fail")
        NOT_RUN = "not_run", _("A workflow has not run")
        WAITING = "waiting", _("A run waits too long")
        DEAD_JOB = "dead_job", _("A job failed permanently")
        CONNECTION = "connection", _("A connection stops working")
        NOT_POLLED = "not_polled", _("A poll or a service webhook fails")
        POOL = "pool", _("A pool has no consumers")
        STOPPED = "stopped", _("A workflow is stopped")
        BUDGET = "budget", _("A budget refuses model calls")
        AUDIT = "audit", _("The audit trail was tampered with")

    class Channel(models.TextChoices):
        """The built-in channels; those of plug-ins have codes of their own."""

        EMAIL = "email", _("Email")
        SLACK = "slack", "Slack"
        WEBHOOK = "webhook", _("Webhook")

    #: Kinds that are found by looking now and then; the others by each run that fails.
    LOOKING = frozenset(
        {
            Kind.NOT_RUN,
            Kind.WAITING,
            Kind.DEAD_JOB,
            Kind.CONNECTION,
            Kind.NOT_POLLED,
            Kind.POOL,
            Kind.STOPPED,
            Kind.BUDGET,
            Kind.AUDIT,
        }
    )

    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, null=True, related_name="notification_rules")
    kind = models.CharField(max_length=13, choices=Kind)
    failures = models.PositiveSmallIntegerField(null=True)
    span = models.DurationField(null=True)
    channel = models.CharField(max_length=50, choices=Channel)
    to_owner = models.BooleanField(default=False)
    people = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="+")
    addresses = models.JSONField(default=list)
    connection = models.CharField(max_length=100, blank=True)
    room = models.CharField(max_length=100, blank=True)  # Slack's channel
    url = models.CharField(max_length=500, blank=True)
    secret = models.CharField(max_length=200, blank=True)  # a reference: what webhooks are signed with
    config = models.JSONField(default=dict, db_default=Value({}, models.JSONField()))  # of a plug-in's channel
    window = models.DurationField(default=DEFAULT_WINDOW)
    quiet_from = models.TimeField(null=True)
    quiet_until = models.TimeField(null=True)
    timezone = models.CharField(max_length=64, default="UTC")
    is_on = models.BooleanField(default=True)
    built_in = models.BooleanField(default=False)
    muted_for = models.ManyToManyField(Workflow, related_name="+")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)
    look_at = models.DateTimeField(db_default=Now())
    removed_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("notification rule")
        verbose_name_plural = _("notification rules")
        ordering = ["id"]
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["built_in"], condition=Q(built_in=True), name="one_built_in_rule"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.get_channel_display()}"


class Occurrence(models.Model):
    """An incident that a rule has reported, or will in its next message: never twice."""

    rule = models.ForeignKey(NotificationRule, on_delete=models.CASCADE, related_name="occurrences", db_index=False)
    key = models.CharField(max_length=200)
    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, null=True, related_name="+")
    at = models.DateTimeField()

    class Meta:
        verbose_name = _("incident")
        verbose_name_plural = _("incidents")
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["rule", "key"], name="once_for_each_rule")]
        indexes = [models.Index(F("at"), name="occurrences_by_age")]

    def __str__(self) -> str:
        return self.key


class Notification(models.Model):
    """A message to one place. Until it is first tried, what else happens is added to it.

    `facts` are what it tells, the first of them, and `count` how many there are. `taken_until` is set while a worker
    sends it; `attempts` is the token with which that worker says what came of it. `target` names the place for people.
    """

    Status = states.NotificationStatus
    Channel = NotificationRule.Channel

    APPROVAL, REMINDER, TEST = "approval", "reminder", "test"  #: kinds of messages that no rule's kind makes

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    rule = models.ForeignKey(NotificationRule, on_delete=models.SET_NULL, null=True, related_name="notifications")
    kind = models.CharField(max_length=13)
    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, null=True, related_name="+", db_index=False)
    wait = models.ForeignKey(
        Wait, on_delete=models.CASCADE, null=True, related_name="notifications", db_constraint=False
    )
    channel = models.CharField(max_length=50, choices=Channel)
    target = models.CharField(max_length=320)
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+", db_index=False
    )
    facts = models.JSONField(default=list)
    count = models.PositiveIntegerField(default=0)
    status = models.CharField(max_length=7, choices=Status, default=Status.WAITING)
    send_at = models.DateTimeField()
    taken_until = models.DateTimeField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    error = models.CharField(max_length=500, blank=True)
    error_text = DocumentField(null=True)
    created_at = models.DateTimeField(db_default=Now())
    sent_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("notification")
        verbose_name_plural = _("notifications")
        ordering = ["-id"]
        default_permissions = ()
        indexes = [
            models.Index(F("send_at"), condition=Q(status="waiting"), name="notifications_to_send"),
            models.Index(F("rule"), F("target"), F("send_at").desc(), name="notifications_of_target"),
            models.Index(F("workflow"), F("id").desc(), name="notifications_of_workflow"),
            models.Index(F("created_at"), name="notifications_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} to {self.target}"

    @property
    def reason(self) -> str:
        """Return `error` as a marked text, which is translated when it is shown."""
        return restored(self.error_text, self.error)

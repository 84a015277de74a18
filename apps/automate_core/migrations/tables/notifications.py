"""Notification rules and notifications."""

import datetime

from django.conf import settings
from django.db import migrations, models
from django.db.models.functions import Now

from automate_core.ids import uuid7
from automate_core.models.fields import DocumentField

TABLES = [
    migrations.CreateModel(
        name="Notification",
        fields=[
            ("id", models.UUIDField(default=uuid7, editable=False, primary_key=True, serialize=False)),
            ("kind", models.CharField(max_length=13)),
            (
                "channel",
                models.CharField(
                    choices=[("email", "Email"), ("slack", "Slack"), ("webhook", "Webhook")], max_length=50
                ),
            ),
            ("target", models.CharField(max_length=320)),
            ("facts", models.JSONField(default=list)),
            ("count", models.PositiveIntegerField(default=0)),
            (
                "status",
                models.CharField(
                    choices=[("waiting", "Waiting"), ("sent", "Sent"), ("failed", "Failed"), ("dropped", "Dropped")],
                    default="waiting",
                    max_length=7,
                ),
            ),
            ("send_at", models.DateTimeField()),
            ("taken_until", models.DateTimeField(null=True)),
            ("attempts", models.PositiveIntegerField(default=0)),
            ("error", models.CharField(blank=True, max_length=500)),
            ("created_at", models.DateTimeField(db_default=Now())),
            ("sent_at", models.DateTimeField(null=True)),
            (
                "person",
                models.ForeignKey(
                    db_index=False, null=True, on_delete=models.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL
                ),
            ),
            (
                "rule",
                models.ForeignKey(
                    null=True,
                    on_delete=models.SET_NULL,
                    related_name="notifications",
                    to="automate_core.notificationrule",
                ),
            ),
            (
                "wait",
                models.ForeignKey(
                    db_constraint=False,
                    null=True,
                    on_delete=models.CASCADE,
                    related_name="notifications",
                    to="automate_core.wait",
                ),
            ),
            (
                "workflow",
                models.ForeignKey(
                    db_index=False, null=True, on_delete=models.CASCADE, related_name="+", to="automate_core.workflow"
                ),
            ),
            ("error_text", DocumentField(null=True)),
        ],
        options={
            "verbose_name": "notification",
            "verbose_name_plural": "notifications",
            "ordering": ["-id"],
            "default_permissions": (),
            "indexes": [
                models.Index(
                    models.F("send_at"), condition=models.Q(("status", "waiting")), name="notifications_to_send"
                ),
                models.Index(
                    models.F("rule"),
                    models.F("target"),
                    models.OrderBy(models.F("send_at"), descending=True),
                    name="notifications_of_target",
                ),
                models.Index(
                    models.F("workflow"),
                    models.OrderBy(models.F("id"), descending=True),
                    name="notifications_of_workflow",
                ),
                models.Index(models.F("created_at"), name="notifications_by_age"),
            ],
        },
    ),
    migrations.CreateModel(
        name="NotificationRule",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            (
                "kind",
                models.CharField(
                    choices=[
                        ("first_failure", "A run fails after a success"),
                        ("failures", "Several runs fail"),
                        ("not_run", "A workflow has not run"),
                        ("waiting", "A run waits too long"),
                        ("dead_job", "A job failed permanently"),
                        ("connection", "A connection stops working"),
                        ("not_polled", "A poll or a service webhook fails"),
                        ("pool", "A pool has no consumers"),
                        ("stopped", "A workflow is stopped"),
                        ("budget", "A budget refuses model calls"),
                        ("audit", "The audit trail was tampered with"),
                    ],
                    max_length=13,
                ),
            ),
            ("failures", models.PositiveSmallIntegerField(null=True)),
            ("span", models.DurationField(null=True)),
            (
                "channel",
                models.CharField(
                    choices=[("email", "Email"), ("slack", "Slack"), ("webhook", "Webhook")], max_length=50
                ),
            ),
            ("to_owner", models.BooleanField(default=False)),
            ("addresses", models.JSONField(default=list)),
            ("connection", models.CharField(blank=True, max_length=100)),
            ("room", models.CharField(blank=True, max_length=100)),
            ("url", models.CharField(blank=True, max_length=500)),
            ("secret", models.CharField(blank=True, max_length=200)),
            ("window", models.DurationField(default=datetime.timedelta(seconds=900))),
            ("quiet_from", models.TimeField(null=True)),
            ("quiet_until", models.TimeField(null=True)),
            ("timezone", models.CharField(default="UTC", max_length=64)),
            ("is_on", models.BooleanField(default=True)),
            ("built_in", models.BooleanField(default=False)),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            ("changed_at", models.DateTimeField(auto_now=True)),
            ("look_at", models.DateTimeField(db_default=Now())),
            ("removed_at", models.DateTimeField(null=True)),
            (
                "author",
                models.ForeignKey(null=True, on_delete=models.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL),
            ),
            ("people", models.ManyToManyField(related_name="+", to=settings.AUTH_USER_MODEL)),
            ("muted_for", models.ManyToManyField(related_name="+", to="automate_core.workflow")),
            (
                "workflow",
                models.ForeignKey(
                    null=True, on_delete=models.CASCADE, related_name="notification_rules", to="automate_core.workflow"
                ),
            ),
            ("config", models.JSONField(db_default=models.Value({}, models.JSONField()), default=dict)),
        ],
        options={
            "verbose_name": "notification rule",
            "verbose_name_plural": "notification rules",
            "ordering": ["id"],
            "default_permissions": (),
            "constraints": [
                models.UniqueConstraint(
                    condition=models.Q(("built_in", True)), fields=("built_in",), name="one_built_in_rule"
                )
            ],
        },
    ),
    migrations.CreateModel(
        name="Occurrence",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("key", models.CharField(max_length=200)),
            ("at", models.DateTimeField()),
            (
                "rule",
                models.ForeignKey(
                    db_index=False,
                    on_delete=models.CASCADE,
                    related_name="occurrences",
                    to="automate_core.notificationrule",
                ),
            ),
            (
                "workflow",
                models.ForeignKey(null=True, on_delete=models.CASCADE, related_name="+", to="automate_core.workflow"),
            ),
        ],
        options={
            "verbose_name": "incident",
            "verbose_name_plural": "incidents",
            "default_permissions": (),
            "indexes": [models.Index(models.F("at"), name="occurrences_by_age")],
            "constraints": [models.UniqueConstraint(fields=("rule", "key"), name="once_for_each_rule")],
        },
    ),
]

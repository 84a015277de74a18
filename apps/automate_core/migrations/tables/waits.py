"""Waits and approvers."""

from django.conf import settings
from django.db import migrations, models
from django.db.models.functions import Now

from automate_core.ids import uuid7
from automate_core.models import deletion

TABLES = [
    migrations.CreateModel(
        name="Wait",
        fields=[
            ("id", models.UUIDField(default=uuid7, editable=False, primary_key=True, serialize=False)),
            ("path", models.CharField(max_length=2000)),
            (
                "kind",
                models.CharField(
                    choices=[
                        ("retry", "Retry"),
                        ("timer", "Timer"),
                        ("callback", "Callback"),
                        ("form", "Form"),
                        ("approval", "Approval"),
                        ("child", "Sub-run"),
                        ("slot", "Concurrency slot"),
                        ("paused", "Paused"),
                        ("reconnect", "Reconnect"),
                        ("limit", "Rate limit"),
                        ("pool", "Pool"),
                        ("review", "Review"),
                    ],
                    max_length=16,
                ),
            ),
            (
                "status",
                models.CharField(
                    choices=[
                        ("open", "Open"),
                        ("resolved", "Resolved"),
                        ("expired", "Expired"),
                        ("cancelled", "Cancelled"),
                    ],
                    default="open",
                    max_length=9,
                ),
            ),
            ("due_at", models.DateTimeField(null=True)),
            ("remind_at", models.DateTimeField(null=True)),
            ("data", models.JSONField(null=True)),
            ("outcome", models.JSONField(null=True)),
            ("created_at", models.DateTimeField(db_default=Now())),
            ("resolved_at", models.DateTimeField(null=True)),
            ("seq", models.PositiveIntegerField(default=0)),
            (
                "decided_by",
                models.ForeignKey(
                    db_index=False, null=True, on_delete=models.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL
                ),
            ),
            (
                "run",
                models.ForeignKey(
                    db_constraint=False,
                    db_index=False,
                    on_delete=models.CASCADE,
                    related_name="waits",
                    to="automate_core.executionrun",
                ),
            ),
        ],
        options={
            "verbose_name": "wait",
            "verbose_name_plural": "waits",
            "ordering": ["id"],
            "default_permissions": (),
            "indexes": [
                models.Index(models.F("due_at"), condition=models.Q(("status", "open")), name="open_waits_by_due"),
                models.Index(
                    models.F("remind_at"),
                    condition=models.Q(("remind_at__isnull", False), ("status", "open")),
                    name="open_waits_by_reminder",
                ),
                models.Index(
                    models.F("kind"), models.F("id"), condition=models.Q(("status", "open")), name="open_waits_by_kind"
                ),
                models.Index(models.F("run"), name="waits_of_run"),
                models.Index(
                    models.F("decided_by"),
                    models.OrderBy(models.F("resolved_at"), descending=True),
                    condition=models.Q(("decided_by__isnull", False)),
                    name="waits_by_who_decided",
                ),
            ],
            "constraints": [
                models.UniqueConstraint(
                    condition=models.Q(("status", "open")), fields=("run", "path"), name="one_open_wait_per_step"
                )
            ],
        },
    ),
    migrations.CreateModel(
        name="WaitAssignee",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("excluded", models.BooleanField(db_default=False)),
            ("told", models.BooleanField(db_default=False)),
            ("group", models.ForeignKey(null=True, on_delete=models.CASCADE, related_name="+", to="auth.group")),
            (
                "user",
                models.ForeignKey(
                    null=True, on_delete=deletion.protect_open_approvals, related_name="+", to=settings.AUTH_USER_MODEL
                ),
            ),
            (
                "wait",
                models.ForeignKey(
                    db_constraint=False, on_delete=models.CASCADE, related_name="assignees", to="automate_core.wait"
                ),
            ),
        ],
        options={
            "verbose_name": "approver",
            "verbose_name_plural": "approvers",
            "default_permissions": (),
            "indexes": [
                models.Index(
                    models.F("wait"), condition=models.Q(("excluded", False), ("told", False)), name="assignees_to_tell"
                )
            ],
            "constraints": [
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("group__isnull", True), ("user__isnull", False)),
                        models.Q(("group__isnull", False), ("user__isnull", True)),
                        _connector="OR",
                    ),
                    name="a_person_or_a_group",
                )
            ],
        },
    ),
]

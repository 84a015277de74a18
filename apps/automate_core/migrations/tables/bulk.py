"""Bulk actions."""

from django.conf import settings
from django.db import migrations, models
from django.db.models.functions import Now

from automate_core.ids import uuid7
from automate_core.models.fields import DocumentField

TABLES = [
    migrations.CreateModel(
        name="BulkAction",
        fields=[
            ("id", models.UUIDField(default=uuid7, editable=False, primary_key=True, serialize=False)),
            (
                "verb",
                models.CharField(
                    choices=[
                        ("retry", "Re-run"),
                        ("cancel", "Cancel"),
                        ("review", "Set outcome"),
                        ("replay", "Replay"),
                    ],
                    max_length=8,
                ),
            ),
            ("options", models.JSONField(default=dict)),
            (
                "status",
                models.CharField(
                    choices=[("open", "Open"), ("done", "Done"), ("stopped", "Stopped")], default="open", max_length=8
                ),
            ),
            ("total", models.PositiveIntegerField()),
            ("done", models.PositiveIntegerField(default=0)),
            ("refused", models.PositiveIntegerField(default=0)),
            ("request", models.UUIDField(default=uuid7)),
            ("created_at", models.DateTimeField(db_default=Now())),
            ("ended_at", models.DateTimeField(null=True)),
            ("person", models.ForeignKey(on_delete=models.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL)),
            ("limits", models.JSONField(editable=False, null=True)),
        ],
        options={
            "verbose_name": "bulk action",
            "verbose_name_plural": "bulk actions",
            "default_permissions": (),
            "indexes": [models.Index(models.F("id"), condition=models.Q(("status", "open")), name="open_bulk_actions")],
            "constraints": [models.UniqueConstraint(fields=("person", "request"), name="one_bulk_action_per_request")],
        },
    ),
    migrations.CreateModel(
        name="BulkItem",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("number", models.PositiveIntegerField()),
            ("run", models.UUIDField()),
            ("result", models.UUIDField(null=True)),
            ("refusal", models.TextField(blank=True)),
            (
                "action",
                models.ForeignKey(on_delete=models.CASCADE, related_name="items", to="automate_core.bulkaction"),
            ),
            ("refusal_text", DocumentField(null=True)),
        ],
        options={
            "verbose_name": "run of a bulk action",
            "verbose_name_plural": "runs of bulk actions",
            "ordering": ["number"],
            "default_permissions": (),
            "constraints": [models.UniqueConstraint(fields=("action", "number"), name="one_bulk_item_per_number")],
        },
    ),
]

"""Searches for personal data, and what was erased."""

from django.conf import settings
from django.db import migrations, models
from django.db.models.functions import Now

from automate_core.ids import uuid7

TABLES = [
    migrations.CreateModel(
        name="Erasure",
        fields=[
            ("id", models.UUIDField(default=uuid7, editable=False, primary_key=True, serialize=False)),
            ("requester", models.CharField(max_length=200)),
            ("texts", models.JSONField(default=list)),
            ("digest", models.CharField(max_length=64)),
            ("reason", models.CharField(blank=True, max_length=500)),
            (
                "status",
                models.CharField(
                    choices=[
                        ("searching", "Searching"),
                        ("found", "Found"),
                        ("erasing", "Erasing"),
                        ("done", "Done"),
                        ("stopped", "Stopped"),
                    ],
                    default="searching",
                    max_length=9,
                ),
            ),
            ("stage", models.PositiveSmallIntegerField(default=0)),
            ("after", models.CharField(blank=True, max_length=100)),
            ("looked", models.PositiveBigIntegerField(default=0)),
            ("counts", models.JSONField(default=dict)),
            ("created_at", models.DateTimeField(db_default=Now())),
            ("ended_at", models.DateTimeField(null=True)),
            (
                "person",
                models.ForeignKey(null=True, on_delete=models.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL),
            ),
        ],
        options={
            "verbose_name": "erasure",
            "verbose_name_plural": "erasures",
            "ordering": ["-id"],
            "default_permissions": (),
            "indexes": [
                models.Index(
                    models.F("id"),
                    condition=models.Q(("status__in", ["searching", "found", "erasing"])),
                    name="open_erasures",
                )
            ],
        },
    ),
    migrations.CreateModel(
        name="ErasureItem",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("kind", models.CharField(max_length=20)),
            ("key", models.CharField(max_length=64)),
            (
                "state",
                models.CharField(
                    choices=[("found", "Found"), ("kept", "Kept"), ("in_use", "In use")], default="found", max_length=6
                ),
            ),
            (
                "erasure",
                models.ForeignKey(
                    db_index=False, on_delete=models.CASCADE, related_name="items", to="automate_core.erasure"
                ),
            ),
        ],
        options={
            "verbose_name": "found data",
            "verbose_name_plural": "found data",
            "default_permissions": (),
            "constraints": [models.UniqueConstraint(fields=("erasure", "kind", "key"), name="one_item_of_an_erasure")],
        },
    ),
]

"""Searches for personal data, their erasure, and what was erased."""

from __future__ import annotations

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

import automate_core.ids


class Migration(migrations.Migration):
    dependencies = [
        ("automate_core", "0030_announced_changes"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(model_name="event", name="erasure", field=models.UUIDField(null=True)),
        migrations.AddField(model_name="executionrun", name="erasure", field=models.UUIDField(null=True)),
        migrations.CreateModel(
            name="Erasure",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=automate_core.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
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
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "person",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "erasure",
                "verbose_name_plural": "erasures",
                "ordering": ["-id"],
                "default_permissions": (),
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
                        choices=[("found", "Found"), ("kept", "Kept"), ("in_use", "In use")],
                        default="found",
                        max_length=6,
                    ),
                ),
                (
                    "erasure",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="items",
                        to="automate_core.erasure",
                    ),
                ),
            ],
            options={
                "verbose_name": "found data",
                "verbose_name_plural": "found data",
                "default_permissions": (),
            },
        ),
        migrations.AddIndex(
            model_name="erasure",
            index=models.Index(
                models.F("id"),
                condition=models.Q(("status__in", ["searching", "found", "erasing"])),
                name="open_erasures",
            ),
        ),
        migrations.AddConstraint(
            model_name="erasureitem",
            constraint=models.UniqueConstraint(fields=("erasure", "kind", "key"), name="one_item_of_an_erasure"),
        ),
    ]

"""Stored files, and replies to callers."""

from django.db import migrations, models
from django.db.models.functions import Now

from automate_core.models import files

TABLES = [
    migrations.CreateModel(
        name="StoredFile",
        fields=[
            (
                "reference",
                models.CharField(
                    default=files.new_reference, editable=False, max_length=64, primary_key=True, serialize=False
                ),
            ),
            ("trace_id", models.CharField(max_length=32)),
            ("name", models.CharField(max_length=200)),
            ("content_type", models.CharField(max_length=100)),
            ("size", models.PositiveBigIntegerField()),
            ("file", models.CharField(max_length=200, unique=True)),
            ("created_at", models.DateTimeField(db_default=Now())),
            (
                "workflow",
                models.ForeignKey(
                    db_constraint=False,
                    db_index=False,
                    null=True,
                    on_delete=models.SET_NULL,
                    related_name="+",
                    to="automate_core.workflow",
                ),
            ),
            (
                "run",
                models.ForeignKey(
                    db_constraint=False,
                    db_index=False,
                    null=True,
                    on_delete=models.DO_NOTHING,
                    related_name="+",
                    to="automate_core.executionrun",
                ),
            ),
            (
                "event",
                models.ForeignKey(
                    db_constraint=False,
                    db_index=False,
                    null=True,
                    on_delete=models.DO_NOTHING,
                    related_name="+",
                    to="automate_core.event",
                ),
            ),
            ("page", models.CharField(max_length=200, null=True)),
        ],
        options={
            "verbose_name": "file",
            "verbose_name_plural": "files",
            "default_permissions": (),
            "indexes": [
                models.Index(fields=["trace_id"], name="files_by_trace"),
                models.Index(condition=models.Q(("run__isnull", False)), fields=["run"], name="files_by_run"),
                models.Index(condition=models.Q(("event__isnull", False)), fields=["event"], name="files_by_event"),
                models.Index(condition=models.Q(("page__isnull", False)), fields=["page"], name="files_by_page"),
            ],
        },
    )
]

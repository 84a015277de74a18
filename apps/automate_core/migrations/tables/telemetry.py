"""Trace exports."""

from django.db import migrations, models
from django.db.models.functions import Now

TABLES = [
    migrations.CreateModel(
        name="TraceExport",
        fields=[
            (
                "run",
                models.OneToOneField(
                    db_constraint=False,
                    on_delete=models.CASCADE,
                    primary_key=True,
                    related_name="+",
                    serialize=False,
                    to="automate_core.executionrun",
                ),
            ),
            ("due_at", models.DateTimeField(db_default=Now())),
        ],
        options={
            "verbose_name": "trace export",
            "verbose_name_plural": "trace exports",
            "default_permissions": (),
            "indexes": [models.Index(fields=["due_at"], name="trace_exports_by_due")],
        },
    )
]

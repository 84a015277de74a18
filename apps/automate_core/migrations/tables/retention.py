"""Retention policies and passes."""

from django.db import migrations, models
from django.db.models.functions import Now

TABLES = [
    migrations.CreateModel(
        name="Pruning",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("workflow", models.CharField(blank=True, max_length=100)),
            ("by", models.CharField(max_length=20)),
            ("started_at", models.DateTimeField(db_default=Now())),
            ("moved_at", models.DateTimeField(db_default=Now())),
            ("ended_at", models.DateTimeField(null=True)),
            ("stage", models.PositiveSmallIntegerField(default=0)),
            ("after", models.CharField(blank=True, max_length=100)),
            ("counts", models.JSONField(default=dict)),
        ],
        options={
            "verbose_name": "retention pass",
            "verbose_name_plural": "retention passes",
            "ordering": ["-id"],
            "default_permissions": (),
            "constraints": [
                models.UniqueConstraint(
                    condition=models.Q(("ended_at__isnull", True)),
                    fields=("workflow",),
                    name="one_open_pruning_per_scope",
                )
            ],
        },
    ),
    migrations.CreateModel(
        name="SitePolicy",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("succeeded", models.PositiveIntegerField(null=True)),
            ("failed", models.PositiveIntegerField(null=True)),
            ("cancelled", models.PositiveIntegerField(null=True)),
            ("tests", models.PositiveIntegerField(null=True)),
            ("unmatched", models.PositiveIntegerField(null=True)),
        ],
        options={
            "verbose_name": "retention policy",
            "verbose_name_plural": "retention policies",
            "default_permissions": (),
            "constraints": [models.CheckConstraint(condition=models.Q(("pk", 1)), name="one_policy")],
        },
    ),
]

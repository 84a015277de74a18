"""Polls."""

from django.db import migrations, models

from automate_core.models.fields import DocumentField

TABLES = [
    migrations.CreateModel(
        name="PollState",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("key", models.CharField(max_length=64)),
            ("poll", models.CharField(max_length=200)),
            ("connection", models.CharField(blank=True, max_length=100)),
            ("inputs", DocumentField(default=dict)),
            ("digest", models.CharField(max_length=64)),
            ("seconds", models.FloatField()),
            ("cursor", models.JSONField(null=True)),
            ("has_baseline", models.BooleanField(default=False)),
            ("seen", models.JSONField(default=list)),
            ("next_at", models.DateTimeField()),
            ("lease_until", models.DateTimeField(null=True)),
            ("token", models.PositiveBigIntegerField(default=0)),
            ("failures", models.PositiveIntegerField(default=0)),
            ("error_code", models.CharField(blank=True, max_length=100)),
            ("error", models.CharField(blank=True, max_length=500)),
            ("error_text", DocumentField(null=True)),
            ("due_since", models.DateTimeField()),
            ("polled_at", models.DateTimeField(null=True)),
            ("succeeded_at", models.DateTimeField(null=True)),
            ("found_at", models.DateTimeField(null=True)),
            (
                "workflow",
                models.ForeignKey(on_delete=models.CASCADE, related_name="polls", to="automate_core.workflow"),
            ),
            ("counted_events", models.PositiveIntegerField(db_default=0, default=0)),
            ("counted_from", models.DateTimeField(null=True)),
            ("limited_at", models.DateTimeField(null=True)),
            ("pages_in_row", models.PositiveIntegerField(db_default=0, default=0)),
        ],
        options={
            "verbose_name": "poll",
            "verbose_name_plural": "polls",
            "default_permissions": (),
            "indexes": [
                models.Index(models.F("next_at"), name="polls_by_due"),
                models.Index(models.F("connection"), name="polls_of_connection"),
            ],
            "constraints": [models.UniqueConstraint(fields=("workflow", "key"), name="one_poll_per_trigger")],
        },
    )
]

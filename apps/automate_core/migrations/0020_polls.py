"""Polls: triggers that ask a service again and again, their state, and the rule that watches them."""

import django.db.models.deletion
from django.db import migrations, models

import automate_core.models.fields


class Migration(migrations.Migration):
    dependencies = [
        ("automate_core", "0019_api_sources_and_token_limits"),
    ]

    operations = [
        migrations.AlterField(
            model_name="executionrun",
            name="origin",
            field=models.CharField(
                blank=True,
                choices=[
                    ("webhook", "Webhook"),
                    ("schedule", "Schedule"),
                    ("model", "Model change"),
                    ("manual", "Manual"),
                    ("app", "Event from code"),
                    ("api", "Event from the API"),
                    ("run", "End of a run"),
                    ("call", "Sub-run"),
                    ("mcp", "AI agent"),
                    ("poll", "Poll"),
                ],
                db_default="",
                max_length=8,
            ),
        ),
        migrations.AlterField(
            model_name="notificationrule",
            name="kind",
            field=models.CharField(
                choices=[
                    ("first_failure", "A run fails after a success"),
                    ("failures", "Several runs fail"),
                    ("not_run", "A workflow has not run"),
                    ("waiting", "A run waits too long"),
                    ("dead_job", "A job failed permanently"),
                    ("connection", "A connection stops working"),
                    ("not_polled", "A poll has no success"),
                ],
                max_length=13,
            ),
        ),
        migrations.AlterField(
            model_name="trigger",
            name="kind",
            field=models.CharField(
                choices=[
                    ("webhook", "Webhook"),
                    ("schedule", "Schedule"),
                    ("model", "Model change"),
                    ("manual", "Manual"),
                    ("event", "Event from code"),
                    ("run", "End of a run"),
                    ("poll", "Poll"),
                ],
                max_length=16,
            ),
        ),
        migrations.CreateModel(
            name="PollState",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.CharField(max_length=64)),
                ("poll", models.CharField(max_length=200)),
                ("connection", models.CharField(blank=True, max_length=100)),
                ("inputs", automate_core.models.fields.DocumentField(default=dict)),
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
                ("error_text", automate_core.models.fields.DocumentField(null=True)),
                ("due_since", models.DateTimeField()),
                ("polled_at", models.DateTimeField(null=True)),
                ("succeeded_at", models.DateTimeField(null=True)),
                ("found_at", models.DateTimeField(null=True)),
                (
                    "workflow",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="polls", to="automate_core.workflow"
                    ),
                ),
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
        ),
    ]

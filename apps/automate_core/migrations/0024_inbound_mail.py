"""Inbound mail: the addresses of workflows, and runs of their messages."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("automate_core", "0023_rate_limits"),
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
                    ("form", "Form"),
                    ("mail", "Email"),
                ],
                db_default="",
                max_length=8,
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
                    ("form", "Form"),
                    ("mail", "Email"),
                ],
                max_length=16,
            ),
        ),
        migrations.CreateModel(
            name="InboundAddress",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.CharField(max_length=64)),
                ("local_part", models.CharField(max_length=64, unique=True)),
                ("number", models.PositiveIntegerField(default=1)),
                ("accepted", models.PositiveBigIntegerField(default=0)),
                ("refused", models.JSONField(default=dict)),
                ("refused_at", models.DateTimeField(null=True)),
                (
                    "workflow",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="mail_addresses",
                        to="automate_core.workflow",
                    ),
                ),
            ],
            options={
                "verbose_name": "inbound address",
                "verbose_name_plural": "inbound addresses",
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(fields=("workflow", "key"), name="one_address_per_trigger"),
                ],
            },
        ),
    ]

"""Hosted forms: their addresses, and runs and waits of their answers."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("automate_core", "0021_channels_of_plugins"),
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
                ],
                max_length=16,
            ),
        ),
        migrations.AlterField(
            model_name="wait",
            name="kind",
            field=models.CharField(
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
                    ("review", "Review"),
                ],
                max_length=16,
            ),
        ),
        migrations.CreateModel(
            name="HostedForm",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.CharField(max_length=64)),
                ("slug", models.SlugField(max_length=100, unique=True)),
                ("answers", models.PositiveIntegerField(default=0)),
                (
                    "workflow",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="forms", to="automate_core.workflow"
                    ),
                ),
            ],
            options={
                "verbose_name": "hosted form",
                "verbose_name_plural": "hosted forms",
                "default_permissions": (),
                "constraints": [models.UniqueConstraint(fields=("workflow", "key"), name="one_form_per_trigger")],
            },
        ),
    ]

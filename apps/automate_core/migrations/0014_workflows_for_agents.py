"""Workflows that AI agents can start, and their runs."""

from django.db import migrations, models

import automate_core.models.fields


class Migration(migrations.Migration):
    dependencies = [("automate_core", "0013_translated_edits")]

    operations = [
        migrations.AddField(
            model_name="workflow",
            name="agents",
            field=automate_core.models.fields.DocumentField(blank=True, null=True),
        ),
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
                    ("run", "End of a run"),
                    ("call", "Sub-run"),
                    ("mcp", "AI agent"),
                ],
                db_default="",
                max_length=8,
            ),
        ),
    ]

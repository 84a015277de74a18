"""Runs of events that the API sent say so, and bulk actions keep the limits of the token that requested them."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("automate_core", "0018_stored_files")]

    operations = [
        migrations.AddField(
            model_name="bulkaction",
            name="limits",
            field=models.JSONField(editable=False, null=True),
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
                    ("api", "Event from the API"),
                    ("run", "End of a run"),
                    ("call", "Sub-run"),
                    ("mcp", "AI agent"),
                ],
                db_default="",
                max_length=8,
            ),
        ),
    ]

"""Bulk actions that replay events."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("automate_core", "0038_versions_append_only")]

    operations = [
        migrations.AlterField(
            model_name="bulkaction",
            name="verb",
            field=models.CharField(
                choices=[("retry", "Re-run"), ("cancel", "Cancel"), ("replay", "Replay")], max_length=8
            ),
        ),
    ]

"""The verb of a bulk action that sets the outcome of attempts in doubt."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("automate_core", "0045_urls_of_service_webhooks")]

    operations = [
        migrations.AlterField(
            model_name="bulkaction",
            name="verb",
            field=models.CharField(
                choices=[
                    ("retry", "Re-run"),
                    ("cancel", "Cancel"),
                    ("review", "Set outcome"),
                    ("replay", "Replay"),
                ],
                max_length=8,
            ),
        ),
    ]

"""Why a workflow is paused, in the words of the person who paused it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("automate_core", "0041_inherited_idempotency_keys")]

    operations = [
        migrations.AddField(
            model_name="workflow",
            name="pause_reason",
            field=models.CharField(blank=True, db_default="", default="", max_length=100),
        ),
    ]

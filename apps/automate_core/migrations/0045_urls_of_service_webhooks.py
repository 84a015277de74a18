"""The URL for which a service webhook is registered, so that another one of the site is noticed."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("automate_core", "0044_limits_of_polls")]

    operations = [
        migrations.AddField(
            model_name="servicewebhook",
            name="url",
            field=models.CharField(blank=True, db_default="", default="", max_length=500),
        ),
    ]

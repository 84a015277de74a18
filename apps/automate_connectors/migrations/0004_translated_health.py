"""Connections keep the message about their health as a text that can be translated."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("automate_connectors", "0003_translated_names")]

    operations = [
        migrations.AddField(
            model_name="connection",
            name="health_text",
            field=models.JSONField(editable=False, null=True),
        ),
    ]

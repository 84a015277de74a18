"""Scopes that a sign-in asked for and was not granted."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("automate_connectors", "0007_stored_connectors"),
    ]

    operations = [
        migrations.AddField(
            model_name="oauthtoken",
            name="missing_scopes",
            field=models.JSONField(default=list),
        ),
    ]

"""When a service announced changes that its webhook does not carry."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("automate_core", "0029_pool_notifications")]

    operations = [
        migrations.AddField(model_name="servicewebhook", name="announced_at", field=models.DateTimeField(null=True)),
    ]

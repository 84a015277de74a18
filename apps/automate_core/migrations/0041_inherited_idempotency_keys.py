"""The idempotency keys that a re-run takes over from attempts whose outcome is unknown."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("automate_core", "0040_notifications_of_the_audit_trail")]

    operations = [
        migrations.AddField(model_name="executionrun", name="inherited_keys", field=models.JSONField(null=True)),
    ]

"""Reasons of unsent messages and of runs that a bulk action left out keep a text that can be translated."""

from django.db import migrations

import automate_core.models.fields


class Migration(migrations.Migration):
    dependencies = [("automate_core", "0016_replies_to_callers")]

    operations = [
        migrations.AddField(
            model_name="bulkitem",
            name="refusal_text",
            field=automate_core.models.fields.DocumentField(null=True),
        ),
        migrations.AddField(
            model_name="notification",
            name="error_text",
            field=automate_core.models.fields.DocumentField(null=True),
        ),
    ]

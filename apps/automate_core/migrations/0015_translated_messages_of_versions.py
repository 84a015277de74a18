"""Versions keep a message that no person wrote as a text that can be translated."""

from django.db import migrations

import automate_core.models.fields


class Migration(migrations.Migration):
    dependencies = [("automate_core", "0014_workflows_for_agents")]

    operations = [
        migrations.AddField(
            model_name="workflowversion",
            name="message_text",
            field=automate_core.models.fields.DocumentField(null=True),
        ),
    ]

"""Edits of drafts keep their words as a text that can be translated."""

from django.db import migrations

import automate_core.models.fields


class Migration(migrations.Migration):
    dependencies = [("automate_core", "0012_translated_names")]

    operations = [
        migrations.AddField(
            model_name="draftcommand",
            name="message",
            field=automate_core.models.fields.DocumentField(null=True),
        ),
    ]

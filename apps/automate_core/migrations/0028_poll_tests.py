"""The last test of a draft's poll, for the warnings before it is published."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("automate_core", "0027_handed_out_steps")]

    operations = [
        migrations.AddField(model_name="trigger", name="tested", field=models.JSONField(editable=False, null=True)),
    ]

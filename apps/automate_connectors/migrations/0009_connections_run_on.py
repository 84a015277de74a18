"""The pool that performs the steps of a connection."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("automate_connectors", "0008_missing_scopes"),
    ]

    operations = [
        migrations.AddField(
            model_name="connection",
            name="runs_on",
            field=models.CharField(blank=True, db_default="", max_length=64, verbose_name="runs on"),
        ),
    ]

"""The browser tab of an edit, so that edits of one person in two tabs conflict as those of two people do."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("automate_core", "0036_notifications_of_stops_and_budgets")]

    operations = [
        migrations.AddField(
            model_name="draftcommand",
            name="tab",
            field=models.CharField(blank=True, db_default="", default="", editable=False, max_length=36),
        ),
    ]

"""An index that finds the pairs of workflow and source of which events are held, whatever the number of events."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("automate_core", "0001_initial"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="heldevent",
            index=models.Index(fields=["workflow", "source", "event"], name="held_events_by_source"),
        ),
    ]

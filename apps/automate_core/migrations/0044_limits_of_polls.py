"""Counts of the calls and events of polls, so that a service cannot repeat them without end."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("automate_core", "0043_owners_of_files"),
    ]

    operations = [
        migrations.AddField(
            model_name="pollstate",
            name="counted_events",
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="pollstate",
            name="counted_from",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="pollstate",
            name="limited_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="pollstate",
            name="pages_in_row",
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="servicewebhook",
            name="counted_events",
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="servicewebhook",
            name="counted_from",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="servicewebhook",
            name="limited_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="servicewebhook",
            name="pages_in_row",
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
    ]

"""The index that knows deliveries again holds those that have a key, and is of no use for anything else."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("automate_core", "0010_open_approvals_keep_their_people")]

    operations = [
        migrations.AddConstraint(
            model_name="event",
            constraint=models.UniqueConstraint(
                fields=["source", "delivery_key", "endpoint_id"],
                condition=models.Q(delivery_key__isnull=False),
                name="one_event_per_delivery_key",
            ),
        ),
        migrations.RemoveConstraint(model_name="event", name="one_event_per_delivery_to"),
    ]

"""Events that wait for a workflow whose run-as user may not read them."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("automate_core", "0046_bulk_reviews"),
    ]

    operations = [
        migrations.CreateModel(
            name="HeldEvent",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("source", models.CharField(max_length=200)),
                ("held_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "event",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="automate_core.event",
                    ),
                ),
                (
                    "workflow",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="held_events",
                        to="automate_core.workflow",
                    ),
                ),
            ],
            options={
                "verbose_name": "held event",
                "verbose_name_plural": "held events",
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(fields=("workflow", "event"), name="one_held_event_per_workflow")
                ],
            },
        ),
    ]

"""Kind of notification rules: a tampered audit trail."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("automate_core", "0039_bulk_replays"),
    ]

    operations = [
        migrations.AlterField(
            model_name="notificationrule",
            name="kind",
            field=models.CharField(
                choices=[
                    ("first_failure", "A run fails after a success"),
                    ("failures", "Several runs fail"),
                    ("not_run", "A workflow has not run"),
                    ("waiting", "A run waits too long"),
                    ("dead_job", "A job failed permanently"),
                    ("connection", "A connection stops working"),
                    ("not_polled", "A poll or a service webhook fails"),
                    ("pool", "A pool has no consumers"),
                    ("stopped", "A workflow is stopped"),
                    ("budget", "A budget refuses model calls"),
                    ("audit", "The audit trail was tampered with"),
                ],
                max_length=13,
            ),
        ),
    ]

"""A step may wait for the rate limit of a connection."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("automate_core", "0022_hosted_forms"),
    ]

    operations = [
        migrations.AlterField(
            model_name="wait",
            name="kind",
            field=models.CharField(
                choices=[
                    ("retry", "Retry"),
                    ("timer", "Timer"),
                    ("callback", "Callback"),
                    ("form", "Form"),
                    ("approval", "Approval"),
                    ("child", "Sub-run"),
                    ("slot", "Concurrency slot"),
                    ("paused", "Paused"),
                    ("reconnect", "Reconnect"),
                    ("limit", "Rate limit"),
                    ("review", "Review"),
                ],
                max_length=16,
            ),
        ),
    ]

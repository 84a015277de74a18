"""Calls whose reported usage was capped, and calls that an administrator has voided."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("automate_llm", "0003_refusals_of_budgets"),
    ]

    operations = [
        migrations.AddField(
            model_name="llmusage",
            name="is_capped",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AlterField(
            model_name="llmusage",
            name="status",
            field=models.CharField(
                choices=[
                    ("in_flight", "In progress"),
                    ("answered", "Answered"),
                    ("refused", "Rejected"),
                    ("in_doubt", "Outcome unknown"),
                    ("voided", "Voided"),
                ],
                default="in_flight",
                max_length=9,
            ),
        ),
        migrations.AddIndex(
            model_name="llmusage",
            index=models.Index(condition=models.Q(("is_capped", True)), fields=["day"], name="llm_usage_capped"),
        ),
    ]

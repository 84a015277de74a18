"""Webhook endpoints may wait for a run's reply, and an event knows the first reply to its caller."""

import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("automate_core", "0015_translated_messages_of_versions")]

    operations = [
        migrations.AddField(
            model_name="webhookendpoint",
            name="reply_seconds",
            field=models.PositiveSmallIntegerField(
                db_default=0,
                default=0,
                validators=[django.core.validators.MaxValueValidator(30)],
                verbose_name="wait for reply",
            ),
        ),
        migrations.AlterField(
            model_name="step",
            name="kind",
            field=models.CharField(
                choices=[
                    ("action", "Action"),
                    ("branch", "Branch"),
                    ("parallel", "Parallel"),
                    ("for_each", "For each"),
                    ("repeat", "Repeat"),
                    ("wait", "Wait"),
                    ("approval", "Approval"),
                    ("workflow", "Workflow"),
                    ("try", "Catch errors"),
                    ("stop", "Stop"),
                    ("reply", "Reply to caller"),
                ],
                max_length=16,
            ),
        ),
        migrations.CreateModel(
            name="RunReply",
            fields=[
                (
                    "event",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="reply",
                        serialize=False,
                        to="automate_core.event",
                    ),
                ),
                ("path", models.CharField(max_length=2000)),
                ("attempt", models.PositiveIntegerField()),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "run",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="replies",
                        to="automate_core.executionrun",
                    ),
                ),
            ],
            options={"verbose_name": "reply", "verbose_name_plural": "replies", "default_permissions": ()},
        ),
    ]

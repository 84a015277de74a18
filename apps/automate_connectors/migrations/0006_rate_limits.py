"""Connections may have rate limits, and their calls are counted."""

import django.core.validators
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("automate_connectors", "0005_oauth_grants"),
    ]

    operations = [
        migrations.AddField(
            model_name="connection",
            name="limit_concurrent",
            field=models.PositiveIntegerField(
                blank=True,
                null=True,
                validators=[
                    django.core.validators.MinValueValidator(1),
                    django.core.validators.MaxValueValidator(1000),
                ],
                verbose_name="calls at once",
            ),
        ),
        migrations.AddField(
            model_name="connection",
            name="limit_requests",
            field=models.PositiveIntegerField(
                blank=True,
                null=True,
                validators=[
                    django.core.validators.MinValueValidator(1),
                    django.core.validators.MaxValueValidator(100000),
                ],
                verbose_name="calls",
            ),
        ),
        migrations.AddField(
            model_name="connection",
            name="limit_seconds",
            field=models.PositiveIntegerField(
                blank=True,
                null=True,
                validators=[
                    django.core.validators.MinValueValidator(1),
                    django.core.validators.MaxValueValidator(86400),
                ],
                verbose_name="in seconds",
            ),
        ),
        migrations.CreateModel(
            name="ConnectionCall",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("run", models.UUIDField()),
                ("path", models.CharField(max_length=2000)),
                ("workflow", models.CharField(max_length=100)),
                ("requested_at", models.DateTimeField()),
                ("admitted_at", models.DateTimeField(null=True)),
                ("started_at", models.DateTimeField(null=True)),
                ("lease_until", models.DateTimeField(null=True)),
                ("finished_at", models.DateTimeField(null=True)),
                (
                    "connection",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="automate_connectors.connection",
                    ),
                ),
            ],
            options={
                "verbose_name": "call of a limited connection",
                "verbose_name_plural": "calls of limited connections",
                "default_permissions": (),
                "indexes": [
                    models.Index(fields=["connection", "finished_at"], name="calls_of_connection"),
                    models.Index(
                        condition=models.Q(("finished_at__isnull", True)), fields=["run"], name="open_calls_of_run"
                    ),
                ],
            },
        ),
    ]

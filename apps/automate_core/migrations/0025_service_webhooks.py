"""Webhooks at services: the trigger kind, its registrations, and the rule that watches them."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import automate_core.models.fields


class Migration(migrations.Migration):
    dependencies = [
        ("automate_core", "0024_inbound_mail"),
        ("automate_governance", "0010_tokens_of_audit_entries"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterField(
            model_name="executionrun",
            name="origin",
            field=models.CharField(
                blank=True,
                choices=[
                    ("webhook", "Webhook"),
                    ("schedule", "Schedule"),
                    ("model", "Model change"),
                    ("manual", "Manual"),
                    ("app", "Event from code"),
                    ("api", "Event from the API"),
                    ("run", "End of a run"),
                    ("call", "Sub-run"),
                    ("mcp", "AI agent"),
                    ("poll", "Poll"),
                    ("service", "Service webhook"),
                    ("form", "Form"),
                    ("mail", "Email"),
                ],
                db_default="",
                max_length=8,
            ),
        ),
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
                ],
                max_length=13,
            ),
        ),
        migrations.AlterField(
            model_name="trigger",
            name="kind",
            field=models.CharField(
                choices=[
                    ("webhook", "Webhook"),
                    ("schedule", "Schedule"),
                    ("model", "Model change"),
                    ("manual", "Manual"),
                    ("event", "Event from code"),
                    ("run", "End of a run"),
                    ("poll", "Poll"),
                    ("service", "Service webhook"),
                    ("form", "Form"),
                    ("mail", "Email"),
                ],
                max_length=16,
            ),
        ),
        migrations.CreateModel(
            name="ServiceWebhook",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.CharField(max_length=64)),
                ("webhook", models.CharField(max_length=200)),
                ("connection", models.CharField(blank=True, max_length=100)),
                ("inputs", automate_core.models.fields.DocumentField(default=dict)),
                ("events", models.JSONField(default=list)),
                ("digest", models.CharField(max_length=64)),
                ("slug", models.SlugField(max_length=100, unique=True)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("registering", "Registering"),
                            ("registered", "Registered"),
                            ("removing", "Removing"),
                        ],
                        default="registering",
                        max_length=11,
                    ),
                ),
                ("registration_id", models.CharField(blank=True, max_length=500)),
                ("data", models.JSONField(default=dict)),
                ("registered_at", models.DateTimeField(null=True)),
                ("expires_at", models.DateTimeField(null=True)),
                ("renew_at", models.DateTimeField(null=True)),
                ("next_at", models.DateTimeField(null=True)),
                ("lease_until", models.DateTimeField(null=True)),
                ("token", models.PositiveBigIntegerField(default=0)),
                ("failures", models.PositiveIntegerField(default=0)),
                ("error_code", models.CharField(blank=True, max_length=100)),
                ("error", models.CharField(blank=True, max_length=500)),
                ("error_text", automate_core.models.fields.DocumentField(null=True)),
                ("due_since", models.DateTimeField()),
                (
                    "run_as",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "secret",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="automate_governance.storedsecret",
                    ),
                ),
                (
                    "workflow",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="service_webhooks",
                        to="automate_core.workflow",
                    ),
                ),
            ],
            options={
                "verbose_name": "service webhook",
                "verbose_name_plural": "service webhooks",
                "default_permissions": (),
                "indexes": [
                    models.Index(models.F("next_at"), name="service_webhooks_by_due"),
                    models.Index(models.F("connection"), name="service_webhooks_of_conn"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state", "removing"), _negated=True),
                        fields=("workflow", "key"),
                        name="one_service_webhook_per_trigger",
                    )
                ],
            },
        ),
    ]

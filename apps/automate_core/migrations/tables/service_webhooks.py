"""Webhooks at services."""

from django.conf import settings
from django.db import migrations, models

from automate_core.models.fields import DocumentField

TABLES = [
    migrations.CreateModel(
        name="ServiceWebhook",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("key", models.CharField(max_length=64)),
            ("webhook", models.CharField(max_length=200)),
            ("connection", models.CharField(blank=True, max_length=100)),
            ("inputs", DocumentField(default=dict)),
            ("events", models.JSONField(default=list)),
            ("digest", models.CharField(max_length=64)),
            ("slug", models.SlugField(max_length=100, unique=True)),
            (
                "state",
                models.CharField(
                    choices=[("registering", "Registering"), ("registered", "Registered"), ("removing", "Removing")],
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
            ("error_text", DocumentField(null=True)),
            ("due_since", models.DateTimeField()),
            (
                "run_as",
                models.ForeignKey(null=True, on_delete=models.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL),
            ),
            (
                "secret",
                models.ForeignKey(
                    null=True, on_delete=models.PROTECT, related_name="+", to="automate_governance.storedsecret"
                ),
            ),
            (
                "workflow",
                models.ForeignKey(
                    null=True, on_delete=models.SET_NULL, related_name="service_webhooks", to="automate_core.workflow"
                ),
            ),
            ("announced_at", models.DateTimeField(null=True)),
            ("counted_events", models.PositiveIntegerField(db_default=0, default=0)),
            ("counted_from", models.DateTimeField(null=True)),
            ("limited_at", models.DateTimeField(null=True)),
            ("pages_in_row", models.PositiveIntegerField(db_default=0, default=0)),
            ("url", models.CharField(blank=True, db_default="", default="", max_length=500)),
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
    )
]

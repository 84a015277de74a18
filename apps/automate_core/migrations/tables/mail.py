"""Inbound addresses."""

from django.db import migrations, models

TABLES = [
    migrations.CreateModel(
        name="InboundAddress",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("key", models.CharField(max_length=64)),
            ("local_part", models.CharField(max_length=64, unique=True)),
            ("number", models.PositiveIntegerField(default=1)),
            ("accepted", models.PositiveBigIntegerField(default=0)),
            ("refused", models.JSONField(default=dict)),
            ("refused_at", models.DateTimeField(null=True)),
            (
                "workflow",
                models.ForeignKey(on_delete=models.CASCADE, related_name="mail_addresses", to="automate_core.workflow"),
            ),
        ],
        options={
            "verbose_name": "inbound address",
            "verbose_name_plural": "inbound addresses",
            "default_permissions": (),
            "constraints": [models.UniqueConstraint(fields=("workflow", "key"), name="one_address_per_trigger")],
        },
    )
]

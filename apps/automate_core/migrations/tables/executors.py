"""Consumers of pools, and the steps that they perform."""

from django.db import migrations, models
from django.db.models.functions import Now

from automate_core.models.fields import DocumentField

TABLES = [
    migrations.CreateModel(
        name="HandedOutStep",
        fields=[
            ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
            ("path", models.CharField(max_length=2000)),
            ("attempt", models.PositiveIntegerField()),
            ("pool", models.CharField(max_length=64)),
            ("params", DocumentField()),
            ("seconds", models.FloatField()),
            ("token", models.PositiveIntegerField(db_default=1)),
            ("version", models.CharField(db_default="", max_length=100)),
            ("messages", models.PositiveIntegerField(db_default=0)),
            ("claims", models.PositiveIntegerField(db_default=0)),
            ("most_claims", models.PositiveIntegerField()),
            ("performer", models.CharField(db_default="", max_length=200)),
            ("refused_at", models.DateTimeField(null=True)),
            ("claimed_at", models.DateTimeField(null=True)),
            ("due_at", models.DateTimeField(db_default=Now())),
            ("created_at", models.DateTimeField(db_default=Now())),
            (
                "run",
                models.ForeignKey(
                    db_constraint=False, on_delete=models.CASCADE, related_name="+", to="automate_core.executionrun"
                ),
            ),
        ],
        options={
            "verbose_name": "handed-out step",
            "verbose_name_plural": "handed-out steps",
            "default_permissions": (),
            "indexes": [
                models.Index(models.F("due_at"), name="handed_out_by_due"),
                models.Index(models.F("pool"), models.F("created_at"), name="handed_out_by_pool"),
            ],
        },
    ),
    migrations.CreateModel(
        name="PoolConsumer",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("name", models.CharField(max_length=200)),
            ("pool", models.CharField(max_length=64)),
            ("version", models.CharField(blank=True, max_length=100)),
            ("slots", models.PositiveIntegerField(default=1)),
            ("started_at", models.DateTimeField(db_default=Now())),
            ("seen_at", models.DateTimeField(db_default=Now())),
        ],
        options={
            "verbose_name": "pool consumer",
            "verbose_name_plural": "pool consumers",
            "default_permissions": (),
            "constraints": [models.UniqueConstraint(fields=("pool", "name"), name="one_row_per_consumer")],
        },
    ),
]

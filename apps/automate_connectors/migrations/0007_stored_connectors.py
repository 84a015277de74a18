"""Declared connectors of administrators: their versions, drafts and OpenAPI documents."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("automate_connectors", "0006_rate_limits"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="DeclaredConnector",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("code", models.CharField(max_length=50, unique=True, verbose_name="code")),
                ("enabled", models.BooleanField(default=True, verbose_name="enabled")),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "verbose_name": "connector",
                "verbose_name_plural": "connectors",
                "ordering": ["code"],
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="OpenAPIDocument",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("digest", models.CharField(max_length=64, unique=True)),
                ("title", models.CharField(blank=True, max_length=200)),
                ("size", models.PositiveIntegerField()),
                ("content", models.BinaryField()),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "verbose_name": "OpenAPI document",
                "verbose_name_plural": "OpenAPI documents",
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="DeclaredConnectorVersion",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveIntegerField()),
                ("text", models.TextField()),
                ("definition", models.TextField()),
                ("note", models.CharField(blank=True, max_length=200, verbose_name="note")),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "author",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "connector",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="versions",
                        to="automate_connectors.declaredconnector",
                    ),
                ),
                (
                    "document",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="versions",
                        to="automate_connectors.openapidocument",
                    ),
                ),
            ],
            options={
                "verbose_name": "connector version",
                "verbose_name_plural": "connector versions",
                "ordering": ["-number"],
                "default_permissions": (),
            },
        ),
        migrations.AddField(
            model_name="declaredconnector",
            name="current",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="automate_connectors.declaredconnectorversion",
            ),
        ),
        migrations.CreateModel(
            name="DeclaredConnectorDraft",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("text", models.TextField()),
                ("base", models.PositiveIntegerField(default=0)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                (
                    "author",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "connector",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="drafts",
                        to="automate_connectors.declaredconnector",
                    ),
                ),
                (
                    "document",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="drafts",
                        to="automate_connectors.openapidocument",
                    ),
                ),
            ],
            options={
                "verbose_name": "draft of a connector",
                "verbose_name_plural": "drafts of connectors",
                "ordering": ["-updated_at"],
                "default_permissions": (),
            },
        ),
        migrations.AddConstraint(
            model_name="declaredconnectorversion",
            constraint=models.UniqueConstraint(fields=("connector", "number"), name="one_connector_version_per_number"),
        ),
    ]

"""Files that pass between steps."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import automate_core.models.files


class Migration(migrations.Migration):
    dependencies = [
        ("automate_core", "0017_translated_reasons"),
    ]

    operations = [
        migrations.CreateModel(
            name="StoredFile",
            fields=[
                (
                    "reference",
                    models.CharField(
                        default=automate_core.models.files.new_reference,
                        editable=False,
                        max_length=64,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("trace_id", models.CharField(max_length=32)),
                ("name", models.CharField(max_length=200)),
                ("content_type", models.CharField(max_length=100)),
                ("size", models.PositiveBigIntegerField()),
                ("file", models.CharField(max_length=200, unique=True)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "workflow",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="automate_core.workflow",
                    ),
                ),
            ],
            options={
                "verbose_name": "file",
                "verbose_name_plural": "files",
                "default_permissions": (),
                "indexes": [models.Index(fields=["trace_id"], name="files_by_trace")],
            },
        ),
    ]

"""What people see and save in the screens."""

from django.conf import settings
from django.db import migrations, models
from django.db.models.functions import Now

from automate_core.models.fields import DocumentField
from automate_governance.migrations.operations import CreateModels

TABLES = [
    migrations.CreateModel(
        name="ChosenSample",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("event", models.UUIDField(null=True)),
            ("run", models.UUIDField(null=True)),
            ("edited", DocumentField(null=True)),
            ("changed_at", models.DateTimeField(auto_now=True)),
            ("person", models.ForeignKey(on_delete=models.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL)),
            ("workflow", models.ForeignKey(on_delete=models.CASCADE, related_name="+", to="automate_core.workflow")),
        ],
        options={
            "verbose_name": "selected sample",
            "verbose_name_plural": "selected samples",
            "default_permissions": (),
            "constraints": [models.UniqueConstraint(fields=("workflow", "person"), name="one_sample_per_person")],
        },
    ),
    migrations.CreateModel(
        name="Overview",
        fields=[("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"))],
        options={
            "verbose_name": "overview",
            "verbose_name_plural": "overview",
            "default_permissions": (),
            "managed": False,
        },
    ),
    migrations.CreateModel(
        name="Presence",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("step", models.CharField(blank=True, max_length=64)),
            ("seen_at", models.DateTimeField()),
            ("person", models.ForeignKey(on_delete=models.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL)),
            ("workflow", models.ForeignKey(on_delete=models.CASCADE, related_name="+", to="automate_core.workflow")),
        ],
        options={
            "verbose_name": "presence",
            "verbose_name_plural": "presences",
            "default_permissions": (),
            "constraints": [models.UniqueConstraint(fields=("workflow", "person"), name="one_presence_per_draft")],
        },
    ),
    migrations.CreateModel(
        name="SavedView",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("name", models.CharField(max_length=60)),
            ("query", models.CharField(max_length=2000)),
            ("is_shared", models.BooleanField(default=False)),
            ("created_at", models.DateTimeField(db_default=Now())),
            ("owner", models.ForeignKey(on_delete=models.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL)),
        ],
        options={
            "verbose_name": "saved view",
            "verbose_name_plural": "saved views",
            "ordering": ["name", "id"],
            "default_permissions": (),
            "constraints": [models.UniqueConstraint(fields=("owner", "name"), name="one_view_per_name")],
        },
    ),
]


class Migration(migrations.Migration):
    initial = True
    dependencies = [
        ("automate_core", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [CreateModels(TABLES)]

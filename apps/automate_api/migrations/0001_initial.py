"""API tokens, answers to repeated requests, and service accounts."""

from django.conf import settings
from django.db import migrations, models
from django.db.models.functions import Now

from automate_governance.migrations.operations import CreateModels

TABLES = [
    migrations.CreateModel(
        name="ApiToken",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("name", models.CharField(max_length=100, verbose_name="name")),
            ("prefix", models.CharField(editable=False, max_length=8, unique=True, verbose_name="prefix")),
            ("digest", models.CharField(editable=False, max_length=64)),
            ("old_digest", models.CharField(blank=True, editable=False, max_length=64)),
            ("old_valid_until", models.DateTimeField(editable=False, null=True)),
            ("scopes", models.JSONField(default=list, verbose_name="scopes")),
            ("workflows", models.JSONField(null=True, verbose_name="workflows")),
            ("created_at", models.DateTimeField(db_default=Now(), verbose_name="created")),
            ("expires_at", models.DateTimeField(verbose_name="expires")),
            ("last_used_at", models.DateTimeField(editable=False, null=True, verbose_name="last used")),
            ("rotated_at", models.DateTimeField(editable=False, null=True, verbose_name="rotated")),
            ("revoked_at", models.DateTimeField(editable=False, null=True, verbose_name="revoked")),
            ("owner", models.ForeignKey(on_delete=models.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL)),
            ("client_id", models.CharField(blank=True, db_default="", default="", editable=False, max_length=255)),
        ],
        options={
            "verbose_name": "API token",
            "verbose_name_plural": "API tokens",
            "ordering": ["-id"],
            "default_permissions": (),
            "indexes": [models.Index(fields=["owner", "-id"], name="tokens_of_owner")],
        },
    ),
    migrations.CreateModel(
        name="IdempotentAnswer",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("key", models.CharField(max_length=255)),
            ("fingerprint", models.CharField(max_length=64)),
            ("status", models.PositiveSmallIntegerField(null=True)),
            ("content_type", models.CharField(blank=True, max_length=100)),
            ("location", models.CharField(blank=True, max_length=500)),
            ("body", models.TextField(blank=True)),
            ("created_at", models.DateTimeField(db_default=Now())),
            ("token", models.ForeignKey(on_delete=models.CASCADE, related_name="+", to="automate_api.apitoken")),
        ],
        options={
            "verbose_name": "idempotent answer",
            "verbose_name_plural": "idempotent answers",
            "default_permissions": (),
            "indexes": [models.Index(fields=["created_at"], name="answers_by_time")],
            "constraints": [models.UniqueConstraint(fields=("token", "key"), name="one_answer_per_idempotency_key")],
        },
    ),
    migrations.CreateModel(
        name="ServiceAccount",
        fields=[
            (
                "user",
                models.OneToOneField(
                    editable=False,
                    on_delete=models.CASCADE,
                    primary_key=True,
                    related_name="+",
                    serialize=False,
                    to=settings.AUTH_USER_MODEL,
                ),
            ),
            ("purpose", models.CharField(blank=True, max_length=200, verbose_name="purpose")),
            ("created_at", models.DateTimeField(db_default=Now(), verbose_name="created")),
            (
                "created_by",
                models.ForeignKey(
                    editable=False, null=True, on_delete=models.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL
                ),
            ),
        ],
        options={
            "verbose_name": "service account",
            "verbose_name_plural": "service accounts",
            "default_permissions": (),
        },
    ),
]


class Migration(migrations.Migration):
    initial = True
    dependencies = [migrations.swappable_dependency(settings.AUTH_USER_MODEL)]
    operations = [CreateModels(TABLES)]

"""Connections, what belongs to them, rate limits, and declared connectors."""

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import migrations, models

from automate_governance.migrations.operations import CreateModels

TABLES = [
    migrations.CreateModel(
        name="Connection",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("name", models.CharField(max_length=100, verbose_name="name")),
            ("slug", models.SlugField(max_length=100, unique=True, verbose_name="short name")),
            ("connector", models.CharField(max_length=100)),
            ("config", models.JSONField(blank=True, default=dict)),
            ("oauth", models.JSONField(blank=True, default=dict)),
            ("allowed_hosts", models.JSONField(blank=True, default=list)),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            ("updated_at", models.DateTimeField(auto_now=True)),
            (
                "health",
                models.CharField(
                    choices=[
                        ("unknown", "Not tested"),
                        ("working", "Healthy"),
                        ("failing", "Failing"),
                        ("reconnect", "Reconnect"),
                    ],
                    default="unknown",
                    editable=False,
                    max_length=9,
                ),
            ),
            ("health_since", models.DateTimeField(editable=False, null=True)),
            ("health_note", models.CharField(blank=True, editable=False, max_length=500)),
            ("health_rev", models.PositiveIntegerField(default=0, editable=False)),
            ("tested_at", models.DateTimeField(editable=False, null=True)),
            ("owner", models.ForeignKey(on_delete=models.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL)),
            ("last_used_at", models.DateTimeField(editable=False, null=True)),
            ("health_text", models.JSONField(editable=False, null=True)),
            (
                "limit_concurrent",
                models.PositiveIntegerField(
                    blank=True,
                    null=True,
                    validators=[MinValueValidator(1), MaxValueValidator(1000)],
                    verbose_name="calls at once",
                ),
            ),
            (
                "limit_requests",
                models.PositiveIntegerField(
                    blank=True,
                    null=True,
                    validators=[MinValueValidator(1), MaxValueValidator(100000)],
                    verbose_name="calls",
                ),
            ),
            (
                "limit_seconds",
                models.PositiveIntegerField(
                    blank=True,
                    null=True,
                    validators=[MinValueValidator(1), MaxValueValidator(86400)],
                    verbose_name="in seconds",
                ),
            ),
            ("runs_on", models.CharField(blank=True, db_default="", max_length=64, verbose_name="runs on")),
        ],
        options={
            "verbose_name": "connection",
            "verbose_name_plural": "connections",
            "ordering": ["name"],
            "permissions": [
                ("add_connection", "Can add connection"),
                ("view_connection", "Can view connection"),
                ("use_connection", "Can use connection"),
                ("change_connection", "Can change connection"),
                ("share_connection", "Can share connection"),
                ("delete_connection", "Can delete connection"),
                ("view_any_connection", "Can view any connection"),
                ("use_any_connection", "Can use any connection"),
                ("change_any_connection", "Can change any connection"),
                ("share_any_connection", "Can share any connection"),
                ("delete_any_connection", "Can delete any connection"),
            ],
            "default_permissions": (),
        },
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
                    on_delete=models.CASCADE,
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
    migrations.CreateModel(
        name="ConnectionGroupPermission",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("content_object", models.ForeignKey(on_delete=models.CASCADE, to="automate_connectors.connection")),
            ("group", models.ForeignKey(on_delete=models.CASCADE, to="auth.group")),
            ("permission", models.ForeignKey(on_delete=models.CASCADE, to="auth.permission")),
        ],
        options={"abstract": False, "unique_together": {("group", "permission", "content_object")}},
    ),
    migrations.CreateModel(
        name="ConnectionUserPermission",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("content_object", models.ForeignKey(on_delete=models.CASCADE, to="automate_connectors.connection")),
            ("permission", models.ForeignKey(on_delete=models.CASCADE, to="auth.permission")),
            ("user", models.ForeignKey(on_delete=models.CASCADE, to=settings.AUTH_USER_MODEL)),
        ],
        options={"abstract": False, "unique_together": {("user", "permission", "content_object")}},
    ),
    migrations.CreateModel(
        name="DeclaredConnector",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("code", models.CharField(max_length=50, unique=True, verbose_name="code")),
            ("enabled", models.BooleanField(default=True, verbose_name="enabled")),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            (
                "current",
                models.ForeignKey(
                    null=True,
                    on_delete=models.PROTECT,
                    related_name="+",
                    to="automate_connectors.declaredconnectorversion",
                ),
            ),
        ],
        options={
            "verbose_name": "connector",
            "verbose_name_plural": "connectors",
            "ordering": ["code"],
            "default_permissions": (),
        },
    ),
    migrations.CreateModel(
        name="DeclaredConnectorDraft",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("text", models.TextField()),
            ("base", models.PositiveIntegerField(default=0)),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            ("updated_at", models.DateTimeField(auto_now=True)),
            ("author", models.ForeignKey(on_delete=models.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL)),
            (
                "connector",
                models.ForeignKey(
                    null=True,
                    on_delete=models.CASCADE,
                    related_name="drafts",
                    to="automate_connectors.declaredconnector",
                ),
            ),
            (
                "document",
                models.ForeignKey(
                    null=True, on_delete=models.PROTECT, related_name="drafts", to="automate_connectors.openapidocument"
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
    migrations.CreateModel(
        name="DeclaredConnectorVersion",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("number", models.PositiveIntegerField()),
            ("text", models.TextField()),
            ("definition", models.TextField()),
            ("note", models.CharField(blank=True, max_length=200, verbose_name="note")),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            ("author", models.ForeignKey(on_delete=models.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL)),
            (
                "connector",
                models.ForeignKey(
                    on_delete=models.CASCADE, related_name="versions", to="automate_connectors.declaredconnector"
                ),
            ),
            (
                "document",
                models.ForeignKey(
                    null=True,
                    on_delete=models.PROTECT,
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
            "constraints": [
                models.UniqueConstraint(fields=("connector", "number"), name="one_connector_version_per_number")
            ],
        },
    ),
    migrations.CreateModel(
        name="OAuthToken",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("expires_at", models.DateTimeField(null=True)),
            ("renewed_at", models.DateTimeField(null=True)),
            ("account", models.CharField(blank=True, max_length=150)),
            ("terms", models.CharField(blank=True, max_length=64)),
            (
                "access",
                models.ForeignKey(
                    null=True, on_delete=models.PROTECT, related_name="+", to="automate_governance.storedsecret"
                ),
            ),
            (
                "connection",
                models.OneToOneField(
                    on_delete=models.CASCADE, related_name="token", to="automate_connectors.connection"
                ),
            ),
            (
                "refresh",
                models.ForeignKey(
                    null=True, on_delete=models.PROTECT, related_name="+", to="automate_governance.storedsecret"
                ),
            ),
            ("credential_ends_at", models.DateTimeField(null=True)),
            ("kept", models.JSONField(db_default=models.Value({}, models.JSONField()), default=dict)),
            ("refresh_ends_at", models.DateTimeField(null=True)),
            ("refresh_rolls", models.BooleanField(null=True)),
            ("renewal_begun_at", models.DateTimeField(null=True)),
            ("retry_at", models.DateTimeField(null=True)),
            ("missing_scopes", models.JSONField(db_default=models.Value([], models.JSONField()), default=list)),
        ],
        options={"verbose_name": "access token", "verbose_name_plural": "access tokens", "default_permissions": ()},
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
        name="SignInAttempt",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("state", models.CharField(max_length=64, unique=True)),
            ("session", models.CharField(max_length=64)),
            ("terms", models.CharField(max_length=64)),
            ("begun_at", models.DateTimeField(auto_now_add=True)),
            (
                "connection",
                models.ForeignKey(on_delete=models.CASCADE, related_name="+", to="automate_connectors.connection"),
            ),
            ("user", models.ForeignKey(on_delete=models.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL)),
        ],
        options={
            "verbose_name": "sign-in attempt",
            "verbose_name_plural": "sign-in attempts",
            "default_permissions": (),
        },
    ),
]


class Migration(migrations.Migration):
    initial = True
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("automate_governance", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [CreateModels(TABLES)]

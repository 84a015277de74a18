"""The tables of 0001 to 0010 in one step, for a new database.

The triggers that keep the audit trail append-only and link its entries are those of 0001.
"""

from importlib import import_module

import pgtrigger.migrations
from django.conf import settings
from django.core.validators import RegexValidator
from django.db import migrations, models
from django.db.models.functions import Upper

from automate_governance.migrations.operations import CreateModels

_initial = import_module("automate_governance.migrations.0001_initial").Migration
TRIGGERS = [each for each in _initial.operations if isinstance(each, pgtrigger.migrations.AddTrigger)]

TABLES = [
    migrations.CreateModel(
        name="AuditEntry",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("at", models.DateTimeField(verbose_name="time")),
            ("actor_id", models.CharField(blank=True, max_length=64, verbose_name="person ID")),
            ("actor", models.CharField(max_length=200, verbose_name="person")),
            ("verb", models.CharField(max_length=64, verbose_name="action")),
            ("object_type", models.CharField(max_length=100, verbose_name="kind")),
            ("object_id", models.CharField(max_length=64, verbose_name="object ID")),
            ("object", models.CharField(max_length=200, verbose_name="object")),
            ("changes", models.JSONField(default=dict, verbose_name="changes")),
            ("trace_id", models.CharField(blank=True, max_length=32, verbose_name="trace ID")),
            ("address", models.CharField(blank=True, max_length=45, verbose_name="IP address")),
            ("canonical", models.TextField(verbose_name="signed content")),
            (
                "source",
                models.CharField(
                    blank=True,
                    choices=[
                        ("browser", "Browser"),
                        ("api", "API"),
                        ("webhook", "Webhook"),
                        ("command", "Command line"),
                        ("worker", "Worker"),
                        ("code", "Code"),
                    ],
                    db_default="",
                    default="",
                    max_length=10,
                    verbose_name="source",
                ),
            ),
            (
                "system_user",
                models.CharField(blank=True, db_default="", default="", max_length=100, verbose_name="system user"),
            ),
            (
                "credential",
                models.CharField(blank=True, db_default="", default="", max_length=120, verbose_name="API token"),
            ),
        ],
        options={
            "verbose_name": "audit entry",
            "verbose_name_plural": "audit entries",
            "ordering": ["-id"],
            "default_permissions": (),
            "indexes": [
                models.Index(fields=["object_type", "object_id"], name="automate_go_object__404136_idx"),
                models.Index(Upper("actor"), models.OrderBy(models.F("id"), descending=True), name="audit_by_person"),
                models.Index(
                    fields=["verb", "id"], name="audit_by_deed", opclasses=["varchar_pattern_ops", "int8_ops"]
                ),
                models.Index(fields=["at"], name="audit_by_time"),
            ],
        },
    ),
    migrations.CreateModel(
        name="AuditLink",
        fields=[
            ("position", models.BigIntegerField(primary_key=True, serialize=False)),
            ("previous", models.CharField(blank=True, max_length=64, unique=True)),
            ("hash", models.CharField(max_length=64, unique=True)),
            (
                "entry",
                models.OneToOneField(
                    on_delete=models.DO_NOTHING, related_name="link", to="automate_governance.auditentry"
                ),
            ),
        ],
        options={
            "verbose_name": "audit link",
            "verbose_name_plural": "audit links",
            "ordering": ["position"],
            "default_permissions": (),
        },
    ),
    migrations.CreateModel(
        name="Preferences",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("language", models.CharField(blank=True, max_length=20)),
            ("time_zone", models.CharField(blank=True, max_length=64)),
            ("person", models.OneToOneField(on_delete=models.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL)),
        ],
        options={"verbose_name": "preferences", "verbose_name_plural": "preferences", "default_permissions": ()},
    ),
    migrations.CreateModel(
        name="SignInCount",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("account", models.CharField(blank=True, max_length=32)),
            ("address", models.CharField(blank=True, max_length=45)),
            ("tries", models.PositiveIntegerField()),
            ("ends_at", models.DateTimeField(db_index=True)),
        ],
        options={
            "verbose_name": "sign-in count",
            "verbose_name_plural": "sign-in counts",
            "default_permissions": (),
            "constraints": [models.UniqueConstraint(fields=("account", "address"), name="one_count_of_sign_ins")],
        },
    ),
    migrations.CreateModel(
        name="SitePermission",
        fields=[("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"))],
        options={
            "verbose_name": "site permission",
            "verbose_name_plural": "site permissions",
            "permissions": [
                ("operate_site", "Can operate workers and dead jobs"),
                ("administer_site", "Can administer plug-ins, alert rules and retention"),
                ("audit_site", "Can read the audit trail"),
            ],
            "default_permissions": (),
            "managed": False,
        },
    ),
    migrations.CreateModel(
        name="StoredSecret",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            (
                "name",
                models.CharField(
                    max_length=100,
                    unique=True,
                    validators=[
                        RegexValidator(
                            "^[A-Za-z0-9][A-Za-z0-9._-]*$", "Use letters, digits, dots, hyphens and underscores."
                        )
                    ],
                    verbose_name="name",
                ),
            ),
            ("key_id", models.CharField(editable=False, max_length=16)),
            ("wrapped_key", models.BinaryField()),
            ("box", models.BinaryField()),
            ("version", models.PositiveIntegerField(default=0, editable=False)),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            ("replaced_at", models.DateTimeField(auto_now=True)),
            ("last_used_at", models.DateTimeField(editable=False, null=True)),
            ("owner", models.ForeignKey(on_delete=models.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL)),
            ("lost_at", models.DateTimeField(editable=False, null=True)),
        ],
        options={
            "verbose_name": "secret",
            "verbose_name_plural": "secrets",
            "ordering": ["name"],
            "permissions": [
                ("add_storedsecret", "Can add storedsecret"),
                ("use_storedsecret", "Can use storedsecret"),
                ("replace_storedsecret", "Can replace storedsecret"),
                ("delete_storedsecret", "Can delete storedsecret"),
                ("use_any_storedsecret", "Can use any storedsecret"),
                ("replace_any_storedsecret", "Can replace any storedsecret"),
                ("delete_any_storedsecret", "Can delete any storedsecret"),
            ],
            "default_permissions": (),
        },
    ),
    migrations.CreateModel(
        name="StoredSecretGroupPermission",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("content_object", models.ForeignKey(on_delete=models.CASCADE, to="automate_governance.storedsecret")),
            ("group", models.ForeignKey(on_delete=models.CASCADE, to="auth.group")),
            ("permission", models.ForeignKey(on_delete=models.CASCADE, to="auth.permission")),
        ],
        options={"abstract": False, "unique_together": {("group", "permission", "content_object")}},
    ),
    migrations.CreateModel(
        name="StoredSecretUserPermission",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("content_object", models.ForeignKey(on_delete=models.CASCADE, to="automate_governance.storedsecret")),
            ("permission", models.ForeignKey(on_delete=models.CASCADE, to="auth.permission")),
            ("user", models.ForeignKey(on_delete=models.CASCADE, to=settings.AUTH_USER_MODEL)),
        ],
        options={"abstract": False, "unique_together": {("user", "permission", "content_object")}},
    ),
]


class Migration(migrations.Migration):
    initial = True
    replaces = [
        ("automate_governance", "0001_initial"),
        ("automate_governance", "0002_source_of_audit_entries"),
        ("automate_governance", "0003_counts_of_sign_ins"),
        ("automate_governance", "0004_secrets_lost_with_their_key"),
        ("automate_governance", "0005_indexes_of_audit_questions"),
        ("automate_governance", "0006_language_and_time_zone_of_people"),
        ("automate_governance", "0007_translated_names"),
        ("automate_governance", "0008_trace_id_label"),
        ("automate_governance", "0009_labels_of_audit_entries"),
        ("automate_governance", "0010_tokens_of_audit_entries"),
    ]
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [CreateModels(TABLES), *TRIGGERS]

"""The tables, and the triggers of the audit trail."""

import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.core.validators import RegexValidator
from django.db import migrations, models
from django.db.models.functions import Upper

from automate_governance.migrations.operations import CreateModels

# They keep the audit trail append-only, and link its entries.
TRIGGERS = [
    pgtrigger.migrations.AddTrigger(
        model_name="auditentry",
        trigger=pgtrigger.compiler.Trigger(
            name="append_only",
            sql=pgtrigger.compiler.UpsertTriggerSql(
                declare="DECLARE is_rewritten BOOLEAN;",
                func=(
                    "\n"
                    "    IF TG_OP = 'UPDATE' THEN\n"
                    "        is_rewritten := OLD.salts = '{}'::jsonb AND OLD.erased = '{}'::jsonb;\n"
                    "        IF NEW.erased <> OLD.erased AND NEW.erased @> OLD.erased\n"
                    "            AND (NEW.id, NEW.at, NEW.verb, NEW.object_type, NEW.object_id, NEW.source)\n"
                    "                = (OLD.id, OLD.at, OLD.verb, OLD.object_type, OLD.object_id, OLD.source)\n"
                    "            AND (((NEW.actor_id, NEW.actor, NEW.address, NEW.system_user, NEW.credential) "
                    "IS NOT DISTINCT FROM (OLD.actor_id, OLD.actor, OLD.address, OLD.system_user, "
                    "OLD.credential) AND (NEW.erased ? 'actor') = (OLD.erased ? 'actor')) OR ((NEW.actor_id, "
                    "NEW.actor, NEW.address, NEW.system_user, NEW.credential) = ('', '', '', '', '') AND "
                    "NEW.erased ? 'actor' AND NOT NEW.salts ? 'actor')) AND (((NEW.object, NEW.changes, "
                    "NEW.trace_id) IS NOT DISTINCT FROM (OLD.object, OLD.changes, OLD.trace_id) AND "
                    "(NEW.erased ? 'content') = (OLD.erased ? 'content')) OR ((NEW.object, NEW.changes, "
                    "NEW.trace_id) = ('', '{}'::jsonb, '') AND NEW.erased ? 'content' AND NOT NEW.salts ? "
                    "'content'))\n"
                    "            AND (NEW.erased ? 'canonical') = (OLD.erased ? 'canonical' OR is_rewritten)\n"
                    "            AND (is_rewritten OR (NEW.canonical = OLD.canonical\n"
                    "                AND NEW.salts = OLD.salts - ARRAY(SELECT jsonb_object_keys(NEW.erased))))\n"
                    "            AND NOT EXISTS (\n"
                    "                SELECT FROM jsonb_each(NEW.erased) mark WHERE NOT OLD.erased ? mark.key "
                    "AND NOT EXISTS (\n"
                    "                    SELECT FROM automate_governance_auditentry erasure\n"
                    "                    WHERE erasure.id = mark.value::bigint AND erasure.verb = "
                    "'person.erased'\n"
                    "                        AND erasure.canonical::jsonb #> '{facts,entries}' @> "
                    "to_jsonb(NEW.id)\n"
                    "                        AND NOT EXISTS (\n"
                    "                            SELECT FROM automate_governance_auditlink link WHERE "
                    "link.entry_id = erasure.id)))\n"
                    "        THEN\n"
                    "            RETURN NEW;\n"
                    "        END IF;\n"
                    "    END IF;\n"
                    "    RAISE EXCEPTION 'the audit trail is append-only';\n"
                ),
                hash="8edd5c1df581831c5ed36f38a17c28f05eda6cf4",
                operation="UPDATE OR DELETE",
                pgid="pgtrigger_append_only_4762a",
                table="automate_governance_auditentry",
                when="BEFORE",
            ),
        ),
    ),
    pgtrigger.migrations.AddTrigger(
        model_name="auditentry",
        trigger=pgtrigger.compiler.Trigger(
            name="no_truncate",
            sql=pgtrigger.compiler.UpsertTriggerSql(
                func="RAISE EXCEPTION 'the audit trail is append-only';",
                hash="025db6b5657c562cc59478854a9e145e4ffb76df",
                level="STATEMENT",
                operation="TRUNCATE",
                pgid="pgtrigger_no_truncate_f9a64",
                table="automate_governance_auditentry",
                when="BEFORE",
            ),
        ),
    ),
    pgtrigger.migrations.AddTrigger(
        model_name="auditentry",
        trigger=pgtrigger.compiler.Trigger(
            name="link_at_commit",
            sql=pgtrigger.compiler.UpsertTriggerSql(
                constraint="CONSTRAINT",
                declare="DECLARE tail RECORD;",
                func=(
                    "\n"
                    "    IF current_setting('transaction_isolation') <> 'read committed' THEN\n"
                    "        RAISE EXCEPTION 'audit entries are written in READ COMMITTED transactions only';\n"
                    "    END IF;\n"
                    "    PERFORM pg_advisory_xact_lock(7301447150914);\n"
                    "    SELECT position, hash INTO tail FROM automate_governance_auditlink "
                    "ORDER BY position DESC LIMIT 1;\n"
                    "    INSERT INTO automate_governance_auditlink (position, entry_id, previous, hash) VALUES (\n"
                    "        coalesce(tail.position, 0) + 1, NEW.id, coalesce(tail.hash, ''),\n"
                    "        encode(sha256(convert_to(coalesce(tail.hash, '') || NEW.canonical, 'UTF8')), 'hex')\n"
                    "    );\n"
                    "    RETURN NULL;\n"
                ),
                hash="32741c7cc66928f4c3d6ff56fbe2e2144868d186",
                operation="INSERT",
                pgid="pgtrigger_link_at_commit_29a5d",
                table="automate_governance_auditentry",
                timing="DEFERRABLE INITIALLY DEFERRED",
                when="AFTER",
            ),
        ),
    ),
    pgtrigger.migrations.AddTrigger(
        model_name="auditlink",
        trigger=pgtrigger.compiler.Trigger(
            name="append_only",
            sql=pgtrigger.compiler.UpsertTriggerSql(
                func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                hash="2018741815e006d6aaf13d3a7dc21ab2fd026f57",
                operation="UPDATE OR DELETE",
                pgid="pgtrigger_append_only_fc294",
                table="automate_governance_auditlink",
                when="BEFORE",
            ),
        ),
    ),
    pgtrigger.migrations.AddTrigger(
        model_name="auditlink",
        trigger=pgtrigger.compiler.Trigger(
            name="no_truncate",
            sql=pgtrigger.compiler.UpsertTriggerSql(
                func="RAISE EXCEPTION 'the audit trail is append-only';",
                hash="79e5362c8acfd7736d5429edafbf108673f63ead",
                level="STATEMENT",
                operation="TRUNCATE",
                pgid="pgtrigger_no_truncate_6417f",
                table="automate_governance_auditlink",
                when="BEFORE",
            ),
        ),
    ),
]

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
            ("erased", models.JSONField(db_default=models.Value({}, models.JSONField()), default=dict, editable=False)),
            ("salts", models.JSONField(db_default=models.Value({}, models.JSONField()), default=dict, editable=False)),
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
        name="AuditVerification",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("started_at", models.DateTimeField()),
            ("ended_at", models.DateTimeField(null=True)),
            ("position", models.BigIntegerField(default=0)),
            ("hash", models.CharField(blank=True, max_length=64)),
            ("anchor", models.CharField(blank=True, max_length=64)),
            ("found_anchor", models.BooleanField()),
            ("faults", models.JSONField(default=list)),
            (
                "person",
                models.ForeignKey(null=True, on_delete=models.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL),
            ),
        ],
        options={
            "verbose_name": "audit verification",
            "verbose_name_plural": "audit verifications",
            "default_permissions": (),
        },
    ),
    migrations.CreateModel(
        name="PasswordChange",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("person", models.OneToOneField(on_delete=models.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL)),
        ],
        options={
            "verbose_name": "password change",
            "verbose_name_plural": "password changes",
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
                ("erase_site", "Can find and erase personal data"),
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
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [CreateModels(TABLES), *TRIGGERS]

"""The values of audit entries become erasable: salts beside their digests, and marks of what was erased."""

import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("automate_governance", "0010_tokens_of_audit_entries"),
    ]

    operations = [
        pgtrigger.migrations.RemoveTrigger(
            model_name="auditentry",
            name="append_only",
        ),
        migrations.AddField(
            model_name="auditentry",
            name="erased",
            field=models.JSONField(db_default=models.Value({}, models.JSONField()), default=dict, editable=False),
        ),
        migrations.AddField(
            model_name="auditentry",
            name="salts",
            field=models.JSONField(db_default=models.Value({}, models.JSONField()), default=dict, editable=False),
        ),
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
    ]

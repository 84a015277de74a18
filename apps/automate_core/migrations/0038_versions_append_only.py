"""Published versions stay as they are."""

import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("automate_core", "0037_tabs_of_edits"),
    ]

    operations = [
        pgtrigger.migrations.AddTrigger(
            model_name="workflowversion",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func=(
                        "\n"
                        "    IF (NEW.id, NEW.workflow_id, NEW.number, NEW.author_id, NEW.created_at)\n"
                        "            = (OLD.id, OLD.workflow_id, OLD.number, OLD.author_id, OLD.created_at)\n"
                        "        AND NEW.definition::text = OLD.definition::text\n"
                        "        AND NEW.test IS NOT DISTINCT FROM OLD.test\n"
                        "        AND (NEW.message = OLD.message AND NEW.message_text::text IS NOT DISTINCT FROM "
                        "OLD.message_text::text\n"
                        "            OR NEW.message = '' AND NEW.message_text IS NULL)\n"
                        "    THEN\n"
                        "        RETURN NEW;\n"
                        "    END IF;\n"
                        "    RAISE EXCEPTION 'versions of workflows are append-only';\n"
                    ),
                    hash="d2a3d3a1728b6b8a6c5ae5425033a54a4dceee36",
                    operation="UPDATE",
                    pgid="pgtrigger_append_only_fc733",
                    table="automate_core_workflowversion",
                    when="BEFORE",
                ),
            ),
        ),
    ]

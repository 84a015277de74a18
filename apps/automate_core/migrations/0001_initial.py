"""The tables, the functions and triggers in SQL, and how small rows that change often are stored."""

import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations

from automate_core.migrations.tables import (
    bulk,
    erasures,
    events,
    executors,
    files,
    forms,
    mail,
    notifications,
    polls,
    retention,
    runs,
    service_webhooks,
    statistics,
    telemetry,
    waits,
    workflows,
)
from automate_governance.migrations.operations import CreateModels

TABLES = [
    *bulk.TABLES,
    *erasures.TABLES,
    *events.TABLES,
    *executors.TABLES,
    *files.TABLES,
    *forms.TABLES,
    *mail.TABLES,
    *notifications.TABLES,
    *polls.TABLES,
    *retention.TABLES,
    *runs.TABLES,
    *service_webhooks.TABLES,
    *statistics.TABLES,
    *telemetry.TABLES,
    *waits.TABLES,
    *workflows.TABLES,
]

# The clock that leases and due times are judged by.
CLOCK = """
CREATE FUNCTION automate_now() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT statement_timestamp()
        + coalesce(nullif(current_setting('automate.clock_shift', true), '')::interval, interval '0')
$$
"""

# Storage that suits small rows which change state often: vacuum and analyze by number of rows, never by share, because
# the queue stays small while the tables grow.
STORAGE = """
ALTER TABLE automate_core_outboxjob SET (
    fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 1000);
ALTER TABLE automate_core_executionrun SET (
    fillfactor = 85, autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 5000);
ALTER TABLE automate_core_steprun SET (
    fillfactor = 85, autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 5000);
ALTER TABLE automate_core_wait SET (
    fillfactor = 80, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
ALTER TABLE automate_core_endedrun SET (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 5000);
"""

_TABLES = ("outboxjob", "executionrun", "steprun", "wait", "endedrun")
_OPTIONS = (
    "fillfactor, autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold, "
    "autovacuum_analyze_scale_factor, autovacuum_analyze_threshold"
)

# The id of RFC 9562, section 5.7, with the fraction of the millisecond behind it, as `automate_core.ids.uuid7` has it.
UUID7 = """
CREATE FUNCTION automate_uuid7(at timestamptz DEFAULT clock_timestamp()) RETURNS uuid
LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
    SELECT encode(
        int8send(((made.us / 1000) << 16) | 28672 | ((made.us % 1000) * 4096 / 1000))
            || substring(uuid_send(gen_random_uuid()) FROM 9), 'hex')::uuid
    FROM (SELECT (extract(epoch FROM at) * 1000000)::bigint AS us) made
$$
"""

# Without a pending list: whoever fills that up has to sort it into the index, in the middle of a checkpoint.
SUBJECT_INDEX = """
CREATE INDEX runs_by_words_of_subject ON automate_core_searchterm
USING gin (to_tsvector('simple', regexp_replace(value, '[[:punct:][:space:]]+', ' ', 'g')))
WITH (fastupdate = off) WHERE name = 'subject'
"""


class Migration(migrations.Migration):
    initial = True
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("automate_governance", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [
        CreateModels(TABLES),
        migrations.RunSQL(CLOCK, "DROP FUNCTION automate_now()"),
        migrations.RunSQL(
            STORAGE, "".join(f"ALTER TABLE automate_core_{table} RESET ({_OPTIONS});" for table in _TABLES)
        ),
        migrations.RunSQL(UUID7, "DROP FUNCTION automate_uuid7(timestamptz)"),
        migrations.RunSQL(SUBJECT_INDEX, "DROP INDEX runs_by_words_of_subject"),
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

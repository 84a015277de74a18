"""The clock that leases and due times are judged by, and storage that suits small rows which change state often."""

from django.db import migrations

CLOCK = """
CREATE FUNCTION automate_now() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT statement_timestamp()
        + coalesce(nullif(current_setting('automate.clock_shift', true), '')::interval, interval '0')
$$
"""

# Vacuum and analyze by number of rows, never by share: the queue stays small while the tables grow.
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


class Migration(migrations.Migration):
    dependencies = [("automate_core", "0001_initial")]

    operations = [
        migrations.RunSQL(CLOCK, "DROP FUNCTION automate_now()"),
        migrations.RunSQL(
            STORAGE, "".join(f"ALTER TABLE automate_core_{table} RESET ({_OPTIONS});" for table in _TABLES)
        ),
    ]

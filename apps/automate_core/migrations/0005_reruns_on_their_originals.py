"""When a run was re-run last stands on the run itself: its re-runs may be deleted before it."""

from django.db import migrations, models

KNOWN = """
UPDATE automate_core_executionrun run SET rerun_at = latest.at FROM (
    SELECT retried_from_id AS id, max(created_at) AS at FROM automate_core_executionrun
    WHERE retried_from_id IS NOT NULL GROUP BY 1
) latest WHERE latest.id = run.id
"""


class Migration(migrations.Migration):
    dependencies = [("automate_core", "0004_subject_lines")]

    operations = [
        migrations.AddField(model_name="executionrun", name="rerun_at", field=models.DateTimeField(null=True)),
        migrations.RunSQL(KNOWN, migrations.RunSQL.noop),
    ]

"""Workflows are ordered by name again: the migration of their verbs left the order out of what migrations know."""

from django.db import migrations

from automate_governance.governed import verbs

NAMES = ("add", "view", "view_payload", "change", "run", "operate", "publish", "share", "delete")


class Migration(migrations.Migration):
    dependencies = [("automate_core", "0008_versions_run_as")]

    operations = [
        migrations.AlterModelOptions(
            name="workflow",
            options={
                "ordering": ["name", "id"],
                "default_permissions": (),
                "permissions": verbs("workflow", *NAMES),
            },
        ),
    ]

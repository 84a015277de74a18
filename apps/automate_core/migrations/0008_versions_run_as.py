"""Whom a workflow acts as is part of what is published: what was published before acts as its workflow did."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

AS_THE_WORKFLOW = """
UPDATE automate_core_workflowversion version SET run_as_id = workflow.run_as_id
FROM automate_core_workflow workflow WHERE workflow.id = version.workflow_id
"""


def run_as(**options):
    """The relation, which is empty at first."""
    return models.ForeignKey(
        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL, **options
    )


class Migration(migrations.Migration):
    dependencies = [
        ("automate_core", "0007_operate_workflows"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(model_name="workflowversion", name="run_as", field=run_as(null=True)),
        migrations.RunSQL([AS_THE_WORKFLOW, "SET CONSTRAINTS ALL IMMEDIATE"], migrations.RunSQL.noop),
        migrations.AlterField(model_name="workflowversion", name="run_as", field=run_as()),
    ]

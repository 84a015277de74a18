"""The run or the event that a file belongs to, in place of a trace id that its sender may have chosen."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q

# A file of an older version belongs to the event that began its trace: a made-up delivery of the same trace came later.
_OWNERS = """
UPDATE automate_core_storedfile stored SET event_id = (
    SELECT event.id FROM automate_core_event event WHERE event.trace_id = stored.trace_id ORDER BY event.id LIMIT 1)
"""


def _relation(model):
    return models.ForeignKey(
        model,
        on_delete=django.db.models.deletion.DO_NOTHING,
        related_name="+",
        null=True,
        db_constraint=False,
        db_index=False,
    )


def _index(field):
    return migrations.AddIndex(
        model_name="storedfile",
        index=models.Index(fields=[field], condition=Q((f"{field}__isnull", False)), name=f"files_by_{field}"),
    )


class Migration(migrations.Migration):
    dependencies = [("automate_core", "0042_reasons_of_pauses")]

    operations = [
        migrations.AddField("storedfile", "run", _relation("automate_core.executionrun")),
        migrations.AddField("storedfile", "event", _relation("automate_core.event")),
        migrations.AddField("storedfile", "page", models.CharField(max_length=200, null=True)),
        migrations.RunSQL(_OWNERS, migrations.RunSQL.noop),
        _index("run"),
        _index("event"),
        _index("page"),
    ]

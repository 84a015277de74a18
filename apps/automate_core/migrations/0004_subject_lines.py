"""Subject lines: guessed for events, declared by workflows; those of runs are search terms, found by their words."""

from django.db import migrations, models

# Without a pending list: whoever fills that up has to sort it into the index, in the middle of a checkpoint.
INDEX = """
CREATE INDEX runs_by_words_of_subject ON automate_core_searchterm
USING gin (to_tsvector('simple', regexp_replace(value, '[[:punct:][:space:]]+', ' ', 'g')))
WITH (fastupdate = off) WHERE name = 'subject'
"""


class Migration(migrations.Migration):
    dependencies = [("automate_core", "0003_time_ordered_ids")]

    operations = [
        migrations.AddField(
            model_name="event",
            name="subject",
            field=models.CharField(blank=True, db_default="", default="", max_length=120),
        ),
        migrations.AddField(
            model_name="workflow",
            name="subject",
            field=models.CharField(blank=True, db_default="", default="", max_length=500),
        ),
        migrations.RunSQL(INDEX, "DROP INDEX runs_by_words_of_subject"),
    ]

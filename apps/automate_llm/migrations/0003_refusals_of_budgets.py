"""What a budget refused, for its page and for notifications."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("automate_llm", "0002_translated_names")]

    operations = [
        migrations.AddField(
            model_name="llmbudget",
            name="refused",
            field=models.PositiveIntegerField(db_default=0, default=0, editable=False),
        ),
        migrations.AddField(
            model_name="llmbudget",
            name="refused_from",
            field=models.DateField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="llmbudget",
            name="refused_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="llmbudget",
            name="refusal",
            field=models.JSONField(editable=False, null=True),
        ),
    ]

"""Tokens that stand for a client that a person has connected by OAuth."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("automate_api", "0002_service_accounts")]

    operations = [
        migrations.AddField(
            model_name="apitoken",
            name="client_id",
            field=models.CharField(blank=True, db_default="", default="", editable=False, max_length=255),
        ),
    ]

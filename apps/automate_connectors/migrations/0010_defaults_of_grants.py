from django.db import migrations, models
from django.db.models import Value


class Migration(migrations.Migration):
    """Defaults in the database: processes of the version before store grants while a new one takes over."""

    dependencies = [("automate_connectors", "0009_connections_run_on")]

    operations = [
        migrations.AlterField(
            model_name="oauthtoken",
            name="kept",
            field=models.JSONField(default=dict, db_default=Value({}, models.JSONField())),
        ),
        migrations.AlterField(
            model_name="oauthtoken",
            name="missing_scopes",
            field=models.JSONField(default=list, db_default=Value([], models.JSONField())),
        ),
    ]

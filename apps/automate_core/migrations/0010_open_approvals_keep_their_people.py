"""A person whom an open approval waits for is not deleted. A rule of Django's: nothing changes in the database."""

from django.conf import settings
from django.db import migrations, models

import automate_core.models.deletion


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("automate_core", "0009_order_of_workflows"),
    ]

    operations = [
        migrations.AlterField(
            model_name="waitassignee",
            name="user",
            field=models.ForeignKey(
                null=True,
                on_delete=automate_core.models.deletion.protect_open_approvals,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
    ]

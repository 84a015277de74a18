"""The permission to find and erase personal data."""

from __future__ import annotations

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("automate_governance", "0011_erasable_audit_values")]

    operations = [
        migrations.AlterModelOptions(
            name="sitepermission",
            options={
                "default_permissions": (),
                "managed": False,
                "permissions": [
                    ("operate_site", "Can operate workers and dead jobs"),
                    ("administer_site", "Can administer plug-ins, alert rules and retention"),
                    ("audit_site", "Can read the audit trail"),
                    ("erase_site", "Can find and erase personal data"),
                ],
                "verbose_name": "site permission",
                "verbose_name_plural": "site permissions",
            },
        ),
    ]

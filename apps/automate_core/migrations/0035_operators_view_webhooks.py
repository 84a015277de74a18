"""The role Operators views all webhooks from now on, where it was given to view all workflows."""

from django.db import migrations

CODENAME = "view_any_webhookendpoint"


def give_to_operators(apps, schema_editor):
    """New sites have no such group yet: they get it with their roles."""
    using = schema_editor.connection.alias
    groups = apps.get_model("auth", "Group").objects.using(using)
    permissions = (
        apps.get_model("auth", "Permission")
        .objects.using(using)
        .filter(content_type__app_label="automate_core", codename=CODENAME)
    )
    for group in groups.filter(
        name="Operators",
        permissions__codename="view_any_workflow",
        permissions__content_type__app_label="automate_core",
    ):
        group.permissions.add(*permissions)


class Migration(migrations.Migration):
    dependencies = [
        ("automate_core", "0034_erasures"),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [migrations.RunPython(give_to_operators, migrations.RunPython.noop)]

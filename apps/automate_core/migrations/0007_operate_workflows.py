"""The verb to operate a workflow, which the role Operators has from now on where it was given to run all workflows."""

from django.db import migrations

from automate_governance.governed import verbs

NAMES = ("add", "view", "view_payload", "change", "run", "operate", "publish", "share", "delete")
CODENAME = "operate_any_workflow"


def give_to_operators(apps, schema_editor):
    """New sites have no such group yet: they get it with their roles."""
    using = schema_editor.connection.alias
    groups = apps.get_model("auth", "Group").objects.using(using)
    permissions = apps.get_model("auth", "Permission").objects.using(using)
    for run in permissions.filter(codename="run_any_workflow", content_type__app_label="automate_core"):
        operate, _ = permissions.get_or_create(
            content_type_id=run.content_type_id, codename=CODENAME, defaults={"name": "Can operate any workflow"}
        )
        for group in groups.filter(name="Operators", permissions=run):
            group.permissions.add(operate)


class Migration(migrations.Migration):
    dependencies = [
        ("automate_core", "0006_events_of_endpoints"),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="workflow",
            options={
                "default_permissions": (),
                "permissions": verbs("workflow", *NAMES),
            },
        ),
        migrations.RunPython(give_to_operators, migrations.RunPython.noop),
    ]

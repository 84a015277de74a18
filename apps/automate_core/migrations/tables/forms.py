"""Hosted forms."""

from django.db import migrations, models

TABLES = [
    migrations.CreateModel(
        name="HostedForm",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("key", models.CharField(max_length=64)),
            ("slug", models.SlugField(max_length=100, unique=True)),
            ("answers", models.PositiveIntegerField(default=0)),
            (
                "workflow",
                models.ForeignKey(on_delete=models.CASCADE, related_name="forms", to="automate_core.workflow"),
            ),
        ],
        options={
            "verbose_name": "hosted form",
            "verbose_name_plural": "hosted forms",
            "default_permissions": (),
            "constraints": [models.UniqueConstraint(fields=("workflow", "key"), name="one_form_per_trigger")],
        },
    )
]

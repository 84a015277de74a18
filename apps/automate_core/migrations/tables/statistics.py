"""Failure groups and counts of runs."""

from django.db import migrations, models

TABLES = [
    migrations.CreateModel(
        name="EndedRun",
        fields=[
            (
                "run",
                models.OneToOneField(
                    db_constraint=False,
                    on_delete=models.CASCADE,
                    primary_key=True,
                    related_name="+",
                    serialize=False,
                    to="automate_core.executionrun",
                ),
            )
        ],
        options={"verbose_name": "ended run", "verbose_name_plural": "ended runs", "default_permissions": ()},
    ),
    migrations.CreateModel(
        name="FailedRun",
        fields=[
            (
                "run",
                models.OneToOneField(
                    db_constraint=False,
                    on_delete=models.CASCADE,
                    primary_key=True,
                    related_name="failure",
                    serialize=False,
                    to="automate_core.executionrun",
                ),
            ),
            (
                "group",
                models.ForeignKey(
                    db_constraint=False,
                    db_index=False,
                    on_delete=models.CASCADE,
                    related_name="runs",
                    to="automate_core.failuregroup",
                ),
            ),
        ],
        options={
            "verbose_name": "failed run",
            "verbose_name_plural": "failed runs",
            "default_permissions": (),
            "indexes": [models.Index(fields=["group", "run"], name="runs_of_failure_group")],
        },
    ),
    migrations.CreateModel(
        name="FailureCount",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("at", models.DateTimeField()),
            ("count", models.PositiveIntegerField()),
            (
                "group",
                models.ForeignKey(
                    db_constraint=False,
                    db_index=False,
                    on_delete=models.CASCADE,
                    related_name="counts",
                    to="automate_core.failuregroup",
                ),
            ),
        ],
        options={
            "verbose_name": "failure count",
            "verbose_name_plural": "failure counts",
            "default_permissions": (),
            "constraints": [models.UniqueConstraint(fields=("at", "group"), name="one_count_of_failures")],
        },
    ),
    migrations.CreateModel(
        name="FailureGroup",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("fingerprint", models.CharField(max_length=32)),
            ("path", models.CharField(blank=True, max_length=2000)),
            ("code", models.CharField(max_length=200)),
            ("message", models.CharField(max_length=500)),
            ("first_at", models.DateTimeField()),
            ("last_at", models.DateTimeField()),
            ("last_run", models.UUIDField()),
            ("resolved_at", models.DateTimeField(null=True)),
            ("muted_at", models.DateTimeField(null=True)),
            (
                "workflow",
                models.ForeignKey(
                    db_constraint=False,
                    on_delete=models.CASCADE,
                    related_name="failure_groups",
                    to="automate_core.workflow",
                ),
            ),
        ],
        options={
            "verbose_name": "failure group",
            "verbose_name_plural": "failure groups",
            "default_permissions": (),
            "indexes": [
                models.Index(models.OrderBy(models.F("last_at"), descending=True), name="failure_groups_by_last")
            ],
            "constraints": [models.UniqueConstraint(fields=("workflow", "fingerprint"), name="one_group_of_failures")],
        },
    ),
    migrations.CreateModel(
        name="QueueLevel",
        fields=[
            ("at", models.DateTimeField(primary_key=True, serialize=False)),
            ("ready", models.PositiveIntegerField()),
            ("oldest_seconds", models.FloatField()),
            ("looked_at", models.DateTimeField()),
        ],
        options={"verbose_name": "queue level", "verbose_name_plural": "queue levels", "default_permissions": ()},
    ),
    migrations.CreateModel(
        name="RunCount",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("span", models.CharField(choices=[("hour", "Hour"), ("day", "Day")], max_length=4)),
            ("at", models.DateTimeField()),
            ("succeeded", models.PositiveIntegerField(db_default=0)),
            ("failed", models.PositiveIntegerField(db_default=0)),
            ("cancelled", models.PositiveIntegerField(db_default=0)),
            ("waiting", models.PositiveIntegerField(db_default=0)),
            (
                "workflow",
                models.ForeignKey(
                    db_constraint=False,
                    db_index=False,
                    on_delete=models.CASCADE,
                    related_name="+",
                    to="automate_core.workflow",
                ),
            ),
        ],
        options={
            "verbose_name": "run count",
            "verbose_name_plural": "run counts",
            "default_permissions": (),
            "constraints": [models.UniqueConstraint(fields=("span", "at", "workflow"), name="one_count_of_runs")],
        },
    ),
    migrations.CreateModel(
        name="RunTime",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("span", models.CharField(choices=[("hour", "Hour"), ("day", "Day")], max_length=4)),
            ("at", models.DateTimeField()),
            ("measure", models.CharField(choices=[("took", "Duration"), ("queued", "Queued")], max_length=6)),
            ("bucket", models.SmallIntegerField()),
            ("count", models.PositiveIntegerField()),
            (
                "workflow",
                models.ForeignKey(
                    db_constraint=False,
                    db_index=False,
                    on_delete=models.CASCADE,
                    related_name="+",
                    to="automate_core.workflow",
                ),
            ),
        ],
        options={
            "verbose_name": "run time",
            "verbose_name_plural": "run times",
            "default_permissions": (),
            "constraints": [
                models.UniqueConstraint(
                    fields=("span", "measure", "at", "workflow", "bucket"), name="one_count_a_bucket"
                )
            ],
        },
    ),
]

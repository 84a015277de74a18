"""Runs, their steps, logs and search terms."""

from django.db import migrations, models
from django.db.models.functions import Cast, Now, Right

from automate_core.ids import uuid7

TABLES = [
    migrations.CreateModel(
        name="ExecutionRun",
        fields=[
            ("id", models.UUIDField(default=uuid7, editable=False, primary_key=True, serialize=False)),
            (
                "cause",
                models.CharField(
                    choices=[("trigger", "Trigger"), ("retry", "Re-run"), ("test", "Test run")],
                    default="trigger",
                    max_length=8,
                ),
            ),
            (
                "origin",
                models.CharField(
                    blank=True,
                    choices=[
                        ("webhook", "Webhook"),
                        ("schedule", "Schedule"),
                        ("model", "Model change"),
                        ("manual", "Manual"),
                        ("app", "Event from code"),
                        ("api", "Event from the API"),
                        ("run", "End of a run"),
                        ("call", "Sub-run"),
                        ("mcp", "AI agent"),
                        ("poll", "Poll"),
                        ("service", "Service webhook"),
                        ("form", "Form"),
                        ("mail", "Email"),
                    ],
                    db_default="",
                    max_length=8,
                ),
            ),
            (
                "status",
                models.CharField(
                    choices=[
                        ("queued", "Queued"),
                        ("running", "Running"),
                        ("waiting", "Waiting"),
                        ("succeeded", "Succeeded"),
                        ("failed", "Failed"),
                        ("cancelled", "Cancelled"),
                    ],
                    default="queued",
                    max_length=9,
                ),
            ),
            ("trace_id", models.CharField(max_length=32)),
            ("vars", models.JSONField(null=True)),
            ("output", models.JSONField(null=True)),
            ("error", models.JSONField(null=True)),
            ("parent_path", models.CharField(blank=True, db_default="", max_length=2000)),
            ("depth", models.PositiveSmallIntegerField(db_default=0)),
            ("request", models.UUIDField(null=True)),
            ("slot_key", models.CharField(max_length=200, null=True)),
            ("admitted", models.BooleanField(db_default=True)),
            ("priority", models.SmallIntegerField(db_default=0)),
            ("created_at", models.DateTimeField(db_default=Now())),
            ("started_at", models.DateTimeField(null=True)),
            ("finished_at", models.DateTimeField(null=True)),
            ("worker", models.CharField(blank=True, max_length=100)),
            ("seq", models.PositiveIntegerField(default=0)),
            ("wakes", models.PositiveIntegerField(default=0)),
            ("kept_at", models.DateTimeField(null=True)),
            ("noticed", models.BooleanField(db_default=False)),
            (
                "parent",
                models.ForeignKey(
                    db_constraint=False,
                    db_index=False,
                    null=True,
                    on_delete=models.SET_NULL,
                    related_name="children",
                    to="automate_core.executionrun",
                ),
            ),
            (
                "retried_from",
                models.ForeignKey(
                    db_constraint=False,
                    db_index=False,
                    null=True,
                    on_delete=models.SET_NULL,
                    related_name="retries",
                    to="automate_core.executionrun",
                ),
            ),
            (
                "event",
                models.ForeignKey(
                    db_constraint=False,
                    db_index=False,
                    null=True,
                    on_delete=models.CASCADE,
                    related_name="runs",
                    to="automate_core.event",
                ),
            ),
            (
                "workflow",
                models.ForeignKey(
                    db_constraint=False, on_delete=models.CASCADE, related_name="runs", to="automate_core.workflow"
                ),
            ),
            (
                "version",
                models.ForeignKey(
                    db_constraint=False,
                    db_index=False,
                    on_delete=models.CASCADE,
                    related_name="+",
                    to="automate_core.workflowversion",
                ),
            ),
            ("rerun_at", models.DateTimeField(null=True)),
            ("erasure", models.UUIDField(null=True)),
            ("inherited_keys", models.JSONField(null=True)),
        ],
        options={
            "verbose_name": "run",
            "verbose_name_plural": "runs",
            "ordering": ["-id"],
            "default_permissions": (),
            "indexes": [
                models.Index(
                    models.F("workflow"), models.OrderBy(models.F("id"), descending=True), name="runs_of_workflow"
                ),
                models.Index(
                    models.F("status"),
                    models.OrderBy(models.F("id"), descending=True),
                    condition=models.Q(("cause", "test"), _negated=True),
                    name="runs_by_status",
                ),
                models.Index(
                    models.F("workflow"),
                    models.F("status"),
                    models.OrderBy(models.F("id"), descending=True),
                    condition=models.Q(("cause", "test"), _negated=True),
                    name="runs_of_workflow_by_status",
                ),
                models.Index(Right(Cast("id", models.CharField()), 8), name="runs_by_end_of_id"),
                models.Index(
                    models.F("workflow"),
                    models.OrderBy(models.F("id"), descending=True),
                    condition=models.Q(("cause", "test")),
                    name="tests_of_workflow",
                ),
                models.Index(models.F("trace_id"), name="runs_by_trace"),
                models.Index(
                    models.F("event"),
                    condition=models.Q(("cause", "trigger"), _negated=True),
                    name="further_runs_of_event",
                ),
                models.Index(
                    models.F("workflow"),
                    models.F("finished_at"),
                    condition=models.Q(("cause__in", ["trigger", "retry"]), ("status", "failed")),
                    name="failures_of_workflow",
                ),
                models.Index(
                    models.F("id"),
                    condition=models.Q(("cause__in", ["trigger", "retry"]), ("status", "failed"), ("noticed", False)),
                    name="failures_to_notice",
                ),
                models.Index(models.F("parent"), condition=models.Q(("parent__isnull", False)), name="runs_by_parent"),
                models.Index(
                    models.F("id"),
                    condition=models.Q(("parent__isnull", False), ("status__in", ["queued", "running", "waiting"])),
                    name="live_runs_with_parents",
                ),
                models.Index(
                    models.F("retried_from"),
                    condition=models.Q(("retried_from__isnull", False)),
                    name="runs_by_retried",
                ),
                models.Index(
                    models.F("workflow"),
                    models.F("slot_key"),
                    models.F("id"),
                    condition=models.Q(("slot_key__isnull", False), ("status__in", ["queued", "running", "waiting"])),
                    name="runs_in_slots",
                ),
            ],
            "constraints": [
                models.UniqueConstraint(
                    condition=models.Q(("cause", "trigger")),
                    fields=("event", "workflow"),
                    name="one_run_per_event_and_workflow",
                ),
                models.UniqueConstraint(
                    condition=models.Q(("request__isnull", False)),
                    fields=("retried_from", "request"),
                    name="one_rerun_per_request",
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="ForeseenEffect",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("path", models.CharField(max_length=2000)),
            ("attempt", models.PositiveIntegerField()),
            ("effects", models.JSONField()),
            (
                "run",
                models.ForeignKey(
                    db_constraint=False,
                    db_index=False,
                    on_delete=models.CASCADE,
                    related_name="effects",
                    to="automate_core.executionrun",
                ),
            ),
        ],
        options={
            "verbose_name": "predicted effect",
            "verbose_name_plural": "predicted effects",
            "default_permissions": (),
            "constraints": [
                models.UniqueConstraint(fields=("run", "path", "attempt"), name="effects_once_per_attempt")
            ],
        },
    ),
    migrations.CreateModel(
        name="RunLog",
        fields=[
            ("id", models.UUIDField(default=uuid7, editable=False, primary_key=True, serialize=False)),
            ("path", models.CharField(max_length=2000)),
            ("attempt", models.PositiveIntegerField(default=1)),
            ("level", models.CharField(max_length=10)),
            ("message", models.TextField()),
            ("at", models.DateTimeField()),
            ("seq", models.PositiveIntegerField()),
            (
                "run",
                models.ForeignKey(
                    db_constraint=False,
                    db_index=False,
                    on_delete=models.CASCADE,
                    related_name="logs",
                    to="automate_core.executionrun",
                ),
            ),
        ],
        options={
            "verbose_name": "log line",
            "verbose_name_plural": "log lines",
            "ordering": ["id"],
            "default_permissions": (),
            "indexes": [models.Index(fields=["run", "seq"], name="automate_co_run_id_37eddb_idx")],
        },
    ),
    migrations.CreateModel(
        name="RunReply",
        fields=[
            (
                "event",
                models.OneToOneField(
                    db_constraint=False,
                    on_delete=models.CASCADE,
                    primary_key=True,
                    related_name="reply",
                    serialize=False,
                    to="automate_core.event",
                ),
            ),
            ("path", models.CharField(max_length=2000)),
            ("attempt", models.PositiveIntegerField()),
            ("created_at", models.DateTimeField(db_default=Now())),
            (
                "run",
                models.ForeignKey(
                    db_constraint=False,
                    on_delete=models.CASCADE,
                    related_name="replies",
                    to="automate_core.executionrun",
                ),
            ),
        ],
        options={"verbose_name": "reply", "verbose_name_plural": "replies", "default_permissions": ()},
    ),
    migrations.CreateModel(
        name="SearchTerm",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("name", models.CharField(max_length=64)),
            ("value", models.CharField(max_length=200)),
            (
                "run",
                models.ForeignKey(
                    db_constraint=False,
                    db_index=False,
                    on_delete=models.CASCADE,
                    related_name="terms",
                    to="automate_core.executionrun",
                ),
            ),
        ],
        options={
            "verbose_name": "search term",
            "verbose_name_plural": "search terms",
            "default_permissions": (),
            "indexes": [
                models.Index(
                    models.F("value"),
                    models.F("name"),
                    models.OrderBy(models.F("run"), descending=True),
                    name="runs_by_term",
                )
            ],
            "constraints": [models.UniqueConstraint(fields=("run", "name"), name="one_value_per_term")],
        },
    ),
    migrations.CreateModel(
        name="StepRun",
        fields=[
            ("id", models.UUIDField(default=uuid7, editable=False, primary_key=True, serialize=False)),
            ("path", models.CharField(max_length=2000)),
            ("attempt", models.PositiveIntegerField(default=1)),
            (
                "status",
                models.CharField(
                    choices=[
                        ("running", "Running"),
                        ("succeeded", "Succeeded"),
                        ("failed", "Failed"),
                        ("waiting", "Waiting"),
                        ("skipped", "Skipped"),
                        ("cancelled", "Cancelled"),
                        ("interrupted", "Interrupted"),
                    ],
                    max_length=11,
                ),
            ),
            ("input", models.JSONField(null=True)),
            ("output", models.JSONField(null=True)),
            ("error", models.JSONField(null=True)),
            ("input_file", models.CharField(max_length=200, null=True)),
            ("output_file", models.CharField(max_length=200, null=True)),
            ("idempotency_key", models.CharField(max_length=64)),
            ("started_at", models.DateTimeField()),
            ("finished_at", models.DateTimeField(null=True)),
            ("seq", models.PositiveIntegerField(default=0)),
            (
                "run",
                models.ForeignKey(
                    db_constraint=False,
                    db_index=False,
                    on_delete=models.CASCADE,
                    related_name="steps",
                    to="automate_core.executionrun",
                ),
            ),
        ],
        options={
            "verbose_name": "attempt",
            "verbose_name_plural": "attempts",
            "ordering": ["id"],
            "default_permissions": (),
            "indexes": [
                models.Index(
                    models.F("input_file"),
                    condition=models.Q(("input_file__isnull", False)),
                    name="steps_by_input_file",
                ),
                models.Index(
                    models.F("output_file"),
                    condition=models.Q(("output_file__isnull", False)),
                    name="steps_by_output_file",
                ),
            ],
            "constraints": [models.UniqueConstraint(fields=("run", "path", "attempt"), name="one_row_per_attempt")],
        },
    ),
]

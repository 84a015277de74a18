"""Workflows with their permissions, versions, drafts, triggers and schedules."""

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import migrations, models
from django.utils import timezone

from automate_core.models.fields import DocumentField

TABLES = [
    migrations.CreateModel(
        name="ActiveTrigger",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("key", models.CharField(max_length=64)),
            ("kind", models.CharField(max_length=16)),
            ("source", models.CharField(max_length=200)),
            ("event_type", models.CharField(blank=True, max_length=200)),
            ("filter", models.JSONField(null=True)),
            ("config", models.JSONField(default=dict)),
            ("priority", models.SmallIntegerField(default=0)),
            (
                "workflow",
                models.ForeignKey(
                    on_delete=models.CASCADE, related_name="active_triggers", to="automate_core.workflow"
                ),
            ),
            (
                "version",
                models.ForeignKey(on_delete=models.CASCADE, related_name="+", to="automate_core.workflowversion"),
            ),
        ],
        options={
            "verbose_name": "active trigger",
            "verbose_name_plural": "active triggers",
            "default_permissions": (),
            "indexes": [models.Index(fields=["source", "event_type"], name="automate_co_source_c723bb_idx")],
        },
    ),
    migrations.CreateModel(
        name="DraftCommand",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("number", models.PositiveIntegerField()),
            ("kind", models.CharField(max_length=32)),
            ("words", models.CharField(max_length=700)),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            ("changes", DocumentField()),
            ("structural", models.BooleanField()),
            (
                "status",
                models.CharField(
                    choices=[("applied", "Applied"), ("undone", "Undone"), ("dropped", "Dropped")],
                    default="applied",
                    max_length=8,
                ),
            ),
            ("rev", models.PositiveIntegerField()),
            ("changed_at", models.DateTimeField(default=timezone.now)),
            (
                "author",
                models.ForeignKey(null=True, on_delete=models.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL),
            ),
            (
                "changed_by",
                models.ForeignKey(null=True, on_delete=models.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL),
            ),
            (
                "workflow",
                models.ForeignKey(on_delete=models.CASCADE, related_name="commands", to="automate_core.workflow"),
            ),
            ("message", DocumentField(null=True)),
            ("tab", models.CharField(blank=True, db_default="", default="", editable=False, max_length=36)),
        ],
        options={
            "verbose_name": "edit",
            "verbose_name_plural": "edits",
            "ordering": ["-number"],
            "default_permissions": (),
            "indexes": [models.Index(fields=["workflow", "rev"], name="edits_by_rev")],
            "constraints": [models.UniqueConstraint(fields=("workflow", "number"), name="one_edit_per_number")],
        },
    ),
    migrations.CreateModel(
        name="Schedule",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("key", models.CharField(max_length=64)),
            ("times", models.JSONField()),
            ("next_at", models.DateTimeField(null=True)),
            (
                "workflow",
                models.ForeignKey(on_delete=models.CASCADE, related_name="schedules", to="automate_core.workflow"),
            ),
        ],
        options={
            "verbose_name": "schedule",
            "verbose_name_plural": "schedules",
            "default_permissions": (),
            "indexes": [models.Index(models.F("next_at"), name="schedules_by_due")],
            "constraints": [models.UniqueConstraint(fields=("workflow", "key"), name="one_schedule_per_trigger")],
        },
    ),
    migrations.CreateModel(
        name="Step",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("key", models.CharField(max_length=64, validators=[RegexValidator("^[a-z][a-z0-9_]*$")])),
            ("name", models.CharField(blank=True, max_length=200)),
            (
                "kind",
                models.CharField(
                    choices=[
                        ("action", "Action"),
                        ("branch", "Branch"),
                        ("parallel", "Parallel"),
                        ("for_each", "For each"),
                        ("repeat", "Repeat"),
                        ("wait", "Wait"),
                        ("approval", "Approval"),
                        ("workflow", "Workflow"),
                        ("try", "Catch errors"),
                        ("stop", "Stop"),
                        ("reply", "Reply to caller"),
                    ],
                    max_length=16,
                ),
            ),
            ("slot", models.CharField(blank=True, max_length=64)),
            ("position", models.PositiveIntegerField(default=0)),
            ("action", models.CharField(blank=True, max_length=200)),
            ("connection", models.CharField(blank=True, max_length=100)),
            ("inputs", DocumentField(default=dict)),
            ("policy", DocumentField(default=dict)),
            ("settings", DocumentField(default=dict)),
            ("notes", models.TextField(blank=True)),
            ("disabled", models.BooleanField(default=False)),
            ("rev", models.PositiveIntegerField(default=0)),
            (
                "parent",
                models.ForeignKey(
                    blank=True, null=True, on_delete=models.CASCADE, related_name="children", to="automate_core.step"
                ),
            ),
            (
                "workflow",
                models.ForeignKey(on_delete=models.CASCADE, related_name="steps", to="automate_core.workflow"),
            ),
        ],
        options={
            "verbose_name": "step",
            "verbose_name_plural": "steps",
            "ordering": ["position", "id"],
            "default_permissions": (),
            "constraints": [models.UniqueConstraint(fields=("workflow", "key"), name="one_step_per_key")],
        },
    ),
    migrations.CreateModel(
        name="StepSample",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("key", models.CharField(max_length=64)),
            ("kind", models.CharField(choices=[("pin", "Kept sample"), ("mock", "Mock")], max_length=4)),
            ("output", models.JSONField(null=True)),
            ("run", models.UUIDField(null=True)),
            ("made_at", models.DateTimeField(auto_now=True)),
            (
                "author",
                models.ForeignKey(null=True, on_delete=models.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL),
            ),
            (
                "workflow",
                models.ForeignKey(on_delete=models.CASCADE, related_name="samples", to="automate_core.workflow"),
            ),
        ],
        options={
            "verbose_name": "step sample",
            "verbose_name_plural": "step samples",
            "default_permissions": (),
            "constraints": [models.UniqueConstraint(fields=("workflow", "key", "kind"), name="one_sample_of_a_kind")],
        },
    ),
    migrations.CreateModel(
        name="Trigger",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("key", models.CharField(max_length=64)),
            (
                "kind",
                models.CharField(
                    choices=[
                        ("webhook", "Webhook"),
                        ("schedule", "Schedule"),
                        ("model", "Model change"),
                        ("manual", "Manual"),
                        ("event", "Event from code"),
                        ("run", "End of a run"),
                        ("poll", "Poll"),
                        ("service", "Service webhook"),
                        ("form", "Form"),
                        ("mail", "Email"),
                    ],
                    max_length=16,
                ),
            ),
            ("config", DocumentField(default=dict)),
            ("filter", DocumentField(blank=True, null=True)),
            ("position", models.PositiveIntegerField(default=0)),
            ("rev", models.PositiveIntegerField(default=0)),
            (
                "workflow",
                models.ForeignKey(on_delete=models.CASCADE, related_name="triggers", to="automate_core.workflow"),
            ),
            ("tested", models.JSONField(editable=False, null=True)),
        ],
        options={
            "verbose_name": "trigger",
            "verbose_name_plural": "triggers",
            "ordering": ["position", "id"],
            "default_permissions": (),
            "constraints": [models.UniqueConstraint(fields=("workflow", "key"), name="one_trigger_per_key")],
        },
    ),
    migrations.CreateModel(
        name="Workflow",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("name", models.CharField(max_length=200)),
            ("slug", models.SlugField(max_length=100, unique=True)),
            ("description", models.TextField(blank=True)),
            (
                "status",
                models.CharField(
                    choices=[("draft", "Draft"), ("active", "Active"), ("paused", "Paused"), ("archived", "Archived")],
                    default="draft",
                    max_length=8,
                ),
            ),
            ("tags", models.JSONField(blank=True, default=list)),
            ("timezone", models.CharField(default="UTC", max_length=64)),
            ("priority", models.SmallIntegerField(default=0)),
            ("concurrency", DocumentField(blank=True, null=True)),
            ("retention", DocumentField(blank=True, null=True)),
            ("vars", DocumentField(default=dict)),
            ("search_terms", DocumentField(default=dict)),
            ("rev", models.PositiveIntegerField(default=0)),
            ("structure_rev", models.PositiveIntegerField(default=0)),
            ("settings_rev", models.PositiveIntegerField(default=0)),
            ("published_rev", models.PositiveIntegerField(default=0)),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            ("updated_at", models.DateTimeField(auto_now=True)),
            ("owner", models.ForeignKey(on_delete=models.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL)),
            ("run_as", models.ForeignKey(on_delete=models.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL)),
            (
                "published",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=models.SET_NULL,
                    related_name="+",
                    to="automate_core.workflowversion",
                ),
            ),
            ("subject", models.CharField(blank=True, db_default="", default="", max_length=500)),
            ("agents", DocumentField(blank=True, null=True)),
            ("runs_on", models.CharField(blank=True, db_default="", default="", max_length=64)),
            ("pause_reason", models.CharField(blank=True, db_default="", default="", max_length=100)),
        ],
        options={
            "verbose_name": "workflow",
            "verbose_name_plural": "workflows",
            "ordering": ["name", "id"],
            "permissions": [
                ("add_workflow", "Can add workflow"),
                ("view_workflow", "Can view workflow"),
                ("view_payload_workflow", "Can view payload workflow"),
                ("change_workflow", "Can change workflow"),
                ("run_workflow", "Can run workflow"),
                ("operate_workflow", "Can operate workflow"),
                ("publish_workflow", "Can publish workflow"),
                ("share_workflow", "Can share workflow"),
                ("delete_workflow", "Can delete workflow"),
                ("view_any_workflow", "Can view any workflow"),
                ("view_payload_any_workflow", "Can view payload any workflow"),
                ("change_any_workflow", "Can change any workflow"),
                ("run_any_workflow", "Can run any workflow"),
                ("operate_any_workflow", "Can operate any workflow"),
                ("publish_any_workflow", "Can publish any workflow"),
                ("share_any_workflow", "Can share any workflow"),
                ("delete_any_workflow", "Can delete any workflow"),
            ],
            "default_permissions": (),
        },
    ),
    migrations.CreateModel(
        name="WorkflowGroupPermission",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("content_object", models.ForeignKey(on_delete=models.CASCADE, to="automate_core.workflow")),
            ("group", models.ForeignKey(on_delete=models.CASCADE, to="auth.group")),
            ("permission", models.ForeignKey(on_delete=models.CASCADE, to="auth.permission")),
        ],
        options={"abstract": False, "unique_together": {("group", "permission", "content_object")}},
    ),
    migrations.CreateModel(
        name="WorkflowUserPermission",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("content_object", models.ForeignKey(on_delete=models.CASCADE, to="automate_core.workflow")),
            ("permission", models.ForeignKey(on_delete=models.CASCADE, to="auth.permission")),
            ("user", models.ForeignKey(on_delete=models.CASCADE, to=settings.AUTH_USER_MODEL)),
        ],
        options={"abstract": False, "unique_together": {("user", "permission", "content_object")}},
    ),
    migrations.CreateModel(
        name="WorkflowVersion",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("number", models.PositiveIntegerField()),
            ("definition", DocumentField()),
            ("message", models.TextField(blank=True)),
            ("test", models.JSONField(null=True)),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            ("author", models.ForeignKey(on_delete=models.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL)),
            (
                "workflow",
                models.ForeignKey(on_delete=models.CASCADE, related_name="versions", to="automate_core.workflow"),
            ),
            ("run_as", models.ForeignKey(on_delete=models.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL)),
            ("message_text", DocumentField(null=True)),
        ],
        options={
            "verbose_name": "workflow version",
            "verbose_name_plural": "workflow versions",
            "ordering": ["-number"],
            "default_permissions": (),
            "constraints": [
                models.UniqueConstraint(
                    condition=models.Q(("test__isnull", True)),
                    fields=("workflow", "number"),
                    name="one_version_per_number",
                )
            ],
        },
    ),
]

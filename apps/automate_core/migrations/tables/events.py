"""Events, jobs, webhook endpoints with their permissions, and workers."""

from django.conf import settings
from django.core.validators import MaxValueValidator
from django.db import migrations, models
from django.db.models.functions import Now

from automate_core.ids import uuid7

TABLES = [
    migrations.CreateModel(
        name="CapturedChange",
        fields=[
            ("id", models.BigAutoField(primary_key=True, serialize=False)),
            ("model", models.CharField(max_length=200)),
            ("operation", models.CharField(max_length=7)),
            ("before", models.JSONField(null=True)),
            ("after", models.JSONField(null=True)),
            ("origin", models.CharField(blank=True, max_length=100)),
            ("at", models.DateTimeField(db_default=Now())),
        ],
        options={
            "verbose_name": "captured change",
            "verbose_name_plural": "captured changes",
            "default_permissions": (),
        },
    ),
    migrations.CreateModel(
        name="Event",
        fields=[
            ("id", models.UUIDField(default=uuid7, editable=False, primary_key=True, serialize=False)),
            ("source", models.CharField(max_length=200)),
            ("type", models.CharField(blank=True, max_length=200)),
            ("delivery_key", models.CharField(max_length=200, null=True)),
            ("payload", models.JSONField(null=True)),
            ("headers", models.JSONField(default=dict)),
            ("trace_id", models.CharField(max_length=32)),
            ("received_at", models.DateTimeField(db_default=Now())),
            ("replay_of", models.UUIDField(null=True)),
            ("emptied_at", models.DateTimeField(null=True)),
            ("subject", models.CharField(blank=True, db_default="", default="", max_length=120)),
            ("endpoint_id", models.BigIntegerField(db_default=0, default=0)),
            ("erasure", models.UUIDField(null=True)),
        ],
        options={
            "verbose_name": "event",
            "verbose_name_plural": "events",
            "ordering": ["-id"],
            "default_permissions": (),
            "indexes": [
                models.Index(fields=["trace_id"], name="automate_co_trace_i_d6cb2f_idx"),
                models.Index(
                    condition=models.Q(("endpoint_id", 0)), fields=["source", "id"], name="events_of_plain_source"
                ),
                models.Index(
                    condition=models.Q(("endpoint_id", 0), _negated=True),
                    fields=["endpoint_id", "id"],
                    name="events_of_endpoint",
                ),
            ],
            "constraints": [
                models.UniqueConstraint(
                    condition=models.Q(("delivery_key__isnull", False)),
                    fields=("source", "delivery_key", "endpoint_id"),
                    name="one_event_per_delivery_key",
                )
            ],
        },
    ),
    migrations.CreateModel(
        name="HeldEvent",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("source", models.CharField(max_length=200)),
            ("held_at", models.DateTimeField(db_default=Now())),
            (
                "event",
                models.ForeignKey(
                    db_constraint=False, on_delete=models.CASCADE, related_name="+", to="automate_core.event"
                ),
            ),
            (
                "workflow",
                models.ForeignKey(
                    db_constraint=False,
                    on_delete=models.CASCADE,
                    related_name="held_events",
                    to="automate_core.workflow",
                ),
            ),
        ],
        options={
            "verbose_name": "held event",
            "verbose_name_plural": "held events",
            "default_permissions": (),
            "constraints": [models.UniqueConstraint(fields=("workflow", "event"), name="one_held_event_per_workflow")],
        },
    ),
    migrations.CreateModel(
        name="OutboxJob",
        fields=[
            ("id", models.UUIDField(default=uuid7, editable=False, primary_key=True, serialize=False)),
            ("kind", models.CharField(choices=[("dispatch", "Dispatch"), ("advance", "Advance")], max_length=8)),
            (
                "status",
                models.CharField(
                    choices=[("ready", "Ready"), ("leased", "Leased"), ("completed", "Completed"), ("dead", "Dead")],
                    default="ready",
                    max_length=9,
                ),
            ),
            ("priority", models.SmallIntegerField(default=0)),
            ("lane", models.SmallIntegerField(db_default=0)),
            ("available_at", models.DateTimeField(db_default=Now())),
            ("attempts", models.PositiveIntegerField(default=0)),
            ("crashes", models.PositiveIntegerField(default=0)),
            ("suspect", models.BooleanField(default=False)),
            ("worker", models.CharField(blank=True, max_length=100)),
            ("lease_until", models.DateTimeField(null=True)),
            ("token", models.PositiveIntegerField(default=0)),
            ("last_error", models.TextField(blank=True)),
            (
                "event",
                models.ForeignKey(
                    db_constraint=False, db_index=False, null=True, on_delete=models.CASCADE, to="automate_core.event"
                ),
            ),
            (
                "run",
                models.ForeignKey(
                    db_constraint=False,
                    db_index=False,
                    null=True,
                    on_delete=models.CASCADE,
                    to="automate_core.executionrun",
                ),
            ),
        ],
        options={
            "verbose_name": "job",
            "verbose_name_plural": "jobs",
            "default_permissions": (),
            "indexes": [
                models.Index(
                    models.F("priority"),
                    models.F("lane"),
                    models.F("available_at"),
                    models.F("id"),
                    condition=models.Q(("status", "ready"), ("suspect", False)),
                    name="ready_jobs",
                ),
                models.Index(
                    models.F("available_at"),
                    condition=models.Q(("status", "ready"), ("suspect", True)),
                    name="suspect_jobs",
                ),
                models.Index(models.F("lease_until"), condition=models.Q(("status", "leased")), name="leased_jobs"),
                models.Index(models.F("id"), condition=models.Q(("status", "dead")), name="dead_jobs"),
                models.Index(models.F("event"), name="jobs_of_event"),
            ],
            "constraints": [
                models.UniqueConstraint(
                    condition=models.Q(("kind", "advance"), ("status__in", ["ready", "leased"])),
                    fields=("run",),
                    name="one_live_advance_job_per_run",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("event__isnull", False), ("kind", "dispatch")),
                        models.Q(("kind", "advance"), ("run__isnull", False)),
                        _connector="OR",
                    ),
                    name="job_has_its_subject",
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="RefusedDeliveries",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("reason", models.CharField(max_length=20)),
            ("day", models.DateField()),
            ("count", models.PositiveBigIntegerField()),
            ("last_at", models.DateTimeField()),
            (
                "endpoint",
                models.ForeignKey(
                    null=True, on_delete=models.CASCADE, related_name="refused", to="automate_core.webhookendpoint"
                ),
            ),
        ],
        options={
            "verbose_name": "rejected deliveries",
            "verbose_name_plural": "rejected deliveries",
            "default_permissions": (),
            "constraints": [
                models.UniqueConstraint(
                    fields=("endpoint", "reason", "day"), name="one_count_a_day", nulls_distinct=False
                )
            ],
        },
    ),
    migrations.CreateModel(
        name="WebhookEndpoint",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("slug", models.SlugField(max_length=100, unique=True, verbose_name="name")),
            ("scheme", models.CharField(max_length=50)),
            ("config", models.JSONField(blank=True, default=dict)),
            ("secret", models.CharField(blank=True, help_text="A reference, such as database:github.", max_length=200)),
            ("old_secret", models.CharField(blank=True, editable=False, max_length=200)),
            ("old_secret_until", models.DateTimeField(editable=False, null=True)),
            ("secret_used_at", models.DateTimeField(editable=False, null=True)),
            ("old_secret_used_at", models.DateTimeField(editable=False, null=True)),
            ("enabled", models.BooleanField(default=True)),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            ("updated_at", models.DateTimeField(auto_now=True)),
            ("owner", models.ForeignKey(on_delete=models.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL)),
            (
                "reply_seconds",
                models.PositiveSmallIntegerField(
                    db_default=0, default=0, validators=[MaxValueValidator(30)], verbose_name="wait for reply"
                ),
            ),
        ],
        options={
            "verbose_name": "webhook endpoint",
            "verbose_name_plural": "webhook endpoints",
            "ordering": ["slug"],
            "permissions": [
                ("add_webhookendpoint", "Can add webhookendpoint"),
                ("view_webhookendpoint", "Can view webhookendpoint"),
                ("view_payload_webhookendpoint", "Can view payload webhookendpoint"),
                ("change_webhookendpoint", "Can change webhookendpoint"),
                ("share_webhookendpoint", "Can share webhookendpoint"),
                ("delete_webhookendpoint", "Can delete webhookendpoint"),
                ("view_any_webhookendpoint", "Can view any webhookendpoint"),
                ("view_payload_any_webhookendpoint", "Can view payload any webhookendpoint"),
                ("change_any_webhookendpoint", "Can change any webhookendpoint"),
                ("share_any_webhookendpoint", "Can share any webhookendpoint"),
                ("delete_any_webhookendpoint", "Can delete any webhookendpoint"),
            ],
            "default_permissions": (),
        },
    ),
    migrations.CreateModel(
        name="WebhookEndpointGroupPermission",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("content_object", models.ForeignKey(on_delete=models.CASCADE, to="automate_core.webhookendpoint")),
            ("group", models.ForeignKey(on_delete=models.CASCADE, to="auth.group")),
            ("permission", models.ForeignKey(on_delete=models.CASCADE, to="auth.permission")),
        ],
        options={"abstract": False, "unique_together": {("group", "permission", "content_object")}},
    ),
    migrations.CreateModel(
        name="WebhookEndpointUserPermission",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("content_object", models.ForeignKey(on_delete=models.CASCADE, to="automate_core.webhookendpoint")),
            ("permission", models.ForeignKey(on_delete=models.CASCADE, to="auth.permission")),
            ("user", models.ForeignKey(on_delete=models.CASCADE, to=settings.AUTH_USER_MODEL)),
        ],
        options={"abstract": False, "unique_together": {("user", "permission", "content_object")}},
    ),
    migrations.CreateModel(
        name="WorkerState",
        fields=[
            ("name", models.CharField(max_length=100, primary_key=True, serialize=False)),
            ("started_at", models.DateTimeField(db_default=Now())),
            ("seen_at", models.DateTimeField(db_default=Now())),
            ("slots", models.PositiveIntegerField()),
            ("held", models.PositiveIntegerField(default=0)),
        ],
        options={"verbose_name": "worker", "verbose_name_plural": "workers", "default_permissions": ()},
    ),
]

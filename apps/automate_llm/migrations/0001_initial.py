"""Budgets and usage of language models."""

from django.db import migrations, models

from automate_governance.migrations.operations import CreateModels

TABLES = [
    migrations.CreateModel(
        name="LLMBudget",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("workflow", models.SlugField(blank=True, max_length=100, verbose_name="workflow")),
            (
                "period",
                models.CharField(
                    choices=[("day", "Per day"), ("month", "Per month")],
                    default="month",
                    max_length=5,
                    verbose_name="period",
                ),
            ),
            ("max_cost", models.DecimalField(blank=True, decimal_places=2, max_digits=12, null=True)),
            ("max_tokens", models.PositiveBigIntegerField(blank=True, null=True)),
            ("refused", models.PositiveIntegerField(db_default=0, default=0, editable=False)),
            ("refused_from", models.DateField(editable=False, null=True)),
            ("refused_at", models.DateTimeField(editable=False, null=True)),
            ("refusal", models.JSONField(editable=False, null=True)),
        ],
        options={
            "verbose_name": "model budget",
            "verbose_name_plural": "model budgets",
            "ordering": ["workflow", "period"],
            "default_permissions": (),
            "constraints": [
                models.UniqueConstraint(fields=("workflow", "period"), name="llm_budget_one_a_period"),
                models.CheckConstraint(
                    condition=models.Q(("max_cost__isnull", False), ("max_tokens__isnull", False), _connector="OR"),
                    name="llm_budget_limits_something",
                    violation_error_message="Set a cost limit, a token limit or both.",
                ),
                models.CheckConstraint(
                    condition=models.Q(("max_cost__isnull", True), ("max_cost__gte", 0), _connector="OR"),
                    name="llm_budget_not_negative",
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="LLMUsage",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("run", models.UUIDField(blank=True, null=True)),
            ("workflow", models.CharField(blank=True, max_length=100)),
            ("path", models.CharField(blank=True, max_length=2000)),
            ("attempt", models.PositiveIntegerField(default=0)),
            ("call", models.PositiveIntegerField(default=1)),
            ("at", models.DateTimeField()),
            ("day", models.DateField()),
            ("provider", models.CharField(max_length=300)),
            ("model", models.CharField(max_length=200)),
            (
                "status",
                models.CharField(
                    choices=[
                        ("in_flight", "In progress"),
                        ("answered", "Answered"),
                        ("refused", "Rejected"),
                        ("in_doubt", "Outcome unknown"),
                        ("voided", "Voided"),
                    ],
                    default="in_flight",
                    max_length=9,
                ),
            ),
            ("tokens_in", models.PositiveBigIntegerField()),
            ("tokens_out", models.PositiveBigIntegerField()),
            ("is_estimated", models.BooleanField(default=True)),
            ("cost", models.DecimalField(blank=True, decimal_places=8, max_digits=18, null=True)),
            ("is_capped", models.BooleanField(db_default=False, default=False)),
        ],
        options={
            "verbose_name": "model usage",
            "verbose_name_plural": "model usage",
            "permissions": [("view_llmusage", "Can view model usage")],
            "default_permissions": (),
            "indexes": [
                models.Index(
                    fields=["day", "workflow"],
                    include=("provider", "model", "tokens_in", "tokens_out", "cost"),
                    name="llm_usage_by_day",
                ),
                models.Index(condition=models.Q(("is_capped", True)), fields=["day"], name="llm_usage_capped"),
            ],
            "constraints": [
                models.UniqueConstraint(fields=("run", "path", "attempt", "call"), name="llm_usage_once_a_call")
            ],
        },
    ),
]


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [CreateModels(TABLES)]

"""The sidebar: what a person may open, grouped by what they want to do."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.http import HttpRequest
from django.urls import reverse

from automate_connectors.models import Connection
from automate_core.models import Event, ExecutionRun, WebhookEndpoint, Workflow
from automate_governance.models import AuditEntry, StoredSecret
from automate_governance.permissions import SITE, User, can, holds_anywhere
from automate_llm.models import LLMBudget, LLMUsage
from automate_studio import task_list
from automate_studio.event_page import may_look


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Unfold's SIDEBAR navigation for this person. Use as `"navigation": "automate_studio.navigation.sidebar"`."""
    user = request.user
    groups = [
        (
            "Automate",
            [
                *_overview(user),
                _item("Workflows", "account_tree", Workflow, holds_anywhere(user, "view", Workflow)),
                *_templates(user),
                _item("Runs", "history", ExecutionRun, holds_anywhere(user, "view", ExecutionRun)),
                _item("Events", "inbox", Event, may_look(user)),
                _tasks(user),
            ],
        ),
        (
            "Connect",
            [
                _item("Connections", "power", Connection, holds_anywhere(user, "view", Connection)),
                _item("Secrets", "key", StoredSecret, holds_anywhere(user, "use", StoredSecret)),
                _item("Webhooks", "webhook", WebhookEndpoint, holds_anywhere(user, "view", WebhookEndpoint)),
            ],
        ),
        (
            "Operate",
            [
                _item("Model usage", "auto_awesome", LLMUsage, can(user, "view", LLMUsage)),
                _item("Model budgets", "savings", LLMBudget, can(user, "administer", SITE)),
                *_retention(user),
                *_notifications(user),
                _item("Audit trail", "verified_user", AuditEntry, can(user, "audit", SITE)),
            ],
        ),
        ("Administration", [*_people(request), *_plugins(user)]),
    ]
    return [{"title": title, "items": shown} for title, items in groups if (shown := [item for item in items if item])]


def _people(request: HttpRequest) -> list[dict[str, Any]]:
    from django.contrib.auth import get_user_model
    from django.contrib.auth.models import Group

    may = request.user.has_module_perms("auth")
    return [
        item for item in (_item("Users", "person", get_user_model(), may), _item("Groups", "group", Group, may)) if item
    ]


def _overview(user: User) -> list[dict[str, Any]]:
    if not holds_anywhere(user, "view", Workflow):
        return []
    return [{"title": "Overview", "icon": "bar_chart", "link": reverse("admin:index")}]


def _tasks(user: User) -> dict[str, Any]:
    item = {"title": "My tasks", "icon": "how_to_reg", "link": reverse("studio:approval_list")}
    badge = task_list.count(user)
    return {**item, "badge": badge} if badge else item


def _templates(user: User) -> list[dict[str, Any]]:
    if not can(user, "add", Workflow):
        return []
    return [{"title": "Templates", "icon": "dashboard_customize", "link": reverse("studio:gallery")}]


def _notifications(user: User) -> list[dict[str, Any]]:
    if not can(user, "administer", SITE):
        return []
    return [{"title": "Notifications", "icon": "notifications", "link": reverse("studio:notifications")}]


def _plugins(user: User) -> list[dict[str, Any]]:
    if not can(user, "administer", SITE):
        return []
    return [{"title": "Plug-ins", "icon": "extension", "link": reverse("studio:plugin_list")}]


def _retention(user: User) -> list[dict[str, Any]]:
    if not can(user, "administer", SITE):
        return []
    return [{"title": "Retention", "icon": "auto_delete", "link": reverse("studio:retention")}]


def _item(title: str, icon: str, model: type[models.Model], may: bool) -> dict[str, Any]:
    if not may:
        return {}
    link = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    return {"title": title, "icon": icon, "link": link}

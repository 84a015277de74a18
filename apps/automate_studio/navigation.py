"""The sidebar: what a person may open, grouped by what they want to do."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db import models
from django.http import HttpRequest

from automate_connectors.models import Connection
from automate_core.events.access import may_list_events
from automate_core.models import Event, ExecutionRun, WebhookEndpoint, Workflow
from automate_governance.admin_site import admin_site, reverse
from automate_governance.models import AuditEntry, StoredSecret
from automate_governance.permissions import SITE, can, holds_anywhere
from automate_llm.models import LLMBudget, LLMUsage
from automate_studio.ui.overview_address import overview_view_name
from automate_studio.view_models.task_counts import task_count


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Unfold's SIDEBAR navigation for this person. Use as `"navigation": "automate_studio.navigation.sidebar"`."""
    user = request.user
    sees, administers = holds_anywhere(user, "view", Workflow), can(user, "administer", SITE)
    audits = can(user, "audit", SITE)
    may_auth = audits or user.has_module_perms("auth")
    groups = [
        (
            "Automate",
            [
                _sidebar_item("Overview", "bar_chart", overview_view_name(), sees),
                _list_section("Workflows", "account_tree", Workflow, sees),
                _sidebar_item("Templates", "dashboard_customize", "studio:gallery", can(user, "add", Workflow)),
                _list_section("Runs", "history", ExecutionRun, holds_anywhere(user, "view", ExecutionRun)),
                _list_section("Events", "inbox", Event, may_list_events(user)),
                {**_sidebar_item("My tasks", "how_to_reg", "studio:approval_list"), **_task_badge(task_count(user))},
            ],
        ),
        (
            "Connect",
            [
                _list_section("Connections", "power", Connection, holds_anywhere(user, "view", Connection)),
                _list_section("Secrets", "key", StoredSecret, audits or holds_anywhere(user, "use", StoredSecret)),
                _list_section("Webhooks", "webhook", WebhookEndpoint, holds_anywhere(user, "view", WebhookEndpoint)),
            ],
        ),
        (
            "Operate",
            [
                _list_section("Model usage", "auto_awesome", LLMUsage, can(user, "view", LLMUsage)),
                _list_section("Model budgets", "savings", LLMBudget, administers),
                _sidebar_item("Retention", "auto_delete", "studio:retention", administers or audits),
                _sidebar_item("Notifications", "notifications", "studio:notifications", administers or audits),
                _list_section("Audit trail", "verified_user", AuditEntry, audits),
            ],
        ),
        (
            "Administration",
            [
                _list_section("Users", "person", get_user_model(), may_auth),
                _list_section("Groups", "group", Group, may_auth),
                _sidebar_item("Plug-ins", "extension", "studio:plugin_list", administers),
            ],
        ),
    ]
    return [{"title": title, "items": shown} for title, items in groups if (shown := [item for item in items if item])]


def _list_section(title: str, icon: str, model: type[models.Model], may: bool) -> dict[str, Any]:
    """The admin's list of a model; empty where the project has none, as may be for people."""
    page = f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"
    return _sidebar_item(title, icon, page, may and admin_site().is_registered(model))


def _sidebar_item(title: str, icon: str, page: str, may: bool = True) -> dict[str, Any]:
    """A link to a page; empty for those who may not open it."""
    return {"title": title, "icon": icon, "link": reverse(page)} if may else {}


def _task_badge(count: str) -> dict[str, str]:
    return {"badge": count} if count else {}

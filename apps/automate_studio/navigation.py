"""The sidebar: what a person may open, grouped by what they want to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db import models
from django.http import HttpRequest
from django.utils.translation import gettext as _

from automate_connectors.models import Connection
from automate_core.events.access import may_list_events
from automate_core.models import Event, ExecutionRun, WebhookEndpoint, Workflow
from automate_governance.admin_site import admin_site, reverse
from automate_governance.models import AuditEntry, StoredSecret
from automate_governance.permissions import SITE, User, can, holds_anywhere
from automate_llm.models import LLMBudget, LLMUsage
from automate_studio.ui.overview_address import overview_view_name
from automate_studio.view_models.task_counts import task_count

_TASKS = "studio:approval_list"
#: Pages of the help by the beginning of a screen's URL name; the first that fits.
_HELP = {
    "builder": "drafts",
    "template": "workflow-templates",
    "automate_core_workflow": "drafts",
    "workflow_notification": "notifications",
    "workflow": "drafts",
    "automate_core_executionrun": "runs",
    "run_list": "run-history",
    "run": "runs",
    "automate_core_event": "triggers",
    "event_rejected": "webhooks",
    "event": "triggers",
    "approval": "notifications",
    "rule": "notifications",
    "notification": "notifications",
    "automate_core_webhookendpoint": "webhooks",
    "automate_connectors": "connections",
    "connection": "connections",
    "share": "connections",
    "automate_governance_storedsecret": "secrets",
    "automate_governance_auditentry": "audit",
    "audit": "audit",
    "automate_llm": "llm",
    "model": "llm",
    "retention": "operating",
    "plugin": "plugins",
}


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Unfold's SIDEBAR navigation for this person. Use as `"navigation": "automate_studio.navigation.sidebar"`."""
    user = request.user
    allowed = _allowed_pages(user)
    badges = {_TASKS: _task_badge(task_count(user))}
    return [
        {"title": title, "items": items}
        for title, pages in _sections()
        if (items := [_sidebar_item(page, badges.get(page.view, {})) for page in pages if allowed[page.view]])
    ] + [{"items": [{"title": _("Help"), "icon": "help", "link": help_url(request)}]}]


def help_url(request: HttpRequest) -> str:
    """The page of the help about the screen that is shown."""
    shown = request.resolver_match.url_name if request.resolver_match else ""
    topic = next((topic for begin, topic in _HELP.items() if (shown or "").startswith(begin)), "index")
    return reverse("studio:help_page", args=[topic])


def section_of(url: str) -> tuple[str, str]:
    """Titles of the sidebar's section and page with this URL; empty for other URLs."""
    for title, pages in _sections():
        for page in pages:
            if _is_registered(page) and reverse(page.view) == url:
                return title, page.title
    return "", ""


@dataclass(frozen=True)
class _Page:
    """A page of the sidebar. `model` is set for the admin's list of a model."""

    title: str
    icon: str
    view: str
    model: type[models.Model] | None = None


def _sections() -> list[tuple[str, list[_Page]]]:
    """Sections with all their pages, in the active language."""
    return [
        (
            _("Automate"),
            [
                _Page(_("Overview"), "bar_chart", overview_view_name()),
                _list_page(_("Workflows"), "account_tree", Workflow),
                _Page(_("Templates"), "dashboard_customize", "studio:template_list"),
                _list_page(_("Runs"), "history", ExecutionRun),
                _list_page(_("Events"), "inbox", Event),
                _Page(_("Tasks"), "how_to_reg", _TASKS),
            ],
        ),
        (
            _("Connect"),
            [
                _list_page(_("Connections"), "power", Connection),
                _list_page(_("Secrets"), "key", StoredSecret),
                _list_page(_("Webhooks"), "webhook", WebhookEndpoint),
            ],
        ),
        (
            _("Operate"),
            [
                _list_page(_("Model usage"), "auto_awesome", LLMUsage),
                _list_page(_("Model budgets"), "savings", LLMBudget),
                _Page(_("Retention"), "auto_delete", "studio:retention"),
                _Page(_("Notifications"), "notifications", "studio:notifications"),
                _list_page(_("Audit trail"), "verified_user", AuditEntry),
            ],
        ),
        (
            _("Administration"),
            [
                _list_page(_("Users"), "person", get_user_model()),
                _list_page(_("Groups"), "group", Group),
                _Page(_("Plug-ins"), "extension", "studio:plugin_list"),
            ],
        ),
    ]


def account_links(request: HttpRequest) -> list[dict[str, Any]]:
    """Links of Unfold's user menu. Use as `"ACCOUNT": {"navigation": "automate_studio.navigation.account_links"}`."""
    links = [{"title": _("Preferences"), "link": reverse("studio:preferences")}]
    if request.user.is_authenticated and request.user.has_usable_password():
        links.append({"title": _("Change password"), "link": reverse("admin:password_change")})
    return links


def _allowed_pages(user: User) -> dict[str, bool]:
    """Whether the person may open a page, by its view."""
    administers, audits = can(user, "administer", SITE), can(user, "audit", SITE)
    may_auth = audits or user.has_module_perms("auth")
    by_model: dict[type[models.Model], bool] = {
        Workflow: holds_anywhere(user, "view", Workflow),
        ExecutionRun: holds_anywhere(user, "view", ExecutionRun),
        Event: may_list_events(user),
        Connection: holds_anywhere(user, "view", Connection),
        StoredSecret: audits or holds_anywhere(user, "use", StoredSecret),
        WebhookEndpoint: holds_anywhere(user, "view", WebhookEndpoint),
        LLMUsage: can(user, "view", LLMUsage),
        LLMBudget: administers,
        AuditEntry: audits,
        get_user_model(): may_auth,
        Group: may_auth,
    }
    return {
        overview_view_name(): by_model[Workflow],
        "studio:template_list": can(user, "add", Workflow),
        _TASKS: True,
        "studio:retention": administers or audits,
        "studio:notifications": administers or audits,
        "studio:plugin_list": administers,
        **{_list_view(model): may and admin_site().is_registered(model) for model, may in by_model.items()},
    }


def _list_page(title: str, icon: str, model: type[models.Model]) -> _Page:
    """The admin's list of a model."""
    return _Page(title, icon, _list_view(model), model)


def _list_view(model: type[models.Model]) -> str:
    return f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"


def _is_registered(page: _Page) -> bool:
    """Whether the admin has the page: a project may have no list of people."""
    return page.model is None or admin_site().is_registered(page.model)


def _sidebar_item(page: _Page, badge: dict[str, str]) -> dict[str, Any]:
    """A link to a page."""
    return {"title": page.title, "icon": page.icon, "link": reverse(page.view), **badge}


def _task_badge(count: str) -> dict[str, str]:
    return {"badge": count} if count else {}

"""The sidebar: what a person may open, grouped by what they want to do.

The studio registers its own pages as other apps register theirs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db import models
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from automate_connectors.models import Connection
from automate_core.events.access import may_list_events
from automate_core.models import Event, ExecutionRun, WebhookEndpoint, Workflow
from automate_governance.admin_site import reverse
from automate_governance.models import AuditEntry, StoredSecret
from automate_governance.permissions import SITE, User, can, holds_anywhere
from automate_llm.models import LLMBudget, LLMUsage
from automate_studio.view_models.task_counts import task_count
from automate_ui.navigation import registry
from automate_ui.navigation.registry import Link, Page, Section
from automate_ui.overview_address import overview_view_name

type MayOpen = Callable[[User], bool]
#: Pages of the help by the beginning of a screen's view name.
_HELP = {
    "admin:index": "operating",
    "studio:overview": "operating",
    "studio:builder": "drafts",
    "studio:review": "drafts",
    "studio:version": "drafts",
    "studio:template": "workflow-templates",
    "admin:automate_core_workflow": "drafts",
    "studio:workflow_notification": "notifications",
    "studio:workflow": "drafts",
    "studio:trigger": "triggers",
    "admin:automate_core_executionrun": "runs",
    "studio:run_list": "run-history",
    "studio:run": "runs",
    "admin:automate_core_event": "operating",
    "studio:event_rejected": "webhooks",
    "studio:event": "operating",
    "studio:approval": "notifications",
    "studio:rule": "notifications",
    "studio:notification": "notifications",
    "admin:automate_core_webhookendpoint": "webhooks",
    "admin:automate_connectors": "connections",
    "studio:connection": "connections",
    "studio:connector": "declared-connectors",
    "studio:share": "connections",
    "admin:automate_governance_storedsecret": "secrets",
    "admin:automate_governance_auditentry": "audit",
    "studio:audit": "audit",
    "admin:automate_llm": "llm",
    "studio:model": "llm",
    "studio:retention": "operating",
    "studio:personal_data": "personal-data",
    "studio:erasure": "personal-data",
    "studio:site_status": "operating",
    "studio:plugin": "plugins",
}


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Unfold's SIDEBAR navigation for this person. Use as `"navigation": "automate_studio.navigation.sidebar"`."""
    user = request.user
    return [
        {"title": str(section.label), "items": items}
        for section, pages in registry.sections()
        if (items := [_sidebar_item(page, user) for page in pages if page.may_open(user)])
    ] + [{"items": [_link(str(_("Help")), "help", help_url(request))]}]


def help_url(request: HttpRequest) -> str:
    """The page of the help about the screen that is shown."""
    shown = request.resolver_match
    topic = registry.help_topic(f"{shown.app_name}:{shown.url_name}") if shown else ""
    return reverse("studio:help_page", args=[topic or "index"])


def section_of(url: str) -> tuple[str, str]:
    """Titles of the sidebar's section and page with this URL; empty for other URLs."""
    for section, pages in registry.sections():
        for page in pages:
            if page.url == url:
                return str(section.label), str(page.title)
    return "", ""


def account_links(request: HttpRequest) -> list[dict[str, Any]]:
    """Links of Unfold's user menu. Use as `"ACCOUNT": {"navigation": "automate_studio.navigation.account_links"}`."""
    links = [{"title": str(link.title), "link": link.url} for link in registry.account_links_for(request.user)]
    if request.user.is_authenticated and request.user.has_usable_password():
        links.append({"title": str(_("Change password")), "link": reverse("admin:password_change")})
    return links


def register_pages() -> None:
    """Register the studio's own pages, commands, links and help."""
    registry.register(
        pages=[*_automate_pages(), *_connect_pages(), *_operate_pages(), *_administration_pages()],
        commands=[
            Link(title=_("New workflow"), view="studio:workflow_new", icon="add", may_open=_may_create),
            Link(title=_("New connector"), view="studio:connector_new", icon="add", may_open=_administers),
        ],
        account_links=[Link(title=_("Preferences"), view="studio:preferences", icon="person", may_open=_always)],
        help_topics=_HELP,
    )


def _automate_pages() -> list[Page]:
    section = Section.AUTOMATE
    return [
        _page(section, 10, _("Overview"), "bar_chart", overview_view_name, _may_view(Workflow)),
        _list_page(section, 20, _("Workflows"), "account_tree", Workflow, _may_view(Workflow)),
        _page(section, 25, _("Triggers"), "bolt", "studio:trigger_list", _may_view(Workflow)),
        _page(section, 30, _("Templates"), "dashboard_customize", "studio:template_list", _may_create),
        _list_page(section, 40, _("Runs"), "history", ExecutionRun, _may_view(ExecutionRun)),
        _list_page(section, 50, _("Events"), "inbox", Event, may_list_events),
        _page(section, 60, _("Tasks"), "how_to_reg", "studio:approval_list", _always, badge=task_count),
    ]


def _connect_pages() -> list[Page]:
    section = Section.CONNECT
    return [
        _list_page(section, 10, _("Connections"), "power", Connection, _may_view(Connection)),
        _list_page(section, 20, _("Secrets"), "key", StoredSecret, _may_list_secrets),
        _list_page(section, 30, _("Webhooks"), "webhook", WebhookEndpoint, _may_view(WebhookEndpoint)),
    ]


def _operate_pages() -> list[Page]:
    section = Section.OPERATE
    return [
        _page(section, 5, _("Site status"), "task_alt", "studio:site_status", _may_see_status),
        _list_page(section, 10, _("Model usage"), "auto_awesome", LLMUsage, lambda user: can(user, "view", LLMUsage)),
        _list_page(section, 20, _("Model budgets"), "savings", LLMBudget, _administers),
        _page(section, 30, _("Retention"), "auto_delete", "studio:retention", _administers_or_audits),
        _page(section, 32, _("Personal data"), "manage_search", "studio:personal_data", _erases),
        _page(section, 35, _("Pools"), "dns", "studio:pool_list", _operates),
        _page(section, 40, _("Notifications"), "notifications", "studio:notifications", _administers_or_audits),
        _list_page(section, 50, _("Audit trail"), "verified_user", AuditEntry, _audits),
    ]


def _administration_pages() -> list[Page]:
    section = Section.ADMINISTRATION
    return [
        _list_page(section, 10, _("Users"), "person", get_user_model(), _may_view_accounts),
        _list_page(section, 20, _("Groups"), "group", Group, _may_view_accounts),
        _page(section, 25, _("Connectors"), "api", "studio:connector_list", _administers),
        _page(section, 30, _("Plug-ins"), "extension", "studio:plugin_list", _administers),
    ]


def _page(section: Section, position: int, title: Any, icon: str, view: Any, may_open: MayOpen, **more: Any) -> Page:
    return Page(section=section, position=position, title=title, icon=icon, view=view, may_open=may_open, **more)


def _list_page(
    section: Section, position: int, title: Any, icon: str, model: type[models.Model], may_open: MayOpen
) -> Page:
    """The admin's list of a model."""
    view = f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"
    return _page(section, position, title, icon, view, may_open, model=model)


def _may_view(model: type[models.Model]) -> MayOpen:
    return lambda user: holds_anywhere(user, "view", model)


def _always(user: User) -> bool:
    return True


def _may_create(user: User) -> bool:
    return can(user, "add", Workflow)


def _administers(user: User) -> bool:
    return can(user, "administer", SITE)


def _operates(user: User) -> bool:
    return can(user, "operate", SITE)


def _may_see_status(user: User) -> bool:
    return _administers(user) or _operates(user) or _audits(user)


def _audits(user: User) -> bool:
    return can(user, "audit", SITE)


def _erases(user: User) -> bool:
    return can(user, "erase", SITE)


def _administers_or_audits(user: User) -> bool:
    return _administers(user) or _audits(user)


def _may_list_secrets(user: User) -> bool:
    return _audits(user) or holds_anywhere(user, "use", StoredSecret)


def _may_view_accounts(user: User) -> bool:
    return _audits(user) or user.has_module_perms("auth")


def _sidebar_item(page: Page, user: User) -> dict[str, Any]:
    badge = page.badge(user) if page.badge else ""
    return _link(str(page.title), page.icon, page.url) | ({"badge": badge} if badge else {})


def _link(title: str, icon: str, url: str) -> dict[str, Any]:
    return {"title": title, "icon": icon, "icon_template": "automate_studio/ui/sidebar_icon.html", "link": url}

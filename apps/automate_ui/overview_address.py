"""Address of the overview: a page of its own, or the admin's first page if the settings say so."""

from __future__ import annotations

from unfold.settings import get_config

from automate_governance.admin_site import admin_site, reverse

TEMPLATE = "automate_studio/overview/page.html"
CALLBACK = "automate_studio.overview.views.dashboard"


def is_overview_first_page() -> bool:
    """Whether `DASHBOARD_CALLBACK` in the settings of Unfold makes it the admin's first page."""
    name: str = getattr(admin_site(), "settings_name", "UNFOLD")
    return bool(get_config(name)["DASHBOARD_CALLBACK"] == CALLBACK)


def overview_view_name() -> str:
    return "admin:index" if is_overview_first_page() else "studio:overview"


def overview_url() -> str:
    return reverse(overview_view_name())

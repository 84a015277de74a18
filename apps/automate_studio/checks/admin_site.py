"""Checks of the URLs of our pages, and of the admin site that they live in."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured
from django.urls import Resolver404, get_resolver, resolve

from automate_core.checks.urls import SHOWS_URLS, find_path
from automate_governance.admin_site import admin_site
from automate_plugins.documentation import doc

_MOST_NAMES = 5


def check_pages(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """E064: no pages of ours. E065: the admin's own URLs stand before them."""
    page = find_path("studio:overview")
    if not page:
        message = "The project's URLs do not include automate_studio.urls."
        return [Error(message, hint=SHOWS_URLS, id="automate_core.E064")]
    if _namespace(page) == "studio":
        return []
    message = "The URLs of the admin come before those of automate_studio and hide them."
    return [Error(message, hint=f"Put automate_studio.urls first. {SHOWS_URLS}", id="automate_core.E065")]


def _namespace(path: str) -> str:
    try:
        return resolve(path).namespace
    except Resolver404:
        return ""


def check_admin_site(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """E066: AUTOMATE_ADMIN_SITE names none. E067: it is not Unfold's. E068: the URLs lead to another."""
    try:
        site: object = admin_site()
    except ImproperlyConfigured as error:
        hint = "Name the instance by its path, such as shop.office.site."
        return [Error(str(error), hint=hint, id="automate_core.E066")]
    if not isinstance(site, AdminSite) or not _is_unfolds(site):
        hint = 'Make it an unfold.sites.UnfoldAdminSite, or put "unfold" before "django.contrib.admin".'
        return [Error("The admin site of Automate's pages is not one of Unfold's.", hint=hint, id="automate_core.E067")]
    served = get_resolver().app_dict.get("admin", [])
    if site.name in served:
        return []
    hint = "Set AUTOMATE_ADMIN_SITE to the site that your URLs contain."
    message = f"The URLs do not contain the admin site {site.name!r}. They contain: {', '.join(served) or 'none'}."
    return [Error(message, hint=hint, id="automate_core.E068")]


def check_model_admins(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """W061: pages of the project's models on that site are Django's, which Unfold's styles take apart."""
    try:
        site: object = admin_site()
    except ImproperlyConfigured:
        return []  # E066 says so
    if not isinstance(site, AdminSite) or not _is_unfolds(site):
        return []  # E067 says so
    if site.name not in get_resolver().app_dict.get("admin", []):
        return []  # E068 says so: no URL leads to these pages
    found = sorted(model._meta.label for model, page in site._registry.items() if not _is_unfolds(page))
    if not found:
        return []
    more = f" and {len(found) - _MOST_NAMES} more" if len(found) > _MOST_NAMES else ""
    message = f"The ModelAdmin of {', '.join(found[:_MOST_NAMES])}{more} is not Unfold's: its pages lack buttons."
    hint = f"Subclass unfold.admin.ModelAdmin, as {doc('in-your-project')} shows under Your own model pages."
    return [Warning(message, hint=hint, id="automate_core.W061")]


def _is_unfolds(site_or_page: object) -> bool:
    """Judged by the name of the package: this app does not import it."""
    return any(base.__module__.partition(".")[0] == "unfold" for base in site_or_page.__class__.__mro__)

"""Checks of addresses: the site's URL, the project's URLs, and the admin site that our pages live in."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.admin import AdminSite
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured
from django.http.request import validate_host
from django.urls import NoReverseMatch, Resolver404, get_resolver, resolve

from automate_governance.admin_site import admin_site, reverse
from automate_plugins.documentation import doc

_LOCAL = {"localhost", "127.0.0.1", "::1"}
_MOST_NAMES = 5
_DOCS = f"{doc('in-your-project')} shows urls.py."


def check_site_url(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """E060: no AUTOMATE_SITE_URL. E061: it is no address. E062: ALLOWED_HOSTS refuses it. W060: it is not encrypted."""
    given = getattr(settings, "AUTOMATE_SITE_URL", None)
    hint = 'Set it to the address that people and senders use, such as "https://example.com".'
    if not given:
        return [Error("AUTOMATE_SITE_URL is not set.", hint=hint, id="automate_core.E060")]
    if not _is_address(given):
        message = f"AUTOMATE_SITE_URL must be a scheme and a host without a path, not {given!r}."
        return [Error(message, hint=hint, id="automate_core.E061")]
    parts = urlsplit(given)
    host = parts.hostname or ""
    found: list[CheckMessage] = []
    if not _is_allowed(host):
        message = f"ALLOWED_HOSTS does not allow {host}, the host of AUTOMATE_SITE_URL."
        found.append(Error(message, hint=f"Add {host!r} to ALLOWED_HOSTS.", id="automate_core.E062"))
    if parts.scheme == "http" and host not in _LOCAL and not settings.DEBUG:
        message = "AUTOMATE_SITE_URL is not encrypted: links and webhook secrets are sent in plain text."
        found.append(Warning(message, hint="Use an https:// address.", id="automate_core.W060"))
    return found


def _is_address(given: Any) -> bool:
    try:
        parts = urlsplit(given)
        return (
            parts.scheme in {"http", "https"} and bool(parts.hostname) and given == f"{parts.scheme}://{parts.netloc}"
        )
    except (AttributeError, TypeError, ValueError):
        return False


def _is_allowed(host: str) -> bool:
    """Like Django's rule, but without DEBUG's exception for this machine, which Django's test runner turns off."""
    return host in _LOCAL or validate_host(f"[{host}]" if ":" in host else host, settings.ALLOWED_HOSTS)


def check_urls(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """E063: no webhooks. E064: no pages of ours. E065: the admin's own URLs stand before them."""
    found: list[CheckMessage] = []
    if not _path("automate:webhook", ["check"]):
        message = "The project's URLs do not include automate_core.urls."
        found.append(Error(message, hint=_DOCS, id="automate_core.E063"))
    page = _path("studio:overview")
    if not page:
        message = "The project's URLs do not include automate_studio.urls."
        found.append(Error(message, hint=_DOCS, id="automate_core.E064"))
    elif _namespace(page) != "studio":
        message = "The URLs of the admin come before those of automate_studio and hide them."
        found.append(Error(message, hint=f"Put automate_studio.urls first. {_DOCS}", id="automate_core.E065"))
    return found


def _path(view: str, args: list[str] | None = None) -> str:
    try:
        return reverse(view, args=args)
    except (NoReverseMatch, ImproperlyConfigured):  # the latter: the admin site cannot be imported
        return ""


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
        site = admin_site()
    except ImproperlyConfigured:
        return []  # E066 says so
    if not isinstance(site, AdminSite) or not _is_unfolds(site):
        return []  # E067 says so
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

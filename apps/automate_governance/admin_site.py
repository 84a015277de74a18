"""The admin site that Automate's pages belong to: the project's default one, or the one of AUTOMATE_ADMIN_SITE."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django import urls
from django.apps import apps
from django.conf import settings
from django.contrib.admin import AdminSite
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string  # noqa: TID251 - a setting of the project, which is code

DEFAULT = "django.contrib.admin.site"


def admin_site() -> AdminSite:
    """Return the admin site that settings name by path, such as `shop.office.site`. Raises ImproperlyConfigured."""
    path = getattr(settings, "AUTOMATE_ADMIN_SITE", DEFAULT)
    try:
        site: AdminSite = import_string(path)
    except (ImportError, AttributeError) as error:
        raise ImproperlyConfigured(
            f"AUTOMATE_ADMIN_SITE cannot be imported: {error}. Name the instance by its path, such as shop.office.site."
            " (automate_core.E066)"
        ) from error
    return site


def reverse(view: str, *, args: Sequence[Any] | None = None, kwargs: Mapping[str, Any] | None = None) -> str:
    """Return the path of a view; names that begin with `admin:` are those of our admin site. Raises NoReverseMatch."""
    site = admin_site().name if apps.is_installed("django.contrib.admin") else None
    found: str = urls.reverse(  # noqa: TID251 - this is it
        view, args=args, kwargs=dict(kwargs) if kwargs else None, current_app=site
    )
    return found

"""The admin that our pages live in: the project's default one, or the one that `AUTOMATE_ADMIN_SITE` names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django import urls
from django.conf import settings
from django.contrib.admin import AdminSite
from django.utils.module_loading import import_string  # noqa: TID251 - a setting of the project, which is code

DEFAULT = "django.contrib.admin.site"


def admin_site() -> AdminSite:
    """The admin site. Settings name it by path, such as `shop.office.site`. Raises ImportError."""
    site: AdminSite = import_string(getattr(settings, "AUTOMATE_ADMIN_SITE", DEFAULT))
    return site


def reverse(view: str, *, args: Sequence[Any] | None = None, kwargs: Mapping[str, Any] | None = None) -> str:
    """The path of a view, which for views called `admin:...` is one of our admin site's. Raises NoReverseMatch."""
    found: str = urls.reverse(  # noqa: TID251 - this is it
        view, args=args, kwargs=dict(kwargs) if kwargs else None, current_app=admin_site().name
    )
    return found

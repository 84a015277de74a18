"""Views in the admin that our pages live in, and URL patterns of those for staff."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.urls import URLPattern, path

from automate_governance.admin_site import admin_site

type View = Callable[..., HttpResponseBase]


def within_studio_admin(view: View) -> View:
    """The view with `{% url "admin:..." %}` of its templates leading into the admin that our pages live in."""

    @wraps(view)
    def inner(request: HttpRequest, *args: Any, **options: Any) -> HttpResponseBase:
        request.current_app = admin_site().name
        return view(request, *args, **options)

    return inner


def staff(route: str, view: View, name: str) -> URLPattern:
    """A page for the staff: others are sent to the admin's page for signing in."""
    return path(route, admin_site().admin_view(within_studio_admin(view)), name=name)

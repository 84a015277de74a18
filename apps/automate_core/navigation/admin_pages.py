"""Pages inside the frame of the admin that Automate's pages belong to."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from automate_governance.admin_site import admin_site

type View = Callable[..., HttpResponseBase]


def render_page(
    request: HttpRequest, template: str, title: str, /, *, status: int = 200, **context: Any
) -> TemplateResponse:
    """A full page with the context of the admin's frame."""
    site = admin_site()
    request.current_app = site.name
    shown = {**site.each_context(request), "title": title, **context}
    return TemplateResponse(request, template, shown, status=status)


def within_admin(view: View) -> View:
    """The view with `{% url "admin:..." %}` of its templates resolved in our admin."""

    @wraps(view)
    def inner(request: HttpRequest, *args: Any, **options: Any) -> HttpResponseBase:
        request.current_app = admin_site().name
        return view(request, *args, **options)

    return inner


def staff(route: str, view: View, name: str) -> URLPattern:
    """URL pattern of a page for staff; others are sent to the admin's sign-in page."""
    return path(route, admin_site().admin_view(within_admin(view)), name=name)

"""Pages inside the frame of the admin that Automate's pages belong to, and their parts for htmx."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from automate_governance.admin_site import admin_site
from automate_ui.navigation.lists import ListPage

type View = Callable[..., HttpResponseBase]


def render_page(
    request: HttpRequest, template: str, title: str, /, *, status: int = 200, **context: Any
) -> TemplateResponse:
    """A full page with the context of the admin's frame."""
    site = admin_site()
    request.current_app = site.name
    shown = {**site.each_context(request), "title": title, **context}
    return TemplateResponse(request, template, shown, status=status)


def list_response(
    request: HttpRequest, template: str, title: str, url: str, found: ListPage, **more: Any
) -> HttpResponse:
    """The list as a page, or its changed part for htmx."""
    shown = {"found": found, "url": url, **more}
    if request.headers.get("HX-Target") != "list":
        return render_page(request, template, title, **shown)
    headers = {"HX-Push-Url": f"{url}{found.query}"}
    return TemplateResponse(request, f"{template}#answer", shown, headers=headers)


def question_response(
    request: HttpRequest, template: str, title: str, /, *, status: int = 200, **context: Any
) -> TemplateResponse:
    """A question before an action, as a page, or as a dialog's content for htmx."""
    if "HX-Request" in request.headers:
        return TemplateResponse(request, template, {"is_dialog": True, **context}, status=status)
    return render_page(request, template, title, status=status, **context)


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

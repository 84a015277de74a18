"""Pages inside the admin's frame."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from django.http import HttpRequest
from django.template import Context
from django.template.loader import get_template
from django.template.response import TemplateResponse

from automate_governance.admin_site import admin_site


def render_page(
    request: HttpRequest, template: str, title: str, /, *, status: int = 200, **context: Any
) -> TemplateResponse:
    """A full page with the context of the admin's frame."""
    site = admin_site()
    request.current_app = site.name
    shown = {**site.each_context(request), "title": title, **context}
    return TemplateResponse(request, template, shown, status=status)


def render_fragment(template: str, context: dict[str, Any]) -> str:
    """A fragment without a request, with admin links into the studio's admin."""
    shown: Any = Context(context)
    shown.request = SimpleNamespace(current_app=admin_site().name)
    text: str = get_template(template).template.render(shown)  # type: ignore[attr-defined]
    return text

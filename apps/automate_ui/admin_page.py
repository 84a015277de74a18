"""Pages and fragments inside the admin's frame."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from django.template import Context
from django.template.loader import get_template

from automate_governance.admin_site import admin_site
from automate_ui.navigation.admin_pages import render_page

__all__ = ["render_fragment", "render_page"]


def render_fragment(template: str, context: dict[str, Any]) -> str:
    """A fragment without a request, with admin links into the studio's admin."""
    shown: Any = Context(context)
    shown.request = SimpleNamespace(current_app=admin_site().name)
    text: str = get_template(template).template.render(shown)  # type: ignore[attr-defined]
    return text

"""Template tags for fields of forms."""

from __future__ import annotations

from typing import Any

from django import forms, template
from django.forms.boundfield import BoundField

from automate_studio.ui.fields import build_form_field, build_widget_field

register = template.Library()
_FIELD = "automate_studio/ui/field.html"


@register.inclusion_tag(_FIELD)
def form_field(bound: BoundField, style: str = "") -> dict[str, Any]:
    """A field of a Django form."""
    return {"field": build_form_field(bound), "style": style}


@register.inclusion_tag(_FIELD)
def text_field(
    name: str, label: str, value: Any = "", *, id: str = "", mark: str = "", help: str = "", error: str = "",
    button: str = "", rows: int = 0, **attrs: Any,
) -> dict[str, Any]:  # fmt: skip
    """A field for a text, of several lines with `rows`; what else is given are attributes of its control."""
    widget = forms.Textarea({"rows": rows, **attrs}) if rows else forms.TextInput({"autocomplete": "off", **attrs})
    made = build_widget_field(name, label, widget, value, id_=id, mark=mark, help=help, error=error, button=button)
    return {"field": made}

"""Template tags for fields of forms."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms, template
from django.forms.boundfield import BoundField

from automate_ui.fields import build_form_field, build_widget_field

register = template.Library()
_FIELD = "automate_studio/ui/field.html"


@register.inclusion_tag(_FIELD)
def form_field(bound: BoundField, style: str = "") -> dict[str, Any]:
    """A field of a Django form."""
    return {"field": build_form_field(bound), "style": style}


@register.inclusion_tag(_FIELD)
def text_field(
    name: str, label: str, value: Any = "", *, id: str = "", mark: str = "", help: str = "", error: str = "",
    button: str = "", rows: int = 0, style: str = "", **attrs: Any,
) -> dict[str, Any]:  # fmt: skip
    """A field for a text, of several lines with `rows`; what else is given are attributes of its control."""
    widget = forms.Textarea({"rows": rows, **attrs}) if rows else forms.TextInput({"autocomplete": "off", **attrs})
    made = build_widget_field(name, label, widget, value, id_=id, mark=mark, help=help, error=error, button=button)
    return {"field": made, "style": style}


@register.inclusion_tag(_FIELD)
def json_field(name: str, label: str, value: Any = "", *, rows: int = 4, **more: Any) -> dict[str, Any]:
    """A text field for JSON."""
    return text_field(name, label, value, rows=rows, spellcheck="false", **{"class": "mono", **more})


@register.inclusion_tag(_FIELD)
def choice_field(
    name: str, label: str, choices: Iterable[tuple[str, str]], *, id: str = "", **attrs: Any
) -> dict[str, Any]:
    """A field that chooses one of these values, given with their labels."""
    return {"field": build_widget_field(name, label, forms.Select(attrs, choices), id_=id)}


@register.inclusion_tag(_FIELD)
def check_field(name: str, label: str, value: bool) -> dict[str, Any]:
    """A box to tick."""
    return {"field": build_widget_field(name, label, forms.CheckboxInput(), value)}


@register.inclusion_tag(_FIELD)
def file_field(name: str, label: str, **attrs: Any) -> dict[str, Any]:
    """A field for a file."""
    return {"field": build_widget_field(name, label, forms.FileInput(attrs))}

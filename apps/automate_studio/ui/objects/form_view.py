"""Django forms for the studio's templates: sections of fields, and fields that depend on choices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.forms.boundfield import BoundField
from django.utils.safestring import SafeString, mark_safe

#: By field, what has to be chosen elsewhere for it to be there: (other field, values) pairs, all of which hold.
type Conditions = Mapping[str, tuple[tuple[str, tuple[str, ...]], ...]]


@dataclass(frozen=True, kw_only=True)
class Control:
    """A control of a field, and its frame's style."""

    html: SafeString
    style: str = ""


@dataclass(frozen=True, kw_only=True)
class FieldView:
    """A field for the template. `kind` is check, text, hidden or fact; `condition` is its condition for the script."""

    name: str
    label: str
    kind: str = "text"
    id: str = ""
    controls: list[Control] = field(default_factory=list)
    help: str = ""
    errors: list[str] = field(default_factory=list)
    required: bool = False
    fact: Any = ""
    condition: str = ""
    absent: bool = False


@dataclass(frozen=True, kw_only=True)
class Section:
    """Fields under a heading, or without one. A `folded` section opens when it has an error."""

    title: str
    fields: list[FieldView]
    folded: bool = False

    @property
    def is_open(self) -> bool:
        """Whether it is shown open."""
        return not self.folded or any(each.errors for each in self.fields)


def build_field_view(bound: BoundField, conditions: Conditions | None = None) -> FieldView:
    """A bound field for the template."""
    terms = (conditions or {}).get(bound.name, ())
    return FieldView(
        name=bound.name,
        label=str(bound.label),
        kind=_control_kind(bound),
        id=bound.id_for_label or bound.auto_id,
        controls=_field_controls(bound),
        help=str(bound.help_text or ""),
        errors=[str(error) for error in bound.errors],
        required=getattr(bound.field, "needed", bound.field.required),
        condition=" ".join(f"{bound.form.add_prefix(name)}={'|'.join(values)}" for name, values in terms),
        absent=any(str(bound.form[name].value() or "") not in values for name, values in terms),
    )


def build_sections(
    form: forms.BaseForm,
    groups: Iterable[tuple[str, Iterable[str]]],
    *,
    conditions: Conditions | None = None,
    facts: Mapping[str, tuple[str, Any]] | None = None,
    folded: Iterable[str] = (),
    editable: bool = True,
) -> list[Section]:
    """Sections of a form; a name without a field is a fact: (label, text), as are all read-only ones."""
    found = []
    for title, names in groups:
        fields = [
            build_field_view(form[name], conditions)
            if editable and name in form.fields
            else _fact_view(name, facts or {})
            for name in names
        ]
        found.append(Section(title=title, fields=fields, folded=title in folded))
    return found


def _fact_view(name: str, facts: Mapping[str, tuple[str, Any]]) -> FieldView:
    label, text = facts.get(name, (name, ""))
    return FieldView(name=name, label=label, kind="fact", fact=text)


def _control_kind(bound: BoundField) -> str:
    if bound.is_hidden:
        return "hidden"
    return "check" if isinstance(bound.field.widget, forms.CheckboxInput) else "text"


def _field_controls(bound: BoundField) -> list[Control]:
    widget = bound.field.widget
    if not isinstance(widget, forms.MultiWidget):
        return [Control(html=mark_safe(str(bound)), style=_control_style(widget))]  # noqa: S308 - Django's own widgets
    value = bound.value()
    parts: list[Any] = value if isinstance(value, list) else widget.decompress(value) or []
    names: list[str] = widget.widgets_names  # type: ignore[attr-defined] # the stubs lack it
    return [
        Control(
            html=mark_safe(part.render(f"{bound.html_name}{name}", text, {"id": f"{bound.auto_id}{name}"})),  # noqa: S308
            style=_control_style(part),
        )
        for name, part, text in zip(names, widget.widgets, parts, strict=False)
    ]


def _control_style(widget: forms.Widget) -> str:
    return "tall" if isinstance(widget, forms.Textarea) else ""

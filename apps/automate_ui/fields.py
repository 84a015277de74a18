"""Fields for ui/field.html: of Django forms, and of a widget alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from django import forms
from django.forms.boundfield import BoundField
from django.forms.utils import flatatt
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from automate_connectors.number_fields import NumberInput
from automate_governance.numbers import decimal_sign, typed_number
from automate_plugins.typed_values import number_readings, plain_number

_LONGEST_NUMBER = 60
_CONTROLS = "automate_studio/ui/controls/{}.html"


@dataclass(frozen=True)
class Proposal:
    """A value to take with a click in place of the one in a control, and the label of its button."""

    label: str
    value: str


class ProposedError(ValueError):
    """A value that is no value of its field, with what it may mean instead."""

    def __init__(self, reason: str, proposals: tuple[Proposal, ...]) -> None:
        super().__init__(reason)
        self.proposals = proposals


class FieldRefusal(str):
    """Why a field was not stored, with what may be meant instead."""

    __slots__ = ("proposals",)
    proposals: tuple[Proposal, ...]


@dataclass(frozen=True)
class FieldMessage:
    """An error or a warning at a field. A `missing` value is requested before it is an error."""

    text: str
    level: Literal["error", "warning"] = "error"
    missing: bool = False
    proposals: tuple[Proposal, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CellMessage:
    """A message at one cell of a list of records: `row` counts the stored ones from 0, `column` is the cell's name."""

    row: int
    column: str
    message: FieldMessage


@dataclass(frozen=True, kw_only=True)
class Control:
    """A control of a field, and its frame's style. `condition` is what it depends on; an `absent` one is hidden."""

    html: SafeString
    style: str = ""
    condition: str = ""
    absent: bool = False

    @property
    def attributes(self) -> SafeString:
        """Attributes of its frame."""
        return shown_attributes(self.condition, self.absent)


@dataclass(frozen=True, kw_only=True)
class FormFieldView:
    """A field of a Django form. `kind` is check, text, file, hidden or fact; `mark` stands behind the label.

    `condition` is what it depends on, for the script; an `absent` one is hidden.
    """

    name: str
    label: str
    kind: str = "text"
    id: str = ""
    controls: list[Control] = field(default_factory=list)
    help: str = ""
    message: FieldMessage | None = None
    mark: str = ""
    fact: Any = ""
    button: str = ""
    condition: str = ""
    absent: bool = False
    proposals: tuple[str, ...] = ()  #: numbers to take instead of a text that is none, as they are typed

    @property
    def template(self) -> str:
        """Template of its control."""
        return _CONTROLS.format("fact" if self.kind == "fact" else "bare" if self.is_bare else "framed")

    @property
    def is_bare(self) -> bool:
        return self.kind in {"check", "file", "hidden"}

    @property
    def label_for(self) -> str:
        """Id of the control that the label names; empty for none, or several."""
        return self.id if len(self.controls) == 1 else ""

    @property
    def complaint(self) -> str:
        """Its message as it follows the label in a list of errors: the label is said once."""
        return after_label(self.label, self.message.text) if self.message else ""

    @property
    def attributes(self) -> SafeString:
        """Attributes of the element around it."""
        return shown_attributes(self.condition, self.absent)


def shown_attributes(condition: str, absent: bool) -> SafeString:
    """Attributes of an element that is there while a condition holds."""
    return flatatt({"data-when": condition or None, "hidden": absent})


def after_label(label: str, text: str) -> str:
    """A message as it follows the label: `Name`, ` is required.`, or `: Enter a number.`"""
    begins = text.startswith(label) and not text[len(label) : len(label) + 1].isalnum()
    return text[len(label) :] if begins else f": {text}"


def build_form_field(bound: BoundField, **more: Any) -> FormFieldView:
    """A bound field; `more` is what its form does not know."""
    id_ = bound.id_for_label or bound.auto_id
    message = _error_message(" ".join(str(error) for error in bound.errors))
    help_text = str(bound.help_text or "")
    attrs = _described(id_, help_text, message)
    return FormFieldView(
        name=bound.name,
        label=str(bound.label),
        kind=_kind(bound.field.widget),
        id=id_,
        controls=_bound_controls(bound, attrs),
        help=help_text,
        message=message,
        proposals=number_proposals(bound.field.widget, bound.value()) if message else (),
        **{"mark": required_mark(bound.field.widget, getattr(bound.field, "needed", bound.field.required)), **more},
    )


def required_mark(widget: forms.Widget, is_required: bool) -> str:
    """Mark behind the label of a field that must be filled in; the others have none.

    Boxes, and choices without an empty one, cannot be left empty and need no mark.
    """
    can_be_empty = not isinstance(widget, forms.CheckboxInput) and widget.use_required_attribute(None)
    return _("required") if is_required and can_be_empty else ""


def build_widget_field(
    name: str, label: str, widget: forms.Widget, value: Any = "", *, id_: str = "", error: str = "", **more: Any
) -> FormFieldView:
    """A field of a widget that belongs to no form. It is marked as required if the widget is."""
    id_, message = id_ or name, _error_message(error)
    more["mark"] = more.get("mark") or required_mark(widget, bool(widget.attrs.get("required")))
    attrs = {"id": id_, **_described(id_, more.get("help", ""), message)}
    control = Control(html=widget.render(name, value, attrs), style=_style(widget))
    return FormFieldView(
        name=name,
        label=label,
        kind=_kind(widget),
        id=id_,
        controls=[control],
        message=message,
        proposals=number_proposals(widget, value) if message else (),
        **more,
    )


def number_proposals(widget: forms.Widget, value: Any) -> tuple[str, ...]:
    """Return the numbers that a text in a number field may mean, as they are typed; none for a number."""
    if not isinstance(widget, NumberInput) or not isinstance(value, str) or plain_number(value, decimal_sign()):
        return ()
    return tuple(map(typed_number, number_readings(value[:_LONGEST_NUMBER], decimal_sign())))


def _error_message(text: str) -> FieldMessage | None:
    return FieldMessage(text) if text else None


def _described(id_: str, help_text: str, message: FieldMessage | None) -> dict[str, str | bool]:
    """Attributes that lead from a control to what is said below it."""
    described: dict[str, str | bool] = {"aria-describedby": f"{id_}-why"} if help_text or message else {}
    return described | ({"aria-invalid": "true"} if message else {})


def _kind(widget: forms.Widget) -> str:
    if widget.is_hidden:
        return "hidden"
    if isinstance(widget, forms.FileInput):
        return "file"
    return "check" if isinstance(widget, forms.CheckboxInput) else "text"


def _bound_controls(bound: BoundField, attrs: dict[str, str | bool]) -> list[Control]:
    widget = bound.field.widget
    if not isinstance(widget, forms.MultiWidget):
        return [Control(html=mark_safe(bound.as_widget(attrs=attrs)), style=_style(widget))]  # noqa: S308 - Django's own
    value = bound.value()
    texts: list[Any] = value if isinstance(value, list) else widget.decompress(value) or []
    names: list[str] = widget.widgets_names  # type: ignore[attr-defined] # the stubs lack it
    choice, shown_for = f"{bound.html_name}{names[0]}", getattr(widget, "shown_for", {})
    return [
        Control(
            html=part.render(f"{bound.html_name}{name}", text, {**attrs, "id": f"{bound.auto_id}{name}"}),
            style=_style(part),
            condition=f"{choice}={shown_for[name]}" if name in shown_for else "",
            absent=name in shown_for and texts[0] != shown_for[name],
        )
        for name, part, text in zip(names, widget.widgets, texts, strict=False)
    ]


def _style(widget: forms.Widget) -> str:
    return "tall" if isinstance(widget, forms.Textarea) else ""

"""Form fields made from FieldSpecs; `Widgets` names the widgets that they use."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from automate_connectors.number_fields import FloatField, IntegerField, NumberInput
from automate_governance.models import StoredSecret
from automate_governance.permissions import Person, permitted
from automate_governance.secrets.resolver import backends, is_mistyped, is_reference
from automate_governance.texts import translated
from automate_plugins.fields import FieldKind, FieldSpec

MOST_SECRETS = 500

type MakeWidget = Callable[..., forms.Widget]


@dataclass(frozen=True, kw_only=True)
class Widgets:
    """The widget classes of a form, each called with `attrs`; `PLAIN` are Django's own."""

    line: MakeWidget
    area: MakeWidget
    number: MakeWidget
    select: MakeWidget
    check: MakeWidget
    password: MakeWidget


PLAIN = Widgets(
    line=forms.TextInput,
    area=forms.Textarea,
    number=NumberInput,
    select=forms.Select,
    check=forms.CheckboxInput,
    password=forms.PasswordInput,
)


class ReferenceInput(forms.TextInput):
    """Renders references only, also with a mistyped backend: any other text may be a secret."""

    def format_value(self, value: Any) -> str | None:
        return value if isinstance(value, str) and (is_reference(value) or is_mistyped(value)) else ""


#: The choices of a secret that are no stored one.
NONE, NEW, OTHER = "none:", "new:", "other:"


class SecretSelect(forms.Select):
    """How a secret is given. `none_when` is the field and the choices of it for which `NONE` is offered."""

    none_when: tuple[str, tuple[str, ...]] | None = None
    chosen = ""  #: what that field has now

    def create_option(self, name: str, value: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return an option; `NONE` depends on another choice, and gives way to a new value."""
        option = super().create_option(name, value, *args, **kwargs)
        if value != NONE or not self.none_when:
            return option
        field, offering = self.none_when
        option["attrs"]["data-when"] = f"{field}={'|'.join(offering)}"
        if self.chosen and self.chosen not in offering and not option["selected"]:
            option["attrs"] |= {"hidden": True, "disabled": True, "data-gave-way-to": NEW}
        return option


class SecretWidget(forms.MultiWidget):
    """A choice of how a secret is given; then a write-only new value, or a reference to another backend."""

    widgets_names: list[str]
    start = NEW  #: what is chosen where there is no secret yet
    shown_for = {"_value": NEW, "_other": OTHER}  #: the choice for which a part is shown

    def __init__(self, widgets: Widgets) -> None:
        new = widgets.password(attrs={"autocomplete": "new-password"})
        other = ReferenceInput(attrs={"placeholder": "env:NAME"})
        super().__init__({"choice": SecretSelect(), "value": new, "other": other})

    def decompress(self, value: Any) -> list[Any]:
        """Return the stored reference; never a value."""
        return [value if isinstance(value, str) and value else self.start, "", ""]


class SecretField(forms.MultiValueField):
    """A secret that is chosen or entered. Its value is (reference, ""), or ("", new value)."""

    widget: SecretWidget

    def __init__(self, widgets: Widgets, **options: Any) -> None:
        fields = (
            forms.ChoiceField(
                required=False, error_messages={"invalid_choice": _("Select a secret that you are allowed to use.")}
            ),
            forms.CharField(required=False, max_length=20_000),
            forms.CharField(required=False, max_length=200, validators=[_is_reference]),
        )
        super().__init__(
            fields=fields, widget=SecretWidget(widgets), require_all_fields=False, required=False, **options
        )

    def offer(self, person: Person, current: str, label: str, *, generates: str = "") -> None:
        """Set the choices: secrets `person` may use, and the current one. `label` is read out with each part.

        `generates` is how no secret is called where it means that one is generated, which is then the first choice.
        """
        usable = permitted(person, "use", StoredSecret.objects.all()).order_by("name")
        names = [f"database:{name}" for name in usable.values_list("name", flat=True)[:MOST_SECRETS]]
        if current and current not in names:
            names.insert(0, current)
        may_refer = person.has_perm("automate_governance.use_any_storedsecret")
        ways = [(NONE, generates or gettext("No secret")), (NEW, gettext("Paste a secret"))]
        ways += [(OTHER, gettext("Refer to a secret elsewhere"))] if may_refer else []
        stored = [(name, name.removeprefix("database:")) for name in names]
        choices = [*ways, *([(gettext("Stored secrets"), stored)] if stored else [])]
        self.widget.start = NONE if generates else NEW
        self.fields[0].choices = choices  # type: ignore[attr-defined]
        self.widget.widgets[0].choices = choices  # type: ignore[attr-defined]
        parts = (
            gettext("%(label)s: how it is given"),
            gettext("%(label)s: new value"),
            gettext("%(label)s: reference"),
        )
        for part, name in zip(self.widget.widgets, parts, strict=True):
            part.attrs["aria-label"] = name % {"label": translated(label)}
        if not may_refer:
            self.fields = self.fields[:2]
            self.widget.widgets, self.widget.widgets_names = self.widget.widgets[:2], self.widget.widgets_names[:2]

    def compress(self, data_list: Any) -> tuple[str, str]:
        """Return (reference, new value)."""
        choice, value, other = (*(data_list or ()), "", "", "")[:3]
        if choice in (NONE, NEW, OTHER):  # a text that is hidden now does not count
            return {NONE: ("", ""), NEW: ("", value), OTHER: (other, "")}[choice]
        return ("", value) if value else (other or choice or "", "")


class _Decoder(json.JSONDecoder):
    """Rejects deeply nested text as it rejects invalid JSON."""

    def decode(self, s: str, *args: Any) -> Any:
        try:
            return super().decode(s, *args)
        except RecursionError as error:
            raise json.JSONDecodeError("nested too deeply", "", 0) from error


class JsonField(forms.JSONField):
    """A JSON value of one kind; invalid text is an error with a reason."""

    def __init__(self, kind: FieldKind, **options: Any) -> None:
        super().__init__(decoder=_Decoder, **options)
        self.kind = kind

    def prepare_value(self, value: Any) -> Any:
        """Return indented JSON; empty for null."""
        return "" if value is None else value if isinstance(value, str) else json.dumps(value, indent=2)


class LinesField(forms.CharField):
    """A list of texts, one a line."""

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(map(str, value)) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        """Return the lines that are not empty."""
        return [line.strip() for line in str(value or "").replace(",", "\n").splitlines() if line.strip()]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.to_python(self.prepare_value(initial)) != self.to_python(data))


def build_form_field(spec: FieldSpec, widgets: Widgets) -> forms.Field:
    """Return the form field of a FieldSpec; `FieldSpec.problem` validates its value.

    Its attribute `needed` says whether a value is required.
    """
    field = _build_form_field(spec, widgets)
    field.needed = spec.required and spec.default is None  # type: ignore[attr-defined]
    return field


def _build_form_field(spec: FieldSpec, widgets: Widgets) -> forms.Field:
    common: dict[str, Any] = {
        "label": translated(spec.label) or spec.name.replace("_", " ").capitalize(),
        "help_text": translated(spec.help),
        "required": False,
        "initial": spec.default,
    }
    match spec.kind:
        case FieldKind.SECRET:
            common.pop("required")
            return SecretField(widgets, **common)
        case FieldKind.BOOLEAN:
            return forms.BooleanField(widget=widgets.check(), **common)
        case FieldKind.NUMBER:
            return FloatField(widget=widgets.number(), **common)
        case FieldKind.INTEGER:
            return IntegerField(widget=widgets.number(), **common)
        case FieldKind.CHOICE:
            choices = [(value, translated(label)) for value, label in spec.choices]
            blank = [] if spec.default is not None else [("", gettext("Select"))]
            return forms.ChoiceField(choices=[*blank, *choices], widget=widgets.select(), **common)
        case FieldKind.LIST | FieldKind.MAPPING | FieldKind.JSON:
            common["help_text"] = _with_example(common["help_text"], spec.kind)
            return JsonField(spec.kind, widget=widgets.area(attrs={"rows": 3}), **common)
        case FieldKind.LONG_TEXT:
            return forms.CharField(widget=widgets.area(attrs={"rows": 4}), **common)
        case FieldKind.URL:
            return forms.CharField(widget=widgets.line(attrs={"inputmode": "url"}), **common)
    return forms.CharField(widget=widgets.line(), **common)


_EXAMPLES = {FieldKind.LIST: '["a", "b"]', FieldKind.MAPPING: '{"name": "value"}'}


def _with_example(help_text: str, kind: FieldKind) -> str:
    """Return the help of a JSON field with the form that its value has."""
    form = gettext("JSON, any value.")
    if kind in _EXAMPLES:
        form = gettext("JSON, for example %(example)s.") % {"example": _EXAMPLES[kind]}
    return f"{help_text.rstrip('.')}. {form}" if help_text else form


def _is_reference(text: str) -> None:
    if is_mistyped(text):
        names = ", ".join(sorted(backends.names()))
        raise ValidationError(
            _("There is no secrets backend %(name)s. Available: %(names)s."),
            params={"name": text.partition(":")[0], "names": names},
        )
    if not is_reference(text):
        raise ValidationError(_("Enter a reference such as env:NAME. Enter a new value in the field above."))

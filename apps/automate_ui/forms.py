"""Forms defined by workflows: of approvals and of manual starts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext as _

from automate_connectors.number_fields import NumberInput
from automate_core.definition import form_validation
from automate_core.runs.waits.approvals import REMARK
from automate_governance.texts import translated
from automate_plugins.texts import relabelled
from automate_ui.fields import FormFieldView, build_widget_field
from automate_ui.formatting import as_sentence

type Documents = Iterable[Mapping[str, Any]]


def posted_answers(post: Mapping[str, Any], form: Documents) -> dict[str, Any]:
    """Posted answers to a form."""
    return {field["name"]: value for field in form if (value := post.get(f"form-{field['name']}")) is not None}


def form_fields(form: Documents, values: Mapping[str, Any], errors: Mapping[str, str]) -> list[FormFieldView]:
    """Fields of a form with entered values and errors, both by name."""
    return [_form_field(document, values, errors) for document in form]


def starting_value(document: Mapping[str, Any]) -> Any:
    """What a field of a form begins with; empty when it has no default."""
    value = form_validation.default_value(document, document.get("default"))
    return "" if value is None else value


def posted_remark(post: Mapping[str, Any]) -> str:
    """The remark on a decision, as the database accepts it."""
    return str(post.get("remark") or "").replace("\0", "")


def remark_error(errors: Mapping[str, str]) -> str:
    """What is wrong with the remark on a decision; empty when nothing is."""
    return translated(relabelled(errors[REMARK], name=_("Remark"))) if REMARK in errors else ""


def field_label(document: Mapping[str, Any]) -> str:
    """Label of a field, made of its name where it has none."""
    return document.get("label") or as_sentence(document["name"].replace("_", " "), stop="")


def answer_widget(kind: str, choices: Iterable[tuple[str, str]], attrs: Mapping[str, Any]) -> forms.Widget:
    """The widget of a field of this kind."""
    match kind:
        case "boolean" | "consent":
            return forms.CheckboxInput({**attrs})
        case "choice":
            return forms.Select({**attrs}, choices)
        case "long_text":
            return forms.Textarea({"rows": 4, **attrs})
        case "number":
            return NumberInput({**attrs})
        case "date":
            return forms.TextInput({"type": "date", **attrs})
        case "email":
            return forms.EmailInput({"autocomplete": "off", **attrs})
    return forms.TextInput({**attrs})


def _form_field(document: Mapping[str, Any], values: Mapping[str, Any], errors: Mapping[str, str]) -> FormFieldView:
    name, label, kind = document["name"], field_label(document), document.get("kind", "text")
    required = document.get("required", False)
    choices = [("", _("Choose")), *((each, each) for each in document.get("choices", []))]
    return build_widget_field(
        f"form-{name}",
        label,
        answer_widget(kind, choices, {"required": required}),
        values.get(name, "" if values else starting_value(document)),
        help=document.get("help", ""),
        error=translated(relabelled(errors[name], name=label)) if name in errors else "",
    )

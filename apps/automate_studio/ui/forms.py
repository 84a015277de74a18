"""Forms defined by workflows: of approvals and of manual starts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from automate_studio.ui.formatting import as_sentence

type Documents = Iterable[Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class FormFieldView:
    """A field with its entered value and error."""

    id: str
    label: str
    kind: str
    choices: list[str]
    required: bool
    help: str
    value: Any
    error: str


def posted_answers(post: Mapping[str, Any], form: Documents) -> dict[str, Any]:
    """Posted answers to a form."""
    return {field["name"]: value for field in form if (value := post.get(f"form-{field['name']}")) is not None}


def form_fields(form: Documents, values: Mapping[str, Any], errors: Mapping[str, str]) -> list[FormFieldView]:
    """Fields of a form for the template."""
    return [_form_field(document, values, errors) for document in form]


def _form_field(document: Mapping[str, Any], values: Mapping[str, Any], errors: Mapping[str, str]) -> FormFieldView:
    name = document["name"]
    label = document.get("label") or as_sentence(name.replace("_", " "), stop="")
    return FormFieldView(
        id=f"form-{name}",
        label=label,
        kind=document.get("kind", "text"),
        choices=document.get("choices", []),
        required=document.get("required", False),
        help=document.get("help", ""),
        value=values.get(name, ""),
        error=f"{label} {errors[name]}." if name in errors else "",
    )

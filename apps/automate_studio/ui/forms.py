"""Forms that workflows define: those of approvals, and of starts by hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from automate_studio.ui import formatting

type Documents = Iterable[Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field, with what was filled in and what is wrong with it."""

    id: str
    label: str
    kind: str
    choices: list[str]
    required: bool
    help: str
    value: Any
    error: str


def given(post: Mapping[str, Any], form: Documents) -> dict[str, Any]:
    """What a request fills in of a form."""
    return {field["name"]: value for field in form if (value := post.get(f"form-{field['name']}")) is not None}


def fields(form: Documents, values: Mapping[str, Any], errors: Mapping[str, str]) -> list[Field]:
    """The fields of a form as the screens draw them."""
    return [_field(document, values, errors) for document in form]


def _field(document: Mapping[str, Any], values: Mapping[str, Any], errors: Mapping[str, str]) -> Field:
    name = document["name"]
    label = document.get("label") or formatting.sentence(name.replace("_", " "), stop="")
    return Field(
        id=f"form-{name}",
        label=label,
        kind=document.get("kind", "text"),
        choices=document.get("choices", []),
        required=document.get("required", False),
        help=document.get("help", ""),
        value=values.get(name, ""),
        error=f"{label} {errors[name]}." if name in errors else "",
    )

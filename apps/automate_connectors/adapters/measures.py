"""Measures of groups: `sum total`, as the field of the actions that aggregate."""

from __future__ import annotations

from collections.abc import Collection

from automate_plugins import text
from automate_plugins.fields import FieldKind, FieldSpec

_WORDS = {
    "count": text("Count"),
    "sum": text("Sum"),
    "average": text("Average"),
    "min": text("Minimum"),
    "max": text("Maximum"),
    "first": text("First"),
    "last": text("Last"),
    "list": text("List of values"),
}


def measures_field(functions: Collection[str], options: str = "") -> FieldSpec:
    """Return the field, edited as rows; `options` names the connector's options for the field of a measure."""
    return FieldSpec(
        name="measures",
        label=text("Measures"),
        kind=FieldKind.MAPPING,
        required=True,
        missing=text("Add a measure: what to compute for each group, for example the sum of a field."),
        help=text("A name for each result. Count needs no field."),
        columns=(
            FieldSpec(
                name="function",
                label=text("Function"),
                kind=FieldKind.CHOICE,
                choices=tuple((name, _WORDS[name]) for name in functions),
            ),
            FieldSpec(name="field", label=text("Field"), options=options),
            FieldSpec(name="name", label=text("Name")),
        ),
    )

"""Values of changed fields in words, as the builder's forms show them."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from automate_authoring.field_labels import field_label
from automate_authoring.publishing.differences import FieldChange, part_name
from automate_authoring.publishing.starters import STARTER
from automate_governance.numbers import typed_number
from automate_governance.texts import escape_invisible, translated
from automate_plugins.fields import FieldSpec
from automate_studio.builder.panel.fields import HOSTED_FORM_COLUMNS, POLICY_FIELDS, SETTINGS_FIELDS, STEP_FIELDS
from automate_studio.builder.panel.forms import FieldGroup
from automate_ui.describe import describe_condition, describe_schedule


def value_text(field: FieldChange, text: str | None, value: Any) -> str | None:
    """A value for people, the default where none was given; None where that is none either."""
    if text is None:
        value = field.spec.default if field.spec else None
        return None if value is None else _in_words(value, dict(field.spec.choices) if field.spec else {})
    if field.is_condition:
        return escape_invisible(describe_condition(json.loads(text) if text[:1] in "{[" else text))
    if field.name == field_label("cron") and isinstance(value, str):
        return describe_schedule(value, None) if value else ""
    if field.name == field_label("every") and value:
        return describe_schedule("", value)
    labels = dict(field.spec.choices) if field.spec else _labels_of_steps().get(field.name, {})
    return escape_invisible(_in_words(value, labels, field.spec))


def _in_words(value: Any, labels: Mapping[str, str], spec: FieldSpec | None = None) -> str:
    """A value, a list of plain ones by commas, rows by semicolons; whatever is nested deeper is JSON."""
    match value:
        case bool():
            return _("Yes") if value else _("No")
        case int() | float():
            return typed_number(value)
        case str():
            if value == STARTER:
                return _("the person who starts a run")
            return translated(labels[value]) if value in labels else value
        case list() if value and all(isinstance(each, str | int | float) for each in value):
            return ", ".join(_in_words(each, labels) for each in value)
        case list() if value and spec is not None and spec.columns and all(isinstance(each, dict) for each in value):
            return "; ".join(_row_in_words(each, spec.columns) for each in value)
        case dict() if "name" in value and value.keys() <= _FORM_FIELDS.keys():  # a field of a form
            return _field_in_words(value)
        case dict() if value and all(isinstance(each, str | int | float) for each in value.values()):
            return ", ".join(f"{name}: {_in_words(each, labels)}" for name, each in value.items())
    return json.dumps(value, ensure_ascii=False)


def _row_in_words(row: Mapping[str, Any], columns: tuple[FieldSpec, ...]) -> str:
    """The cells of a row in the order of its columns: `Betrag is more than 1000`."""
    cells = ((column, row[column.name]) for column in columns if column.name in row)
    return " ".join(_in_words(value, dict(column.choices)) for column, value in cells)


_FORM_FIELDS = {column.name: column for column in HOSTED_FORM_COLUMNS}


def _field_in_words(given: Mapping[str, Any]) -> str:
    """A field of a form: `Label: Supplier, Required: Yes`."""
    cells = ((_FORM_FIELDS[name], value) for name, value in given.items() if name != "name" or "label" not in given)
    return ", ".join(
        f"{translated(column.label or column.name)}: {_in_words(value, dict(column.choices))}"
        for column, value in cells
    )


@functools.cache
def _labels_of_steps() -> dict[str, dict[str, str]]:
    """Labels of the choices of steps and workflows, by the label that a difference gives their field."""
    found: dict[str, dict[str, str]] = {}
    for spec in (*SETTINGS_FIELDS, *POLICY_FIELDS, *(each for fields in STEP_FIELDS.values() for each in fields)):
        if isinstance(spec, FieldGroup):
            parts = {part_name(spec.name, part.name): part for part in spec.parts}
        else:
            parts = {field_label(spec.name): spec}
        for name, part in parts.items():
            found.setdefault(name, {}).update(part.choices)
    return found

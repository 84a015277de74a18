"""Look-ups from a fixed table, and JSON values converted to a field's type and back."""

from __future__ import annotations

import datetime as dt
import decimal
from collections.abc import Iterable
from typing import Any

import msgspec
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils import timezone

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.conditions import Condition
from automate_connectors.model_allowlist import Field
from automate_plugins import text

_LOOKUPS = {
    "==": "exact",
    "!=": "exact",
    "<": "lt",
    "<=": "lte",
    ">": "gt",
    ">=": "gte",
    "in": "in",
    "not_in": "in",
    "contains": "contains",
    "starts_with": "startswith",
    "ends_with": "endswith",
}
_NEGATED = {"!=", "not_in"}
_LISTED = {"in", "not_in"}
_TEXTS = (models.CharField, models.TextField)
_ORDERED = (
    models.IntegerField,
    models.FloatField,
    models.DecimalField,
    models.DateField,
    models.TimeField,
    models.DurationField,
    *_TEXTS,
)
_STRUCTURED = {"ArrayField", "BinaryField", "HStoreField", "JSONField"}


def is_text(field: Field) -> bool:
    """Return whether a field holds text."""
    return isinstance(field, _TEXTS)


def is_ordered(field: Field) -> bool:
    """Return whether values of a field can be smaller or larger than others."""
    return isinstance(field, _ORDERED) and not _is_structured(field)


def contains_word(field: Field, word: str) -> Q:
    """Return the filter for a text that contains the word in whatever case. Raises ConnectorError."""
    if "\0" in word:
        raise ConnectorError(text("Text cannot contain the NUL character."), code="invalid_input")
    return Q((f"{field.attname}__icontains", word))


def _is_structured(field: Field) -> bool:
    return field.get_internal_type() in _STRUCTURED or field.__class__.__name__ in _STRUCTURED


def _operators_for(field: Field) -> tuple[str, ...]:
    """Return the operators that a field of this kind supports."""
    if _is_structured(field):
        return ("empty",)
    found: tuple[str, ...] = ("==", "!=", "in", "not_in", "empty")
    if isinstance(field, _ORDERED):
        found += ("<", "<=", ">", ">=")
    if isinstance(field, _TEXTS):
        found += ("contains", "starts_with", "ends_with")
    return found


def build_query(field: Field, condition: Condition) -> Q:
    """Return the filter for a condition, by the field's own column and our table of look-ups. Raises ConnectorError."""
    name, op, column = condition.field, condition.op, field.attname
    operators = _operators_for(field)
    if op not in operators:
        raise ConnectorError(
            text(
                "Condition on %(field)s: %(operator)s is not supported. Use one of: %(known)s.",
                field=name,
                operator=op,
                known=", ".join(operators),
            ),
            code="invalid_input",
        )
    if op == "empty":
        nothing = Q((f"{column}__isnull", True))
        if isinstance(field, _TEXTS):
            nothing |= Q((f"{column}__exact", ""))
        return nothing if condition.value else ~nothing
    try:
        value = (
            [to_field_value(field, each) for each in condition.value]
            if op in _LISTED
            else to_field_value(field, condition.value)
        )
    except ValidationError as error:
        message = text("Condition on %(field)s: %(reason)s", field=name, reason=" ".join(error.messages))
        raise ConnectorError(message, code="invalid_input") from error
    if value is None:
        if op in {"==", "!="}:
            return Q((f"{column}__isnull", op == "=="))
        message = text("Condition on %(field)s: %(operator)s needs a value.", field=name, operator=op)
        raise ConnectorError(message, code="invalid_input")
    query = Q((f"{column}__{_LOOKUPS[op]}", value))
    return ~query if op in _NEGATED else query


def to_field_value(field: Field, value: Any) -> Any:
    """Convert a JSON value to the field's type. Raises ValidationError."""
    if isinstance(value, dict | list) and field.__class__.__name__ not in _STRUCTURED:
        raise ValidationError(text("Enter a single value, not a list or mapping."))
    if value == "" and field.null and not isinstance(field, _TEXTS):
        return None
    if isinstance(field, models.BooleanField) and value in {"true", "false"}:
        return value == "true"
    try:
        found = field.to_python(value)
    except (TypeError, ValueError, OverflowError, decimal.DecimalException) as error:
        raise ValidationError(text("%(value)s is not a valid value.", value=repr(str(value)[:100]))) from error
    if isinstance(found, str) and "\0" in found:
        raise ValidationError(text("Text cannot contain the NUL character."))
    if settings.USE_TZ and isinstance(found, dt.datetime) and timezone.is_naive(found):
        found = timezone.make_aware(found)
    return found


def as_json(values: Iterable[Any]) -> list[Any]:
    """Convert values to JSON: decimals as numbers, as in the events of model triggers, times as ISO 8601."""
    plain = [float(value) if isinstance(value, decimal.Decimal) else value for value in values]
    found: list[Any] = msgspec.to_builtins(plain, enc_hook=str)
    return found

"""Rows that values refer to: by their key, or by a lookup such as `{"email": "ada@example.com"}`."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec
from django.core.exceptions import ValidationError
from django.db.models import Q

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.adapters.models.lookups import build_query, to_field_value
from automate_connectors.adapters.models.table import Table
from automate_connectors.conditions import Condition
from automate_connectors.model_allowlist import ForeignKey, split_name
from automate_governance.people.names import sign_in_name
from automate_plugins import text


def gather_lookups(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values with lookups in one mapping: `{"customer__email": x}` as `{"customer": {"email": x}}`.

    Raises ConnectorError for a name that has both a key and lookups.
    """
    found: dict[str, Any] = {}
    for name, value in values.items():
        head, rest = split_name(name)
        given = {rest: value} if rest else value
        if head not in found:
            found[head] = given
        elif isinstance(found[head], dict) and isinstance(given, dict):
            found[head] = {**found[head], **given}
        else:
            message = text("%(field)s is both a key and a lookup.", field=repr(head[:60]))
            raise ConnectorError(message, code="invalid_input")
    return found


@dataclass(frozen=True)
class References:
    """Finds the rows that values refer to, each lookup once in a call."""

    _found: dict[tuple[str, bytes], Any] = field(default_factory=dict)

    def value(self, table: Table, column: ForeignKey, lookup: dict[str, Any]) -> Any:
        """Return the value for a foreign key from a lookup. Raises ValidationError and ConnectorError."""
        other = table.target(column.name, column.related_model, "values")
        return self.find(other, lookup, column.name, column.target_field.attname)

    def find(self, table: Table, lookup: dict[str, Any], place: str, column: str = "pk") -> Any:
        """Return the column of the one row that matches and that the person may view.

        Raises ValidationError and ConnectorError.
        """
        known = (place, msgspec.json.encode(lookup))
        if known not in self._found:
            self._found[known] = _find(table, lookup, place, column)
        return self._found[known]


def _find(table: Table, lookup: dict[str, Any], place: str, column: str) -> Any:
    if not lookup:
        raise ValidationError(text("Enter a value."))
    equalities = [
        table.holds(name, place, partial(_equals, Condition(name, "==", value))) for name, value in lookup.items()
    ]
    found = list(table.permitted("view").filter(*equalities).values_list(column, flat=True)[:2])
    about = {"model": table.entry.label, "user": sign_in_name(table.user)}
    if not found:
        raise ValidationError(text("No %(model)s that %(user)s can view matches.", **about))
    if len(found) > 1:
        raise ValidationError(text("More than one %(model)s matches.", model=table.entry.label))
    return found[0]


def _equals(condition: Condition, table: Table, name: str) -> Q:
    return build_query(table.readable(name, condition.field), condition)


def to_key(table: Table, value: Any) -> Any:
    """Convert a JSON value to the type of the key. Raises ValidationError."""
    key = to_field_value(table.entry.model._meta.pk, value)
    if key is None:
        raise ValidationError(text("Enter a value."))
    return key

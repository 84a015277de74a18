"""Conditions on fields, as steps write them: `[{"field": "status", "op": "==", "value": "paid"}]`; all must hold.

This module parses them for lists in memory and for rows in the database. A mapping is short for equalities.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from automate_connectors.adapters.base import ConnectorError
from automate_plugins import text
from automate_plugins.fields import FieldKind, FieldSpec
from automate_plugins.texts import marked

OPERATORS = ("==", "!=", "<", "<=", ">", ">=", "in", "not_in", "contains", "starts_with", "ends_with", "empty")
MAX_CONDITIONS = 50
MAX_LISTED = 1_000  #: values behind `in` and `not_in`
ITEM_FIELDS = "item_fields"  #: name of the options of a field that is one of the items' in memory


_WORDS = {
    "==": text("is"),
    "!=": text("is not"),
    "<": text("is less than"),
    "<=": text("is at most"),
    ">": text("is more than"),
    ">=": text("is at least"),
    "in": text("is one of"),
    "not_in": text("is none of"),
    "contains": text("contains"),
    "starts_with": text("starts with"),
    "ends_with": text("ends with"),
    "empty": text("is empty"),
}


def condition_columns(options: str = "") -> tuple[FieldSpec, ...]:
    """Return the fields of one condition, edited as a row; `options` names the connector's options for its field."""
    return (
        FieldSpec(name="field", label=text("Field"), options=options),
        FieldSpec(
            name="op", label=text("Operator"), kind=FieldKind.CHOICE, choices=tuple(_WORDS.items()), default="=="
        ),
        FieldSpec(name="value", label=text("Value"), kind=FieldKind.JSON),
    )


def are_on_items(field: FieldSpec) -> bool:
    """Return whether a field holds conditions on items in memory: their values have the type that they are written in.

    A database gives a value the type of its column.
    """
    return bool(field.columns) and field.columns == condition_columns(ITEM_FIELDS)


@dataclass(frozen=True)
class Condition:
    """One condition. `field` is the name as it was written; the caller looks it up among its own fields."""

    field: str
    op: str
    value: Any


def read_conditions(given: Any) -> list[Condition]:
    """Parse the conditions of an input. Raises ConnectorError (`invalid_input`), which numbers the conditions."""
    place = marked(text("Conditions"))
    if given is None:
        return []
    if isinstance(given, dict):
        given = [{"field": name, "value": value} for name, value in given.items()]
    if not isinstance(given, list):
        raise _invalid_condition(
            text("%(name)s must be a list of conditions or a mapping of fields to values.", name=place)
        )
    if len(given) > MAX_CONDITIONS:
        message = text(
            "%(name)s has %(count)s conditions. The maximum is %(maximum)s.",
            name=place,
            count=len(given),
            maximum=MAX_CONDITIONS,
        )
        raise _invalid_condition(message)
    return [_condition(each, text("Condition %(number)s", number=number)) for number, each in enumerate(given, 1)]


def _condition(given: Any, place: str) -> Condition:
    if not isinstance(given, dict) or given.keys() - {"field", "op", "value"}:
        raise _invalid_condition(text("%(name)s must have only field, op and value.", name=place))
    name, op, value = given.get("field", ""), given.get("op", "=="), given.get("value")
    if not isinstance(name, str):
        raise _invalid_condition(text("The field of %(name)s must be text.", name=place))
    if op not in OPERATORS:
        raise _invalid_condition(
            text(
                "%(name)s has the unknown operator %(value)s. Use one of: %(known)s.",
                name=place,
                value=repr(str(op)[:40]),
                known=", ".join(OPERATORS),
            )
        )
    if op in {"in", "not_in"} and not (isinstance(value, list) and len(value) <= MAX_LISTED):
        raise _invalid_condition(
            text(
                '%(name)s needs a list of at most %(maximum)s values for "%(operator)s".',
                name=place,
                maximum=MAX_LISTED,
                operator=marked(_WORDS[op]),
            )
        )
    if op == "empty" and not isinstance(value, bool | None):
        message = text(
            '%(name)s: the operator "%(operator)s" needs the value true or false.',
            name=place,
            operator=marked(_WORDS[op]),
        )
        raise _invalid_condition(message)
    return Condition(name, op, True if op == "empty" and value is None else value)


def _invalid_condition(message: str) -> ConnectorError:
    return ConnectorError(message, code="invalid_input")

"""Conditions on fields, as steps write them: `[{"field": "status", "op": "==", "value": "paid"}]`; all must hold.

This module parses them for lists in memory and for rows in the database. A mapping is short for equalities.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from automate_connectors.adapters.base import ConnectorError
from automate_plugins.fields import FieldKind, FieldSpec

OPERATORS = ("==", "!=", "<", "<=", ">", ">=", "in", "not_in", "contains", "starts_with", "ends_with", "empty")
MAX_CONDITIONS = 50
MAX_LISTED = 1_000  #: values behind `in` and `not_in`


_WORDS = {
    "==": "is",
    "!=": "is not",
    "<": "is less than",
    "<=": "is at most",
    ">": "is more than",
    ">=": "is at least",
    "in": "is one of",
    "not_in": "is none of",
    "contains": "contains",
    "starts_with": "begins with",
    "ends_with": "ends with",
    "empty": "is empty",
}


def condition_columns(options: str = "") -> tuple[FieldSpec, ...]:
    """Return the fields of one condition, edited as a row; `options` names the connector's options for its field."""
    return (
        FieldSpec(name="field", label="Field", options=options),
        FieldSpec(name="op", label="Test", kind=FieldKind.CHOICE, choices=tuple(_WORDS.items()), default="=="),
        FieldSpec(name="value", label="Value", kind=FieldKind.JSON),
    )


@dataclass(frozen=True)
class Condition:
    """One condition. `field` is the name as it was written; the caller looks it up among its own fields."""

    field: str
    op: str
    value: Any


def read_conditions(given: Any, *, place: str = "where") -> list[Condition]:
    """Parse the conditions of an input. Raises ConnectorError (`invalid_input`), which names `place`."""
    if given is None:
        return []
    if isinstance(given, dict):
        given = [{"field": name, "value": value} for name, value in given.items()]
    if not isinstance(given, list):
        raise _invalid_condition(place, "is a list of conditions, or a mapping of fields to values")
    if len(given) > MAX_CONDITIONS:
        raise _invalid_condition(place, f"has at most {MAX_CONDITIONS} conditions, not {len(given):,}")
    return [_condition(each, f"{place}[{index}]") for index, each in enumerate(given)]


def _condition(given: Any, place: str) -> Condition:
    if not isinstance(given, dict) or given.keys() - {"field", "op", "value"}:
        raise _invalid_condition(place, "has a field, an op and a value, and nothing else")
    name, op, value = given.get("field", ""), given.get("op", "=="), given.get("value")
    if not isinstance(name, str):
        raise _invalid_condition(place, "names its field by a text")
    if op not in OPERATORS:
        raise _invalid_condition(place, f"has the op {str(op)[:40]!r}; it is one of {', '.join(OPERATORS)}")
    if op in {"in", "not_in"} and not (isinstance(value, list) and len(value) <= MAX_LISTED):
        raise _invalid_condition(place, f"needs a list of at most {MAX_LISTED:,} values for {op}")
    if op == "empty" and not isinstance(value, bool | None):
        raise _invalid_condition(place, "takes true or false for empty")
    return Condition(name, op, True if op == "empty" and value is None else value)


def _invalid_condition(place: str, reason: str) -> ConnectorError:
    return ConnectorError(f"{place} {reason}", code="invalid_input")

"""Conditions as rows of field, operator and value, in groups of which all or any must be true.

Values in, values out. A rule that does not consist of rows is None here and is edited as JSON. Rows round-trip:
`rows_from_rule(rule_from_rows(group))` is the group.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.utils.translation import gettext as _

from automate_authoring.definitions.compared_values import Refusal, refuse_value
from automate_authoring.drafts.errors import RefusedError
from automate_authoring.lint_rules.number_comparisons import question_comparison
from automate_governance.numbers import decimal_sign
from automate_plugins import text
from automate_plugins.typed_values import is_twofold, json_number, read_number, write_number
from automate_ui.formatting import format_count

MAX_GROUPS_DEEP = 4
MAX_ROWS = 100
MAX_TEXT = 1_000
ALL, ANY = "and", "or"


@dataclass(frozen=True)
class ConditionRow:
    """One comparison. `value` is the text as entered, empty for an operator without a value."""

    field: str
    operator: str
    value: str = ""


@dataclass(frozen=True)
class ConditionGroup:
    """Rows and groups of which all (`and`) or any (`or`) must be true."""

    join: str = ALL
    parts: tuple[ConditionRow | ConditionGroup, ...] = ()


# --- operators --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Operator:
    """An operator of rows. `rule` is its JSON Logic operator; `takes` is empty or the kind of value: see `_READ`."""

    label: str
    rule: str
    takes: str = "value"
    negated: bool = False


OPERATORS: dict[str, Operator] = {
    "is": Operator(text("is"), "=="),
    "is_not": Operator(text("is not"), "!="),
    "contains": Operator(text("contains"), "contains"),
    "contains_not": Operator(text("does not contain"), "contains", negated=True),
    "one_of": Operator(text("is one of"), "in", "list"),
    "none_of": Operator(text("is none of"), "in", "list", negated=True),
    "starts": Operator(text("starts with"), "starts_with"),
    "ends": Operator(text("ends with"), "ends_with"),
    "matches": Operator(text("matches the pattern"), "matches", "text"),
    "less": Operator(text("is less than"), "<", "number"),
    "at_most": Operator(text("is at most"), "<=", "number"),
    "more": Operator(text("is more than"), ">", "number"),
    "at_least": Operator(text("is at least"), ">=", "number"),
    "before": Operator(text("is before"), "before", "time"),
    "after": Operator(text("is after"), "after", "time"),
    "not_before": Operator(text("is at or after"), "not_before", "time"),
    "not_after": Operator(text("is at or before"), "not_after", "time"),
    "same_date": Operator(text("is on the day of"), "same_date", "time"),
    "exists": Operator(text("exists"), "exists", ""),
    "exists_not": Operator(text("does not exist"), "exists", "", negated=True),
    "empty": Operator(text("is empty"), "empty", ""),
    "empty_not": Operator(text("is not empty"), "empty", "", negated=True),
    "true": Operator(text("is true"), "!!", ""),
    "true_not": Operator(text("is not true"), "!", ""),
    "is_exactly": Operator(text("is exactly"), "==="),
    "is_exactly_not": Operator(text("is not exactly"), "!=="),
}
GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        text("Any value"),
        ("is", "is_not", "contains", "contains_not", "one_of", "none_of", "is_exactly", "is_exactly_not"),
    ),
    (text("Text"), ("starts", "ends", "matches")),
    (text("Number"), ("less", "at_most", "more", "at_least")),
    (text("Time"), ("before", "after", "not_before", "not_after", "same_date")),
    (text("Presence"), ("exists", "exists_not", "empty", "empty_not", "true", "true_not")),
)
_BY_RULE = {(operator.rule, operator.negated): name for name, operator in OPERATORS.items()}


# --- from a rule ------------------------------------------------------------------------------------------------------


def rows_from_rule(rule: Any) -> ConditionGroup | None:
    """The rule as a group; empty for no rule, None for a rule that does not consist of rows."""
    if rule is None:
        return ConditionGroup()
    found = _group_from_rule(rule, 1)
    if found is None:
        row = _row_from_rule(rule)
        return ConditionGroup(ALL, (row,)) if row else None
    return found if _count_rows(found) <= MAX_ROWS else None


def _group_from_rule(rule: Any, depth: int) -> ConditionGroup | None:
    operator, arguments = _split_operation(rule)
    if operator not in {ALL, ANY} or not isinstance(arguments, list) or not arguments or depth > MAX_GROUPS_DEEP:
        return None
    parts = [_row_from_rule(argument) or _group_from_rule(argument, depth + 1) for argument in arguments]
    present = tuple(part for part in parts if part is not None)
    return ConditionGroup(operator, present) if len(present) == len(parts) else None


def _row_from_rule(rule: Any) -> ConditionRow | None:
    operator, arguments = _split_operation(rule)
    negated = operator == "!" and _split_operation(_single_argument(arguments))[0] not in {"", "var"}
    if negated:
        operator, arguments = _split_operation(_single_argument(arguments))
    name = _BY_RULE.get((operator, negated))
    if name is None:
        return None
    takes = OPERATORS[name].takes
    listed = arguments if isinstance(arguments, list) else [arguments]
    field = _field_name(listed[0]) if len(listed) == (2 if takes else 1) else None
    if field is None:
        return None
    text = _WRITE[takes](listed[1]) if takes else ""
    return ConditionRow(field, name, text) if text is not None and max(len(field), len(text)) <= MAX_TEXT else None


def _split_operation(rule: Any) -> tuple[str, Any]:
    """(operator, arguments); ("", None) for anything else."""
    if not isinstance(rule, dict) or len(rule) != 1:
        return "", None
    [(operator, arguments)] = rule.items()
    return str(operator), arguments


def _single_argument(arguments: Any) -> Any:
    return arguments[0] if isinstance(arguments, list) and len(arguments) == 1 else arguments


def _field_name(rule: Any) -> str | None:
    operator, name = _split_operation(rule)
    name = _single_argument(name)
    return name if operator == "var" and isinstance(name, str) and name == name.strip() else None


# --- values as text ---------------------------------------------------------------------------------------------------

_REFERENCE = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
_NOW = re.compile(r"now(?:\s+(-?\S.*))?", re.DOTALL)
_LITERAL = re.compile(r'-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null|".*"', re.DOTALL)


def read_value(text: str) -> Any:
    """Value of a text: a number, true, false, null, a quoted text, `{{ another.field }}`; else the text itself.

    `1.250` stays text: it has two readings.
    """
    text = text.strip()
    reference = _REFERENCE.fullmatch(text)
    return {"var": reference[1]} if reference else _read_scalar(text)


def _read_scalar(text: str) -> Any:
    text = text.strip()
    if _LITERAL.fullmatch(text) and not is_twofold(text):
        try:
            value = json.loads(text)
        except ValueError:
            return text
        return text if isinstance(value, float) and not math.isfinite(value) else value
    return text


def _read_number(text: str) -> Any:
    """As any other value, or a number as the reader's language writes it: `1.234,50`."""
    value = read_value(text)
    number = read_number(text, decimal_sign()).value if value == text.strip() else None
    return value if number is None else number


def _write_number(value: Any) -> str | None:
    if isinstance(value, float) and not value.is_integer():
        typed = write_number(value, decimal_sign())  # 5000,5
        if _read_number(typed) == value:  # not so for one with an exponent
            return typed
    return _write_value(value) if isinstance(value, dict) else _write_scalar(value, _read_number)


def _write_value(value: Any) -> str | None:
    if isinstance(value, dict):
        field = _field_name(value)
        return f"{{{{ {field} }}}}" if field is not None and not set(field) & {"{", "}"} else None
    return _write_scalar(value, read_value)


def _write_scalar(value: Any, read: Callable[[str], Any]) -> str | None:
    """Text that `read` turns into the value; None for anything but a scalar."""
    if isinstance(value, str) and read(value) == value:
        return value
    if isinstance(value, float):
        return json_number(value)
    return json.dumps(value, ensure_ascii=False) if value is None or isinstance(value, str | int) else None


def _read_list(text: str) -> Any:
    """`a, b` or a JSON list."""
    if text.strip().startswith("["):
        try:
            listed = json.loads(text)
        except (ValueError, RecursionError):
            listed = None
        if isinstance(listed, list) and all(item is None or isinstance(item, str | int | float) for item in listed):
            return listed
    reference = read_value(text)
    return reference if isinstance(reference, dict) else [_read_scalar(item) for item in text.split(",")]


def _write_list(value: Any) -> str | None:
    if isinstance(value, dict):
        return _write_value(value)
    if not isinstance(value, list) or not all(item is None or isinstance(item, str | int | float) for item in value):
        return None
    plain = ", ".join(_write_scalar(item, _read_scalar) or "" for item in value)
    return plain if _is_same_value(_read_list(plain), value) else json.dumps(value, ensure_ascii=False)


def _is_same_value(left: Any, right: Any) -> bool:
    return json.dumps(left) == json.dumps(right)


def _read_time(text: str) -> Any:
    """`now`, `now -2h`, or as any other value."""
    now = _NOW.fullmatch(text.strip())
    return read_value(text) if now is None else {"now": now[1].strip()} if now[1] else {"now": []}


def _write_time(value: Any) -> str | None:
    operator, span = _split_operation(value)
    if operator != "now":
        text = _write_value(value)
        return json.dumps(value) if isinstance(value, str) and text and _NOW.fullmatch(text) else text
    span = _single_argument(span)
    if span == []:
        return "now"
    return f"now {span}" if isinstance(span, str) and _read_time(f"now {span}") == {"now": span} else None


def _write_pattern(value: Any) -> str | None:
    return value if isinstance(value, str) and value == value.strip() else None


_READ: dict[str, Callable[[str], Any]] = {
    "value": read_value,
    "number": _read_number,
    "list": _read_list,
    "time": _read_time,
    "text": str.strip,
}
_WRITE: dict[str, Callable[[Any], str | None]] = {
    "value": _write_value,
    "number": _write_number,
    "list": _write_list,
    "time": _write_time,
    "text": _write_pattern,
}


# --- to a rule --------------------------------------------------------------------------------------------------------


def rule_from_rows(group: ConditionGroup) -> Any:
    """Rule of the rows; None when there are none."""
    if not group.parts:
        return None
    if len(group.parts) == 1 and group.join == ALL and isinstance(group.parts[0], ConditionRow):
        return _row_rule(group.parts[0])
    return _group_rule(group)


def _group_rule(group: ConditionGroup) -> dict[str, Any]:
    return {
        group.join: [_row_rule(part) if isinstance(part, ConditionRow) else _group_rule(part) for part in group.parts]
    }


def refuse_row(row: ConditionRow, numbers: Container[str] = ()) -> Refusal | None:
    """Why the row's operator cannot compare its text as it is meant: by order, or with one of the `numbers`."""
    operator = OPERATORS[row.operator]
    if not operator.takes:
        return None
    value = _READ[operator.takes](row.value)
    question = question_comparison(operator.rule, value) if row.field in numbers else None
    return question or refuse_value(operator.rule, value)


def _row_rule(row: ConditionRow) -> dict[str, Any]:
    operator = OPERATORS[row.operator]
    field = {"var": row.field}
    rule = {operator.rule: [field, _READ[operator.takes](row.value)] if operator.takes else field}
    return {"!": rule} if operator.negated else rule


# --- a form of rows ---------------------------------------------------------------------------------------------------


def read_form(post: Mapping[str, str]) -> ConditionGroup:
    """Group of a form: `join`, `0.field`, `0.operator`, `0.value`, `1.join`, `1.0.field`. Raises RefusedError."""
    group = _read_group(post, "", 1)
    if _count_rows(group) > MAX_ROWS:
        raise RefusedError(
            _("A condition can have up to %(count)s rows. Edit longer conditions as JSON.") % {"count": MAX_ROWS}
        )
    return group


def _read_group(post: Mapping[str, str], prefix: str, depth: int) -> ConditionGroup:
    join = post.get(f"{prefix}join", ALL)
    if join not in {ALL, ANY}:
        raise RefusedError(_("Choose whether all or any rows must be true."), f"{prefix}join"[:100])
    if depth > MAX_GROUPS_DEEP:
        raise RefusedError(_("Groups can be nested up to %(count)s levels.") % {"count": MAX_GROUPS_DEEP})
    parts: list[ConditionRow | ConditionGroup] = []
    while len(parts) <= MAX_ROWS:
        here = f"{prefix}{len(parts)}."
        if f"{here}field" in post:
            parts.append(_read_row(post, here))
        elif f"{here}join" in post:
            parts.append(_read_group(post, here, depth + 1))
        else:
            break
    return ConditionGroup(join, tuple(parts))


def _read_row(post: Mapping[str, str], here: str) -> ConditionRow:
    operator = post.get(f"{here}operator", "is")
    if operator not in OPERATORS:
        raise RefusedError(
            _("Unknown operator “%(operator)s”.") % {"operator": operator[:100]}, f"{here}operator"[:100]
        )
    field, value = post[f"{here}field"].strip(), post.get(f"{here}value", "").strip()
    for name, entered in (("field", field), ("value", value)):
        if len(entered) > MAX_TEXT:
            message = _("Enter at most %(count)s characters.") % {"count": format_count(MAX_TEXT)}
            raise RefusedError(message, f"{here}{name}"[:100])
    return ConditionRow(field, operator, value if OPERATORS[operator].takes else "")


_NEW = ConditionRow("", "is")


def apply_action(group: ConditionGroup, act: str) -> ConditionGroup:
    """The group after `add:PLACE` (a row), `group:PLACE` or `remove:PLACE`; a place is such as `1.0`, or empty.

    Raises RefusedError.
    """
    do, _separator, place = act.partition(":")
    if do not in {"add", "group", "remove"} or (do == "remove" and not place):
        raise RefusedError(_("Unknown action “%(action)s”.") % {"action": act[:100]})
    path = [
        int(part) if part.isascii() and part.isdigit() and len(part) < 4 else -1 for part in place.split(".") if part
    ]
    return _change_at(group, do, path)


def _change_at(group: ConditionGroup, do: str, path: list[int]) -> ConditionGroup:
    """The group with the change at the path; a group left empty is removed."""
    if not path:
        more: ConditionRow | ConditionGroup = (
            _NEW if do == "add" else ConditionGroup(ANY if group.join == ALL else ALL, (_NEW,))
        )
        return replace(group, parts=(*group.parts, more))
    at, *inner = path
    if not 0 <= at < len(group.parts):
        raise RefusedError(_("This row was deleted."))
    part = group.parts[at]
    if do == "remove" and not inner:
        kept: tuple[ConditionRow | ConditionGroup, ...] = ()
    elif isinstance(part, ConditionGroup):
        changed = _change_at(part, do, inner)
        kept = (changed,) if changed.parts else ()
    else:
        raise RefusedError(_("A row cannot contain rows."))
    return replace(group, parts=(*group.parts[:at], *kept, *group.parts[at + 1 :]))


def _count_rows(group: ConditionGroup) -> int:
    return sum(_count_rows(part) if isinstance(part, ConditionGroup) else 1 for part in group.parts)

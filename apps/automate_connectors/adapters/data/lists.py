"""Lists: filter, sort, aggregate, merge, remove duplicates."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from automate_connectors import conditions
from automate_connectors.adapters.base import ConnectorError
from automate_connectors.adapters.data.pure_action import (
    field_of,
    invalid_input,
    items_of,
    key_of,
    list_output,
    names_of,
    rows_of,
)
from automate_connectors.adapters.measures import measures_field
from automate_plugins import ntext, text
from automate_plugins.fields import FieldKind, FieldSpec
from automate_plugins.texts import joined
from automate_plugins.typed_values import (
    date_question,
    date_readings,
    is_date,
    number_question,
    number_readings,
    read_number,
)

MAX_MEASURES = 50
MAX_SORTED_BY = 10
MAX_NAMES = 20  #: fields that a caution lists
_ORDERS = frozenset({"<", "<=", ">", ">="})


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


# --- filter -----------------------------------------------------------------------------------------------------------


def _filter(params: dict[str, Any]) -> dict[str, Any]:
    tests = [_test(condition) for condition in conditions.read_conditions(params["where"])]
    return list_output(item for item in items_of(params) if all(test(item) for test in tests))


def _test(condition: conditions.Condition) -> Callable[[Any], bool]:
    """Return a predicate for a condition. Values that cannot be compared do not match.

    It raises ConnectorError for a text that an order would put in a wrong place: a number or a date in a notation of
    people, such as 1.234,50. A text that is a number in JSON, as CSV has them, is compared as that number.
    """
    path, op, wanted = condition.field, condition.op, condition.value
    if op in {"in", "not_in"}:
        keys = {key_of(each) for each in wanted}
        return lambda item: (key_of(field_of(item, path)) in keys) is (op == "in")
    if op in {"==", "!="}:
        key = key_of(wanted)
        return lambda item: (key_of(field_of(item, path)) == key) is (op == "==")
    if op == "empty":
        return lambda item: (field_of(item, path) in (None, "", [], {})) is wanted
    compare = _COMPARISONS[op]
    if op in _ORDERS:
        return lambda item: _is_in_order(_comparable(field_of(item, path), wanted, path), wanted, compare)
    return lambda item: _are_alike(field_of(item, path), wanted, op) and compare(field_of(item, path), wanted)


def _is_in_order(value: Any, wanted: Any, compare: Callable[[Any, Any], bool]) -> bool:
    return _have_order(value, wanted) and compare(value, wanted)


def _have_order(value: Any, wanted: Any) -> bool:
    """Whether two values can be compared. An empty text, as CSV has it for no value, is before nothing."""
    are_texts = isinstance(value, str) and isinstance(wanted, str) and value != ""
    return are_texts or (_is_number(value) and _is_number(wanted))


def _comparable(value: Any, wanted: Any, path: str) -> Any:
    """Return the value, a text that is a number beside a wanted number as that. Raises ConnectorError."""
    if not isinstance(value, str):
        return value
    if _is_number(wanted):
        return _as_number(value, path)
    if isinstance(wanted, str) and is_date(wanted) and not is_date(value) and (question := date_question(value)):
        raise _misread(path, joined([question, _DATES_OF_CSV]))
    return value


def _as_number(value: Any, path: str) -> Any:
    """Return a text that is a number in JSON as that, other values unchanged.

    Raises ConnectorError for a number in a notation of people.
    """
    if not isinstance(value, str):
        return value
    if (number := read_number(value).value) is not None:
        return number
    if question := number_question(value):
        raise _misread(path, joined([question, _NUMBERS_OF_CSV]))
    return value


def _misread(path: str, reason: str) -> ConnectorError:
    return invalid_input(text("Field %(field)s of an item: %(question)s", field=path, question=reason))


_NUMBERS_OF_CSV = text("For values from CSV, choose their form under Numbers in the step that reads it.")
_DATES_OF_CSV = text("For values from CSV, choose their form under Dates in the step that reads it.")


def _are_alike(value: Any, wanted: Any, op: str) -> bool:
    if op == "contains" and isinstance(value, list):
        return True
    return isinstance(value, str) and isinstance(wanted, str)


_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda value, wanted: value < wanted,
    "<=": lambda value, wanted: value <= wanted,
    ">": lambda value, wanted: value > wanted,
    ">=": lambda value, wanted: value >= wanted,
    "contains": lambda value, wanted: wanted in value,
    "starts_with": lambda value, wanted: value.startswith(wanted),
    "ends_with": lambda value, wanted: value.endswith(wanted),
}


# --- cautions ---------------------------------------------------------------------------------------------------------


def cautions(action: str, params: dict[str, Any]) -> Iterator[str]:
    """Sentences for the log about what an action passed over in silence: fields that no item has, and values that no
    order can compare.
    """
    unknown = list(dict.fromkeys(path for _, path in unknown_fields(action, params)))
    if unknown and not item_fields(params):
        yield text(
            "The items have no fields. The first one is “%(value)s”. Choose a list from the data.",
            value=str(params["items"][0])[:60],
        )
        return
    for path in unknown:
        yield text(
            "No item has the field %(field)s. Fields of the items: %(known)s.",
            field=path,
            known=", ".join(item_fields(params)[:MAX_NAMES]),
        )
    if action == "filter" and isinstance(params.get("items"), list):
        yield from _uncompared(params["items"], params["where"])
    if action == "sort" and isinstance(params.get("items"), list):
        yield from _sorted_as_text(params["items"], [path for _, path in _sorted_by(params)])


def unknown_fields(action: str, params: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(place of an input, field) for each field that an action reads and no item has. Raises ConnectorError."""
    items = params.get("items")
    if action in FIELDS and isinstance(items, list) and items:
        for place, path in FIELDS[action](params):
            if path and not any(_has_field(item, path) for item in items):
                yield place, path


def item_fields(params: dict[str, Any]) -> list[str]:
    """The names of the fields of the items of an input, in their order."""
    items = params.get("items")
    found = (item for item in items if isinstance(item, dict)) if isinstance(items, list) else ()
    return list(dict.fromkeys(str(name) for item in found for name in item))


def _uncompared(items: list[Any], where: Any) -> Iterator[str]:
    for condition in conditions.read_conditions(where):
        if condition.op not in _ORDERS:
            continue
        values = [value for item in items if (value := field_of(item, condition.field)) is not None]
        values = [_comparable(value, condition.value, condition.field) for value in values]
        if missed := [value for value in values if not _have_order(value, condition.value)]:
            yield ntext(
                "%(count)s item was left out: its field %(field)s cannot be compared, such as “%(value)s”.",
                "%(count)s items were left out: their field %(field)s cannot be compared, such as “%(value)s”.",
                len(missed),
                field=condition.field,
                value=str(missed[0])[:60],
            )


def _sorted_as_text(items: list[Any], paths: list[str]) -> Iterator[str]:
    """Fields whose values are all dates or numbers as people write them, which have another order as texts."""
    for path in paths:
        values = [value for item in items if (value := field_of(item, path)) not in (None, "")]
        texts = [value for value in values if isinstance(value, str)]
        if not texts or len(texts) < len(values):
            continue
        if not all(map(is_date, texts)) and all(is_date(each) or date_readings(each) for each in texts):
            odd = next(each for each in texts if not is_date(each))
            said = text(
                "Field %(field)s is sorted by its characters, not by date: it has texts such as “%(value)s”.",
                field=path,
                value=odd[:60],
            )
            yield joined([said, _DATES_OF_CSV])
        elif len(texts) > 1 and all(number_readings(each) for each in texts):
            said = text(
                "Field %(field)s is sorted by its characters, not by number: it has texts such as “%(value)s”.",
                field=path,
                value=texts[0][:60],
            )
            yield joined([said, _NUMBERS_OF_CSV])


def _has_field(item: Any, path: str) -> bool:
    if isinstance(item, dict) and path in item:
        return True
    for part in path.split("."):
        if not isinstance(item, dict) or part not in item:
            return False
        item = item[part]
    return True


def _filtered_by(params: dict[str, Any]) -> Iterator[tuple[str, str]]:
    where = params.get("where")
    for index, each in enumerate(conditions.read_conditions(where)):
        if each.op != "empty":
            yield f"where[{index}].field" if isinstance(where, list) else "where", each.field


def _sorted_by(params: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield from (("by", name.removeprefix("-")) for name in names_of(params, "by", MAX_SORTED_BY))


def _grouped_by(params: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield from (("by", name) for name in names_of(params, "by"))
    measures = params.get("measures")
    for title, words in measures.items() if isinstance(measures, dict) else ():
        yield f"measures.{title}", str(words).strip().partition(" ")[2].strip()


#: (place, field) of the items' fields that an action reads, by its inputs.
FIELDS: dict[str, Callable[[dict[str, Any]], Iterator[tuple[str, str]]]] = {
    "filter": _filtered_by,
    "sort": _sorted_by,
    "aggregate": _grouped_by,
    "dedupe": lambda params: (("by", name) for name in names_of(params, "by")),
}


# --- sort, dedupe, merge ----------------------------------------------------------------------------------------------


def _sort(params: dict[str, Any]) -> dict[str, Any]:
    found = list(items_of(params))
    for name in reversed(names_of(params, "by", MAX_SORTED_BY) or [""]):
        path, descending = name.removeprefix("-"), name.startswith("-")
        there = [item for item in found if field_of(item, path) is not None]
        absent = [item for item in found if field_of(item, path) is None]
        there.sort(key=lambda item: _rank(field_of(item, path)), reverse=descending)
        found = there + absent
    return list_output(found)


def _rank(value: Any) -> tuple[int, Any]:
    """Numbers before texts before the rest, so that any two values have an order."""
    if _is_number(value):
        return (0, value)
    return (1, value) if isinstance(value, str) else (2, key_of(value))


def _dedupe(params: dict[str, Any]) -> dict[str, Any]:
    found, names = items_of(params), names_of(params, "by")
    seen: dict[bytes, Any] = {}
    for item in found:
        key = key_of(*(field_of(item, name) for name in names or [""]))
        if params["keep"] == "last":
            seen.pop(key, None)
        seen.setdefault(key, item)
    return list_output(seen.values(), removed=len(found) - len(seen))


def _merge_lists(params: dict[str, Any]) -> dict[str, Any]:
    lists, name = params["lists"], params.get("on") or ""
    if not all(isinstance(each, list) for each in lists):
        raise invalid_input(text("%(name)s must be a list of lists.", name="lists"))
    together = items_of({"lists": [item for each in lists for item in each]}, "lists")
    if not name:
        return list_output(together)
    merged: dict[bytes, dict[str, Any]] = {}
    for row in rows_of({"lists": together}, "lists"):
        key = key_of(field_of(row, name))
        merged[key] = {**merged.get(key, {}), **row}
    return list_output(merged.values())


# --- aggregate --------------------------------------------------------------------------------------------------------


def _aggregate(params: dict[str, Any]) -> dict[str, Any]:
    rows, names = items_of(params), names_of(params, "by")
    measures = _measures(params["measures"])
    groups: dict[bytes, list[Any]] = {}
    for row in rows:
        groups.setdefault(key_of(*(field_of(row, name) for name in names)), []).append(row)
    if not names:
        groups = {b"": rows}
    return list_output(
        {name: field_of(group[0], name) for name in names}
        | {title: measure(group) for title, measure in measures.items()}
        for group in groups.values()
    )


def _measures(given: dict[str, Any]) -> dict[str, Callable[[list[Any]], Any]]:
    if len(given) > MAX_MEASURES:
        raise invalid_input(text("%(name)s can have up to %(maximum)s entries.", name="measures", maximum=MAX_MEASURES))
    found = {}
    for title, words in given.items():
        op, _, path = words.strip().partition(" ") if isinstance(words, str) else ("", "", "")
        if op not in _MEASURES:
            raise invalid_input(
                text(
                    "Measure %(title)s must be one of %(known)s with a field, for example sum total.",
                    title=title,
                    known=", ".join(_MEASURES),
                )
            )
        found[title] = _measure(title, op, path.strip())
    return found


def _measure(title: str, op: str, path: str) -> Callable[[list[Any]], Any]:
    if op == "count" and not path:
        return len

    def measure(group: list[Any]) -> Any:
        values = [value for row in group if (value := field_of(row, path)) is not None]
        if op in {"sum", "average", "min", "max"}:
            values = [value for value in values if value != ""]  # as CSV has it for no value
        if op in {"sum", "average"}:
            values = [_as_number(value, path) for value in values]
        if op in {"min", "max"}:
            return _extreme(op, values, path)
        if op in {"sum", "average"} and (bad := next((v for v in values if not _is_number(v)), None)) is not None:
            raise invalid_input(
                text("Measure %(title)s: %(value)s is not a number.", title=title, value=repr(str(bad)[:60]))
            )
        return _MEASURES[op](values)

    return measure


def _extreme(op: str, values: list[Any], path: str) -> Any:
    """Return the first or last value; a text that is a number has its place among the numbers."""
    ranked = [(_rank(_as_number(value, path)), index) for index, value in enumerate(values)]
    if not ranked:
        return None
    _, index = min(ranked) if op == "min" else max(ranked, key=lambda each: each[0])
    return values[index]


def _sum(values: list[Any]) -> Any:
    try:
        return math.fsum(values) if any(isinstance(value, float) for value in values) else sum(values)
    except OverflowError as error:
        raise invalid_input(text("The sum is too large.")) from error


_MEASURES: dict[str, Callable[[list[Any]], Any]] = {
    "count": len,
    "sum": _sum,
    "average": lambda values: _sum(values) / len(values) if values else None,
    "min": lambda values: _extreme("min", values, ""),
    "max": lambda values: _extreme("max", values, ""),
    "first": lambda values: values[0] if values else None,
    "last": lambda values: values[-1] if values else None,
    "list": list,
}


WHERE = FieldSpec(
    name="where",
    label=text("Conditions"),
    kind=FieldKind.JSON,
    required=True,
    help=text("Every row must be true."),
    columns=conditions.condition_columns(conditions.ITEM_FIELDS),
)
MEASURES = measures_field(_MEASURES, conditions.ITEM_FIELDS)
PURE_ACTIONS = {
    "filter": _filter,
    "sort": _sort,
    "aggregate": _aggregate,
    "dedupe": _dedupe,
    "merge_lists": _merge_lists,
}

"""Rows read: found by conditions or by words, one of them, or figures of groups of them."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db import models
from django.db.models import Avg, Count, F, Max, Min, Q, QuerySet, Sum

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.adapters.models.lookups import as_json, contains_word, is_ordered, is_text
from automate_connectors.adapters.models.selection import read_rows, select
from automate_connectors.adapters.models.table import Table, within
from automate_governance.people.names import sign_in_name
from automate_plugins import text

MAX_FOUND = 1_000
MAX_SKIPPED = 100_000  #: rows before a page
MAX_WORDS = 10
MAX_GROUPED_BY = 10
MAX_MEASURES = 20


def find(table: Table, params: dict[str, Any]) -> dict[str, Any]:
    """Return rows, their count, and whether there are more."""
    return _page(table, table.where(table.permitted("view"), params.get("where")), params)


def search(table: Table, params: dict[str, Any]) -> dict[str, Any]:
    """Return rows in which each word of a text is in one of the searched fields, in whatever case."""
    rows = table.where(table.permitted("view"), params.get("where"))
    words = params["query"].split()
    if len(words) > MAX_WORDS:
        message = text("%(name)s can have up to %(maximum)s words.", name="query", maximum=MAX_WORDS)
        raise ConnectorError(message, code="invalid_input")
    names = _searched(table, params.get("search_in"))
    for word in words:
        found = Q()
        for name in names:
            found |= table.holds(name, "search_in", partial(_contains, word))
        rows = rows.filter(found)
    return _page(table, rows, params)


def get(table: Table, params: dict[str, Any]) -> dict[str, Any] | None:
    """Return the one matching row."""
    selection = select(table, params.get("fields"), "fields")
    found = read_rows(table.where(table.permitted("view"), params["where"])[:2], selection)
    if len(found) == 1:
        return found[0]
    if not found and params["missing"] == "null":
        return None
    if found:
        raise ConnectorError(text("More than one %(model)s matches.", model=table.entry.label), code="several_found")
    message = text(
        "No %(model)s that %(user)s can view matches.", model=table.entry.label, user=sign_in_name(table.user)
    )
    raise ConnectorError(message, code="not_found")


def _page(table: Table, rows: QuerySet[Any], params: dict[str, Any]) -> dict[str, Any]:
    limit = within("limit", params["limit"], MAX_FOUND)
    start = limit * (within("page", params["page"], MAX_SKIPPED // limit + 1) - 1)
    ordering = [table.order(name) for name in params.get("order_by") or ()]
    rows = rows.order_by(*ordering, F("pk"))
    found = read_rows(rows[start : start + limit + 1], select(table, params.get("fields"), "fields"), limit)
    return {"items": found[:limit], "count": len(found[:limit]), "more": len(found) > limit}


def _searched(table: Table, names: Any) -> list[str]:
    """Return the fields to search: those given, else those that the allow-list declares, else all texts."""
    declared = table.entry.search
    if names and declared and (others := [repr(name)[:60] for name in names if name not in declared]):
        message = text(
            "search_in: AUTOMATE_MODELS does not list %(fields)s for the search of %(model)s. Listed: %(known)s.",
            fields=", ".join(others),
            model=table.entry.label,
            known=", ".join(declared),
        )
        raise ConnectorError(message, code="not_exposed")
    found = list(names or declared) or [name for name, field in table.entry.read.items() if is_text(field)]
    if not found:
        message = text("%(model)s has no readable text field to search.", model=table.entry.label)
        raise ConnectorError(message, code="not_exposed")
    return found


def _contains(word: str, table: Table, name: str) -> Q:
    field = table.readable(name, "search_in")
    if not is_text(field):
        message = text("search_in: %(field)s is not a text field.", field=field.name)
        raise ConnectorError(message, code="invalid_input")
    return contains_word(field, word)


# --- figures ----------------------------------------------------------------------------------------------------------

_FUNCTIONS: dict[str, Any] = {"count": Count, "sum": Sum, "average": Avg, "min": Min, "max": Max}
FUNCTIONS = tuple(_FUNCTIONS)
_ADDED = (models.IntegerField, models.FloatField, models.DecimalField, models.DurationField)


def aggregate(table: Table, params: dict[str, Any]) -> dict[str, Any]:
    """Return groups of rows with their measures, their count, and whether there are more. One query."""
    limit = within("limit", params["limit"], MAX_FOUND)
    names, measures = params.get("by") or [], params["measures"]
    _at_most("by", names, MAX_GROUPED_BY)
    _at_most("measures", measures, MAX_MEASURES)
    if not names and not measures:
        raise ConnectorError(text("Enter at least one measure."), code="invalid_input")
    if twice := [name for name in names if name in measures]:
        message = text("%(name)s is both a group and a measure.", name=repr(twice[0])[:60])
        raise ConnectorError(message, code="invalid_input")
    by = {f"automate_by_{at}": table.value(name, "by")[1] for at, name in enumerate(names)}
    of = {f"automate_of_{at}": _measure(table, title, given) for at, (title, given) in enumerate(measures.items())}
    order = _group_order(params, names, list(measures))
    rows = table.where(table.permitted("view"), params.get("where")).order_by()
    if by:
        groups = rows.annotate(**by).values(*by).annotate(**of).order_by(*order)
        found = list(groups.values_list(*by, *of)[: limit + 1])
    else:
        figures = rows.aggregate(**of)
        found = [tuple(figures[alias] for alias in of)]
    titles = [*names, *measures]
    items = [dict(zip(titles, as_json(row), strict=True)) for row in found[:limit]]
    return {"items": items, "count": len(items), "more": len(found) > limit}


def _group_order(params: dict[str, Any], names: list[str], measures: list[str]) -> list[Any]:
    """Return the order of groups: as asked for by names of groups and measures, then by the groups."""
    aliases = {name: f"automate_by_{at}" for at, name in enumerate(names)}
    aliases |= {name: f"automate_of_{at}" for at, name in enumerate(measures)}
    order = []
    for name in params.get("order_by") or ():
        alias = aliases.get(name.removeprefix("-")) if isinstance(name, str) else None
        if alias is None:
            message = text(
                "order_by: %(name)s is neither a group nor a measure. Known: %(known)s.",
                name=repr(name)[:60],
                known=", ".join(aliases),
            )
            raise ConnectorError(message, code="invalid_input")
        order.append(F(alias).desc(nulls_last=True) if name.startswith("-") else F(alias).asc(nulls_last=True))
    return [*order, *(F(f"automate_by_{at}").asc(nulls_last=True) for at in range(len(names)))]


def _measure(table: Table, title: str, words: Any) -> Any:
    """Return the aggregate of a measure, such as `sum total`; `count` alone counts rows."""
    function, _, name = words.strip().partition(" ") if isinstance(words, str) else ("", "", "")
    name = name.strip()
    if function not in _FUNCTIONS or not (name or function == "count"):
        raise ConnectorError(
            text(
                "Measure %(title)s must be one of %(known)s with a field, for example sum total.",
                title=title,
                known=", ".join(_FUNCTIONS),
            ),
            code="invalid_input",
        )
    if not name:
        return Count("pk")
    field, value = table.value(name, "measures")
    suits = function == "count" or (isinstance(field, _ADDED) if function in {"sum", "average"} else is_ordered(field))
    if not suits:
        message = text(
            "Measure %(title)s: %(function)s does not suit the field %(field)s.",
            title=title,
            function=function,
            field=name,
        )
        raise ConnectorError(message, code="invalid_input")
    return _FUNCTIONS[function](value)


def _at_most(name: str, given: Any, most: int) -> None:
    if len(given) > most:
        message = text("%(name)s can have up to %(maximum)s entries.", name=name, maximum=most)
        raise ConnectorError(message, code="invalid_input")

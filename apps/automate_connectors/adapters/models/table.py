"""A model of the allow-list, as one person may use it: its rows, its fields, and the ways to other models.

A name such as `customer__country` leads through relations of the allow-list. On each model of the way, the person needs
the permission to view it, and rows that they may not view count as missing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.db import DEFAULT_DB_ALIAS, models
from django.db.models import F, OuterRef, Q, QuerySet, Subquery
from django.db.models.expressions import OrderBy

from automate_connectors import conditions
from automate_connectors.adapters.base import ConnectorError
from automate_connectors.adapters.models import rights
from automate_connectors.adapters.models.lookups import build_query
from automate_connectors.model_allowlist import AllowedModel, Field, Relation, allowed_models, split_name
from automate_plugins import text

MAX_HOPS = 3  #: relations in one name


@dataclass(frozen=True)
class Table:
    """One model, as one person may use it. Every method raises ConnectorError."""

    entry: AllowedModel
    user: Any

    @property
    def all_rows(self) -> QuerySet[Any]:
        """All rows, also those that the model's default manager hides."""
        return self.entry.model._base_manager.using(DEFAULT_DB_ALIAS).all()

    def permitted(self, verb: str) -> QuerySet[Any]:
        """Return the rows on which the person may do `verb`. Raises ConnectorError when they may do it on none."""
        return rights.permitted(self.user, verb, self.entry.model._default_manager.using(DEFAULT_DB_ALIAS).all())

    def where(self, rows: QuerySet[Any], given: Any) -> QuerySet[Any]:
        """Return the rows for which all conditions hold."""
        return rows.filter(*[self._fits(condition) for condition in conditions.read_conditions(given)])

    def _fits(self, condition: conditions.Condition) -> Q:
        return self.holds(condition.field, "where", partial(_fits_last, condition))

    def holds(self, name: str, place: str, build: Callable[[Table, str], Q]) -> Q:
        """Return the filter that `build` makes of the last model of a name and the field that the name ends with.

        Behind relations, it holds for a row if at least one related row that the person may view fulfils it.
        """
        head, rest = _first_hop(name, place)
        if not rest:
            return build(self, head)
        relation, other = self.related(head, place)
        return self.leads_to(relation, other.permitted("view").filter(other.holds(rest, place, build)))

    def leads_to(self, relation: Relation, rows: QuerySet[Any]) -> Q:
        """Return the filter for the rows that a relation leads from to any of `rows`.

        It is no join where the relation leads to several rows: that would repeat a row for each of them.
        """
        found = Q((f"{relation.name}__in", rows))
        return Q(pk__in=self.all_rows.filter(found).values("pk")) if relation.many else found

    def value(self, name: str, place: str) -> tuple[Field, F | Subquery]:
        """Return a field and the expression for its value, null behind a row that the person may not view."""
        head, rest = _first_hop(name, place)
        if not rest:
            field = self.readable(head, place)
            return field, F(field.attname)
        relation, other = self.related(head, place)
        if relation.many:
            message = text("%(place)s: %(field)s leads to several rows.", place=place, field=repr(name[:60]))
            raise ConnectorError(message, code="invalid_input")
        field, value = other.value(rest, place)
        rows = other.permitted("view").filter(pk=OuterRef(f"{relation.name}__pk")).order_by()
        return field, Subquery(rows.values_list(value)[:1])

    def order(self, name: Any) -> OrderBy:
        """Return the order by a field; `-` before its name sorts in descending order."""
        descending = isinstance(name, str) and name.startswith("-")
        _, value = self.value(name[1:] if descending else name, "order_by")
        return OrderBy(value, descending=descending, nulls_last=True)

    # --- names --------------------------------------------------------------------------------------------------------

    def readable(self, name: Any, place: str) -> Field:
        """Return the readable field of that name; the key is always readable."""
        if name == "pk":
            return self.entry.model._meta.pk
        field = self.entry.read.get(name) if isinstance(name, str) else None
        if field is None:
            shown = repr(name)[:60]
            raise ConnectorError(
                text(
                    "%(place)s: %(field)s of %(model)s is not readable. Readable fields in AUTOMATE_MODELS: %(known)s.",
                    place=place,
                    field=shown,
                    model=self.entry.label,
                    known=", ".join(["pk", *self.entry.read]),
                ),
                code="not_exposed",
            )
        return field

    def writable(self, name: str) -> Field:
        """Return the writable field of that name."""
        field = self.entry.write.get(name)
        if field is None:
            known = ", ".join(self.entry.write)
            raise ConnectorError(
                text(
                    "%(field)s of %(model)s is not writable. Writable fields in AUTOMATE_MODELS: %(known)s.",
                    field=repr(name[:60]),
                    model=self.entry.label,
                    known=known,
                )
                if known
                else text("AUTOMATE_MODELS lists no writable fields of %(model)s.", model=self.entry.label),
                code="not_exposed",
            )
        return field

    def related(self, name: str, place: str) -> tuple[Relation, Table]:
        """Return the readable relation of that name, and the model that it leads to."""
        relation = self.entry.relations.get(name)
        if relation is None:
            message = text(
                "%(place)s: %(field)s of %(model)s is not a relation that AUTOMATE_MODELS lists.",
                place=place,
                field=repr(name[:60]),
                model=self.entry.label,
            )
            raise ConnectorError(message, code="not_exposed")
        return relation, self.target(name, relation.model, place)

    def target(self, name: str, model: type[models.Model], place: str) -> Table:
        """Return the model that a relation leads to, for the same person."""
        entry = allowed_models().get(model._meta.label_lower)
        if entry is None:
            message = text(
                "%(place)s: %(field)s of %(model)s leads to %(other)s, which AUTOMATE_MODELS does not list.",
                place=place,
                field=name,
                model=self.entry.label,
                other=model._meta.label_lower,
            )
            raise ConnectorError(message, code="not_exposed")
        return Table(entry, self.user)


def _fits_last(condition: conditions.Condition, table: Table, name: str) -> Q:
    """Return the filter for a condition on a field, or on a relation to several rows: on their keys."""
    if name not in table.entry.relations or name in table.entry.read:
        return build_query(table.readable(name, "where"), condition)
    relation, other = table.related(name, "where")
    rows = other.permitted("view")
    if condition.op == "empty":
        found = table.leads_to(relation, rows)
        return ~found if condition.value else found
    return table.leads_to(relation, rows.filter(build_query(other.entry.model._meta.pk, condition)))


def _first_hop(name: Any, place: str) -> tuple[Any, str]:
    """Return the first part of a name and the rest. Values that are not text stay unchanged."""
    if not isinstance(name, str):
        return name, ""
    if name.count("__") > MAX_HOPS:
        raise too_many_hops(name, place)
    return split_name(name)


def too_many_hops(name: str, place: str) -> ConnectorError:
    """Return the error for a name that leads through more than MAX_HOPS relations."""
    message = text(
        "%(place)s: %(field)s leads through more than %(maximum)s relations.",
        place=place,
        field=repr(name[:60]),
        maximum=MAX_HOPS,
    )
    return ConnectorError(message, code="invalid_input")


def within(name: str, value: int, most: int) -> int:
    """Return a number from 1 to `most`. Raises ConnectorError for another one."""
    if not 1 <= value <= most:
        message = text("%(name)s must be between 1 and %(maximum)s.", name=name, maximum=most)
        raise ConnectorError(message, code="invalid_input")
    return value

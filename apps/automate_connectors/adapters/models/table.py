"""A model of the allow-list, as one person may use it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db import DEFAULT_DB_ALIAS, models
from django.db.models import F, Q, QuerySet
from django.db.models.deletion import Collector
from django.db.models.expressions import OrderBy

from automate_connectors import conditions
from automate_connectors.adapters.base import ConnectorError
from automate_connectors.adapters.models import rights
from automate_connectors.adapters.models.errors import invalid_row
from automate_connectors.adapters.models.lookups import as_json, build_query, to_field_value
from automate_connectors.model_allowlist import AllowedModel, Field, allowed_models
from automate_plugins import text

MAX_FOUND = 1_000
MAX_CHANGED = 100
MAX_CASCADED = 1_000  #: further rows that go with the deleted ones


@dataclass(frozen=True)
class Table:
    """One model, as one person may use it. Every method raises ConnectorError."""

    entry: AllowedModel
    user: Any

    # --- reading ------------------------------------------------------------------------------------------------------

    def find(self, params: dict[str, Any]) -> dict[str, Any]:
        """Return rows, their count, and whether there are more."""
        limit = _within("limit", params["limit"], MAX_FOUND)
        ordering = [self._order(name) for name in params.get("order_by") or ()]
        rows = self.where(self.permitted("view"), params.get("where")).order_by(*ordering, F("pk"))
        found = self._read(rows[: limit + 1], params.get("fields"))
        return {"items": found[:limit], "count": len(found[:limit]), "more": len(found) > limit}

    def get(self, params: dict[str, Any]) -> dict[str, Any] | None:
        """Return the one matching row."""
        found = self._read(self.where(self.permitted("view"), params["where"])[:2], params.get("fields"))
        if len(found) == 1:
            return found[0]
        if not found and params["missing"] == "null":
            return None
        if found:
            raise ConnectorError(text("More than one %(model)s matches.", model=self.entry.label), code="several_found")
        message = text("No %(model)s that %(user)s can view matches.", model=self.entry.label, user=str(self.user))
        raise ConnectorError(message, code="not_found")

    def _read(self, rows: QuerySet[Any], names: Any) -> list[dict[str, Any]]:
        fields = [self._readable(name, "fields") for name in names] if names else list(self.entry.read.values())
        titles = ["pk", *(field.name for field in fields)]
        columns = rows.values_list("pk", *(field.attname for field in fields))
        return [dict(zip(titles, as_json(row), strict=True)) for row in columns]

    # --- writing ------------------------------------------------------------------------------------------------------

    def create(self, values: dict[str, Any]) -> dict[str, Any]:
        """Create a row and return its readable fields."""
        rights.must_hold(self.user, "add", self.entry.model)
        instance = self.entry.model()
        self._fill(instance, values, exclude=())
        instance.save(force_insert=True)
        [row] = self._read(self.entry.model._base_manager.filter(pk=instance.pk), None)
        return row

    def update(self, where: Any, values: dict[str, Any], at_most: int) -> dict[str, Any]:
        """Update rows and return their count and keys."""
        if not values:
            raise ConnectorError(text("Enter at least one value to write."), code="invalid_input")
        if any(self._writable(name).primary_key for name in values):
            raise ConnectorError(text("The primary key cannot be changed."), code="invalid_input")
        rows = self._locked("change", where, at_most)
        columns = self.entry.model._meta.concrete_fields
        touched = [field.name for field in columns if getattr(field, "auto_now", False)]
        for instance in rows:
            self._fill(instance, values, exclude=[field.name for field in columns if field.name not in values])
            instance.save(update_fields={*values, *touched})
        return {"count": len(rows), "pks": as_json(row.pk for row in rows)}

    def delete(self, where: Any, at_most: int) -> dict[str, Any]:
        """Delete rows and return their count and keys. Rows that Django cascades to must be deletable as well."""
        if not self.entry.delete:
            message = text("AUTOMATE_MODELS does not allow deleting %(model)s.", model=self.entry.label)
            raise ConnectorError(message, code="not_exposed")
        rows = self._locked("delete", where, at_most)
        keys = [row.pk for row in rows]
        collector = Collector(using=DEFAULT_DB_ALIAS)
        collector.collect(rows)
        self._check_cascade(collector, keys)
        collector.delete()
        return {"count": len(keys), "pks": as_json(keys)}

    def _locked(self, verb: str, where: Any, at_most: int) -> list[Any]:
        """Return the current rows, locked. More than `at_most` is an error."""
        limit = _within("at_most", at_most, MAX_CHANGED)
        keys = list(self.where(self.permitted(verb), where).values_list("pk", flat=True)[: limit + 1])
        if len(keys) > limit:
            message = text(
                "More than %(count)s %(model)s match. None was changed.", count=limit, model=self.entry.label
            )
            raise ConnectorError(message, code="too_many")
        rows = self.where(self.entry.model._base_manager.filter(pk__in=keys), where)
        return list(rows.order_by("pk").select_for_update(of=("self",), no_key=True))

    def _fill(self, instance: Any, values: dict[str, Any], exclude: Iterable[str]) -> None:
        """Set the values and validate the row as a form would, except the excluded fields."""
        wrong: dict[str, list[str]] = {}
        for name, value in values.items():
            field = self._writable(name)
            try:
                setattr(instance, field.attname, to_field_value(field, value))
            except ValidationError as error:
                wrong[name] = error.messages
        try:
            instance.full_clean(exclude={*exclude, *wrong})
        except ValidationError as error:
            wrong |= error.message_dict
        if wrong:
            raise invalid_row(wrong)

    def _check_cascade(self, collector: Collector, keys: list[Any]) -> None:
        """Check that workflows and this person may delete the cascaded rows as well."""
        parents = self.entry.model._meta.get_parent_list()
        gone: list[tuple[type[models.Model], QuerySet[Any]]] = [
            (model, model._base_manager.filter(pk__in=[row.pk for row in rows]))
            for model, rows in collector.data.items()
        ]
        gone += [(rows.model, rows) for rows in collector.fast_deletes]
        for model, rows in gone:
            if model in parents or model._meta.auto_created:
                continue
            if model is self.entry.model:
                rows = rows.exclude(pk__in=keys)
            count, label = rows[: MAX_CASCADED + 1].count(), model._meta.label_lower
            if not count:
                continue
            about = {"model": self.entry.label, "other": label}
            entry = allowed_models().get(label)
            if entry is None or not entry.delete:
                message = text(
                    "Deleting %(model)s also deletes %(other)s, which AUTOMATE_MODELS does not allow.", **about
                )
                raise ConnectorError(message, code="not_exposed")
            if count > MAX_CASCADED:
                message = text(
                    "Deleting %(model)s also deletes more than %(maximum)s %(other)s.", maximum=MAX_CASCADED, **about
                )
                raise ConnectorError(message, code="too_many")
            if rights.permitted(self.user, "delete", rows).count() < count:
                message = text(
                    "Deleting %(model)s also deletes %(other)s, which %(user)s is not allowed to delete.",
                    user=str(self.user),
                    **about,
                )
                raise ConnectorError(message, code="forbidden")

    # --- who and which ------------------------------------------------------------------------------------------------

    def permitted(self, verb: str) -> QuerySet[Any]:
        """Return the rows on which the person may do `verb`. Raises ConnectorError when they may do it on none."""
        return rights.permitted(self.user, verb, self.entry.model._default_manager.using(DEFAULT_DB_ALIAS).all())

    def where(self, rows: QuerySet[Any], given: Any) -> QuerySet[Any]:
        """Return the rows for which all conditions hold."""
        found = [self._fits(condition) for condition in conditions.read_conditions(given)]
        return rows.filter(*found)

    def _fits(self, condition: conditions.Condition) -> Q:
        return build_query(self._readable(condition.field, "where"), condition)

    def _order(self, name: Any) -> OrderBy:
        descending = isinstance(name, str) and name.startswith("-")
        field = self._readable(name[1:] if descending else name, "order_by")
        return OrderBy(F(field.attname), descending=descending, nulls_last=True)

    def _readable(self, name: Any, place: str) -> Field:
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

    def _writable(self, name: str) -> Field:
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


def _within(name: str, value: int, most: int) -> int:
    if not 1 <= value <= most:
        message = text("%(name)s must be between 1 and %(maximum)s.", name=name, maximum=most)
        raise ConnectorError(message, code="invalid_input")
    return value

"""Rows written: each is validated as a form would, and saved by itself, so that signals are sent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import IntegrityError, transaction
from django.db.models import ForeignKey, QuerySet

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.adapters.models import rights
from automate_connectors.adapters.models.errors import Wrong, invalid_row, invalid_rows
from automate_connectors.adapters.models.lookups import as_json, build_query, to_field_value
from automate_connectors.adapters.models.references import References, gather_lookups
from automate_connectors.adapters.models.selection import read_rows, select
from automate_connectors.adapters.models.table import Table, within
from automate_connectors.conditions import Condition
from automate_connectors.model_allowlist import Field
from automate_governance.people.names import sign_in_name
from automate_plugins import text

MAX_CHANGED = 100
MAX_ROWS = 500  #: rows of a call that gives each its own values


@dataclass(frozen=True)
class Writer:
    """Writes rows of a model for one person. Every method raises ConnectorError: roll back then."""

    table: Table
    references: References = field(default_factory=References)

    def create(self, values: dict[str, Any]) -> dict[str, Any]:
        """Create a row and return its readable fields."""
        instance = self._insert(gather_lookups(values))
        [row] = read_rows(self.table.all_rows.filter(pk=instance.pk), select(self.table, None, "fields"))
        return row

    def create_many(self, rows: Any) -> dict[str, Any]:
        """Create a row of each mapping, all or none, and return their count and keys."""
        with transaction.atomic():
            made = _for_each(rows, lambda values: self._insert(gather_lookups(values)))
        return {"count": len(made), "pks": as_json(row.pk for row in made)}

    def update(self, where: Any, values: dict[str, Any], at_most: int) -> dict[str, Any]:
        """Update rows and return their count and keys."""
        values = gather_lookups(values)
        self._check_changes(values)
        rows = locked_rows(self.table, "change", where, at_most)
        for instance in rows:
            self._save(instance, values)
        return {"count": len(rows), "pks": as_json(row.pk for row in rows)}

    def update_many(self, rows: Any, key: str) -> dict[str, Any]:
        """Update the row of each mapping, all or none, and return their count and keys.

        The readable field `key` of a mapping says which row it is about; the others are its new values.
        """
        found = self._locked_by_key(rows, key)

        def change(given: dict[str, Any]) -> Any:
            values = gather_lookups({name: value for name, value in given.items() if name != key})
            self._check_changes(values)
            instance = self._one_of(found, key, given.get(key))
            self._save(instance, values)
            return instance.pk

        with transaction.atomic():
            keys = _for_each(rows, change)
        return {"count": len(keys), "pks": as_json(keys)}

    def update_or_create(self, match: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
        """Update the row with these values of unique fields, or create it. Return its key, and whether it is new."""
        match, values = gather_lookups(match), gather_lookups(values)
        rows = self.table.all_rows.filter(**self._unique_values(match)).select_for_update(of=("self",), no_key=True)
        if twice := match.keys() & values.keys():
            message = text("%(field)s is both in match and in values.", field=min(twice))
            raise ConnectorError(message, code="invalid_input")
        row = rows.first()
        if row is None:
            try:
                with transaction.atomic():
                    return {"created": True, "pk": as_json([self._insert({**match, **values}).pk])[0]}
            except (ConnectorError, IntegrityError):
                row = rows.first()  # another transaction may have created it meanwhile
                if row is None:
                    raise
        if not self.table.permitted("change").filter(pk=row.pk).exists():
            message = text(
                "%(user)s is not allowed to change this %(model)s.",
                user=sign_in_name(self.table.user),
                model=self.table.entry.label,
            )
            raise ConnectorError(message, code="forbidden")
        if values:
            self._check_changes(values)
            self._save(row, values)
        return {"created": False, "pk": as_json([row.pk])[0]}

    # --- one row ------------------------------------------------------------------------------------------------------

    def _insert(self, values: dict[str, Any]) -> Any:
        rights.must_hold(self.table.user, "add", self.table.entry.model)
        instance = self.table.entry.model()
        self._fill(instance, values, exclude=())
        instance.save(force_insert=True)
        return instance

    def _save(self, instance: Any, values: dict[str, Any]) -> None:
        columns = self.table.entry.model._meta.concrete_fields
        touched = [column.name for column in columns if getattr(column, "auto_now", False)]
        self._fill(instance, values, exclude=[column.name for column in columns if column.name not in values])
        instance.save(update_fields={*values, *touched})

    def _check_changes(self, values: dict[str, Any]) -> None:
        if not values:
            raise ConnectorError(text("Enter at least one value to write."), code="invalid_input")
        if any(self.table.writable(name).primary_key for name in values):
            raise ConnectorError(text("The primary key cannot be changed."), code="invalid_input")

    def _fill(self, instance: Any, values: dict[str, Any], exclude: Iterable[str]) -> None:
        """Set the values and validate the row as a form would, except the excluded fields."""
        found, wrong = self._converted(values)
        for column, value in found.items():
            setattr(instance, column, value)
        try:
            instance.full_clean(exclude={*exclude, *wrong})
        except ValidationError as error:
            wrong |= error.message_dict
        if wrong:
            raise invalid_row(wrong)

    def _converted(self, values: dict[str, Any]) -> tuple[dict[str, Any], Wrong]:
        """Return the values of writable fields by column, and what is wrong with the others."""
        found: dict[str, Any] = {}
        wrong: Wrong = {}
        for name, value in values.items():
            column = self.table.writable(name)
            try:
                found[column.attname] = self._value(column, value)
            except ValidationError as error:
                wrong[name] = error.messages
        return found, wrong

    def _value(self, column: Field, value: Any) -> Any:
        if isinstance(value, dict) and isinstance(column, ForeignKey):
            return self.references.value(self.table, column, value)
        return to_field_value(column, value)

    # --- which row ----------------------------------------------------------------------------------------------------

    def _unique_values(self, match: dict[str, Any]) -> dict[str, Any]:
        """Return the values by column. They have to be of fields that no two rows have in common."""
        for name in match:
            self.table.readable(name, "match")
        meta = self.table.entry.model._meta
        unique = [{column.name} for column in meta.concrete_fields if column.unique]
        unique += [set(names) for names in meta.unique_together]
        unique += [set(constraint.fields) for constraint in meta.total_unique_constraints]
        if not any(names <= match.keys() for names in unique):
            message = text(
                "match: %(fields)s of %(model)s can be the same in several rows. Match by unique fields.",
                fields=", ".join(match) or "-",
                model=self.table.entry.label,
            )
            raise ConnectorError(message, code="invalid_input")
        found, wrong = self._converted(match)
        wrong |= {name: [text("Enter a value.")] for name in match if found.get(self._column(name), "") is None}
        if wrong:
            raise invalid_row(wrong)
        return found

    def _column(self, name: str) -> str:
        return self.table.writable(name).attname

    def _locked_by_key(self, rows: Any, key: str) -> dict[Any, list[Any]]:
        """Return the rows that may be changed, locked, by their value of the field `key`."""
        column = self.table.readable(key, "key")
        given = [row[key] for row in _listed(rows) if isinstance(row, dict) and row.get(key) is not None]
        values = []
        for value in given:
            try:
                values.append(to_field_value(column, value))
            except ValidationError:
                continue  # said of its row
        which = build_query(column, Condition(key, "in", values))
        keys = list(self.table.permitted("change").filter(which).values_list("pk", flat=True)[: MAX_ROWS + 1])
        if len(keys) > MAX_ROWS:  # more than there are values, so that some match several rows
            raise ConnectorError(
                text("More than one %(model)s matches.", model=self.table.entry.label), code="several_found"
            )
        found = defaultdict(list)
        for row in _lock(self.table.all_rows.filter(which, pk__in=keys)):
            found[getattr(row, column.attname)].append(row)
        return found

    def _one_of(self, found: dict[Any, list[Any]], key: str, value: Any) -> Any:
        try:
            rows = found.get(to_field_value(self.table.readable(key, "key"), value), [])
        except ValidationError as error:
            raise invalid_row({key: error.messages}) from error
        about = {"model": self.table.entry.label, "user": sign_in_name(self.table.user)}
        if not rows:
            raise invalid_row({key: [text("No %(model)s that %(user)s can change matches.", **about)]})
        if len(rows) > 1:
            raise invalid_row({key: [text("More than one %(model)s matches.", model=self.table.entry.label)]})
        return rows[0]


def locked_rows(table: Table, verb: str, where: Any, at_most: int) -> list[Any]:
    """Return the current rows, locked. More than `at_most` is an error. Raises ConnectorError."""
    limit = within("at_most", at_most, MAX_CHANGED)
    keys = list(table.where(table.permitted(verb), where).values_list("pk", flat=True)[: limit + 1])
    if len(keys) > limit:
        message = text("More than %(count)s %(model)s match. None was changed.", count=limit, model=table.entry.label)
        raise ConnectorError(message, code="too_many")
    return _lock(table.where(table.all_rows.filter(pk__in=keys), where))


def _lock(rows: QuerySet[Any]) -> list[Any]:
    return list(rows.order_by("pk").select_for_update(of=("self",), no_key=True))


def _listed(rows: Any) -> list[Any]:
    """Return the rows of an input. Raises ConnectorError unless it is a list of up to MAX_ROWS."""
    if not isinstance(rows, list):
        raise ConnectorError(text("%(name)s must be a list.", name="rows"), code="invalid_input")
    if len(rows) > MAX_ROWS:
        message = text("%(name)s can have up to %(maximum)s entries.", name="rows", maximum=MAX_ROWS)
        raise ConnectorError(message, code="invalid_input")
    return rows


def _for_each[T](rows: Any, write: Callable[[dict[str, Any]], T]) -> list[T]:
    """Return what `write` returns for each row. Raises ConnectorError with what is wrong in all rows."""
    done: list[T] = []
    wrong: dict[int, Wrong] = {}
    for index, row in enumerate(_listed(rows)):
        try:
            if not isinstance(row, dict):
                raise invalid_row({NON_FIELD_ERRORS: [text("Enter a mapping of fields to values.")]})
            done.append(write(row))
        except ConnectorError as error:
            if "fields" not in error.details:
                raise
            wrong[index] = error.details["fields"]
    if wrong:
        raise invalid_rows(wrong)
    return done

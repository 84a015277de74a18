"""Rows deleted, with the rows that Django deletes with them."""

from __future__ import annotations

from typing import Any

from django.db import DEFAULT_DB_ALIAS, models
from django.db.models import QuerySet
from django.db.models.deletion import Collector

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.adapters.models import rights
from automate_connectors.adapters.models.lookups import as_json
from automate_connectors.adapters.models.table import Table
from automate_connectors.adapters.models.writing import locked_rows
from automate_connectors.model_allowlist import allowed_models
from automate_governance.people.names import sign_in_name
from automate_plugins import text

MAX_CASCADED = 1_000  #: further rows that go with the deleted ones


def delete_rows(table: Table, where: Any, at_most: int) -> dict[str, Any]:
    """Delete rows and return their count and keys. Rows that Django cascades to must be deletable as well.

    Raises ConnectorError.
    """
    if not table.entry.delete:
        message = text("AUTOMATE_MODELS does not allow deleting %(model)s.", model=table.entry.label)
        raise ConnectorError(message, code="not_exposed")
    rows = locked_rows(table, "delete", where, at_most)
    keys = [row.pk for row in rows]
    collector = Collector(using=DEFAULT_DB_ALIAS)
    collector.collect(rows)
    _check_cascade(table, collector, keys)
    collector.delete()
    return {"count": len(keys), "pks": as_json(keys)}


def _check_cascade(table: Table, collector: Collector, keys: list[Any]) -> None:
    """Check that workflows and this person may delete the cascaded rows as well."""
    parents = table.entry.model._meta.get_parent_list()
    gone: list[tuple[type[models.Model], QuerySet[Any]]] = [
        (model, model._base_manager.filter(pk__in=[row.pk for row in rows])) for model, rows in collector.data.items()
    ]
    gone += [(rows.model, rows) for rows in collector.fast_deletes]
    for model, rows in gone:
        if model in parents or model._meta.auto_created:
            continue
        if model is table.entry.model:
            rows = rows.exclude(pk__in=keys)
        count, label = rows[: MAX_CASCADED + 1].count(), model._meta.label_lower
        if not count:
            continue
        about = {"model": table.entry.label, "other": label}
        entry = allowed_models().get(label)
        if entry is None or not entry.delete:
            message = text("Deleting %(model)s also deletes %(other)s, which AUTOMATE_MODELS does not allow.", **about)
            raise ConnectorError(message, code="not_exposed")
        if count > MAX_CASCADED:
            message = text(
                "Deleting %(model)s also deletes more than %(maximum)s %(other)s.", maximum=MAX_CASCADED, **about
            )
            raise ConnectorError(message, code="too_many")
        if rights.permitted(table.user, "delete", rows).count() < count:
            message = text(
                "Deleting %(model)s also deletes %(other)s, which %(user)s is not allowed to delete.",
                user=sign_in_name(table.user),
                **about,
            )
            raise ConnectorError(message, code="forbidden")

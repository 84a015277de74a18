"""Rows added to many-to-many relations and removed from them."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.adapters.models.lookups import as_json
from automate_connectors.adapters.models.references import References, to_key
from automate_connectors.adapters.models.table import Table
from automate_connectors.adapters.models.writing import locked_rows
from automate_governance.people.names import sign_in_name
from automate_plugins import text

MAX_LINKED = 500  #: related rows of one call


def add_related(table: Table, params: dict[str, Any]) -> dict[str, Any]:
    """Add related rows to the matching rows; those that are related already stay so. Raises ConnectorError."""
    return _change_links(table, params, add=True)


def remove_related(table: Table, params: dict[str, Any]) -> dict[str, Any]:
    """Remove related rows from the matching rows. The related rows themselves stay. Raises ConnectorError."""
    return _change_links(table, params, add=False)


def _change_links(table: Table, params: dict[str, Any], *, add: bool) -> dict[str, Any]:
    """Return the keys of the rows and of the related rows, and how many links were made or ended."""
    name = params["relation"]
    link = table.entry.links.get(name)
    if link is None:
        message = text(
            "%(field)s of %(model)s is not a writable relation. Writable relations in AUTOMATE_MODELS: %(known)s.",
            field=repr(name[:60]),
            model=table.entry.label,
            known=", ".join(table.entry.links) or "-",
        )
        raise ConnectorError(message, code="not_exposed")
    related = _related_keys(table.target(name, link.model, "relation"), params["related"])
    rows, changed = locked_rows(table, "change", params["where"], params["at_most"]), 0
    for row in rows:
        manager = getattr(row, link.accessor)
        linked = set(manager.filter(pk__in=related).values_list("pk", flat=True))
        wanted = [key for key in related if (key in linked) is not add]
        if wanted:
            (manager.add if add else manager.remove)(*wanted)
        changed += len(wanted)
    return {"count": len(rows), "pks": as_json(row.pk for row in rows), "related": as_json(related), "changed": changed}


def _related_keys(other: Table, given: Any) -> list[Any]:
    """Return the keys of the rows that keys or lookups name. The person has to be allowed to view each of them."""
    wanted = given if isinstance(given, list) else [given]
    if len(wanted) > MAX_LINKED:
        message = text("%(name)s can have up to %(maximum)s entries.", name="related", maximum=MAX_LINKED)
        raise ConnectorError(message, code="invalid_input")
    references = References()
    try:
        keys = [
            references.find(other, each, "related") if isinstance(each, dict) else to_key(other, each)
            for each in wanted
        ]
    except ValidationError as error:
        message = text("%(name)s: %(reason)s", name="related", reason=" ".join(error.messages))
        raise ConnectorError(message, code="invalid_input") from error
    seen = set(other.permitted("view").filter(pk__in=keys).values_list("pk", flat=True))
    if missing := [key for key in keys if key not in seen]:
        message = text(
            "related: No %(model)s with the key %(key)s that %(user)s can view.",
            model=other.entry.label,
            key=str(missing[0]),
            user=sign_in_name(other.user),
        )
        raise ConnectorError(message, code="not_found")
    return list(dict.fromkeys(keys))

"""The fields to read of rows and of the rows that relations lead to, read with few queries.

A relation to one row adds its fields beside those of the row, as `customer__country`. A relation to several rows adds a
list: of keys, or of mappings where fields of it are named. Related rows that the person may not view are left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.adapters.models.lookups import as_json
from automate_connectors.adapters.models.table import MAX_HOPS, Table, too_many_hops
from automate_connectors.model_allowlist import Field, Relation, split_name
from automate_plugins import text

MAX_RELATED = 10_000  #: related rows of one relation in one call


@dataclass(frozen=True)
class Selection:
    """Fields to read of each row, besides its key. `with_key` says whether it was asked for."""

    table: Table
    columns: dict[str, Field]
    branches: tuple[Branch, ...] = ()
    with_key: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether only the key is read, because nothing was named."""
        return not (self.columns or self.branches or self.with_key)

    def nothing(self) -> dict[str, Any]:
        """Output for a missing row."""
        found: dict[str, Any] = {"pk": None} if self.with_key else {}
        found |= dict.fromkeys(self.columns)
        for branch in self.branches:
            found |= branch.shown([])
        return found


@dataclass(frozen=True)
class Branch:
    """Fields to read of related rows; `rows` are those that the person may view."""

    relation: Relation
    rows: QuerySet[Any]
    selection: Selection

    def shown(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """What these related rows add to the row that has the relation to them."""
        name, empty = self.relation.name, self.selection.is_empty
        if self.relation.many:
            return {name: [row["pk"] for row in rows] if empty else rows}
        if empty:
            return {name: rows[0]["pk"] if rows else None}
        missing = self.selection.nothing()
        return {f"{name}__{below}": (rows or [missing])[0][below] for below in missing}


def select(table: Table, names: Iterable[Any] | None, place: str) -> Selection:
    """Return the selection of these names, or of all readable columns. Raises ConnectorError."""
    return _select(table, names, place, MAX_HOPS) if names else Selection(table, dict(table.entry.read))


def _select(table: Table, names: Iterable[Any], place: str, hops: int) -> Selection:
    columns: dict[str, Field] = {}
    behind: dict[str, list[str]] = {}
    with_key = False
    for name in names:
        head, rest = split_name(name) if isinstance(name, str) else (name, "")
        if rest:
            behind.setdefault(head, []).append(rest)
        elif isinstance(head, str) and head in table.entry.relations and head not in table.entry.read:
            behind.setdefault(head, [])
        else:
            field = table.readable(head, place)
            columns[field.name] = field
            with_key = with_key or head == "pk"
    if behind and not hops:
        raise too_many_hops(next(iter(behind)), place)
    branches = []
    for head, rests in behind.items():
        relation, other = table.related(head, place)
        branches.append(Branch(relation, other.permitted("view"), _select(other, rests, place, hops - 1)))
    return Selection(table, columns, tuple(branches), with_key)


def read_rows(rows: QuerySet[Any], selection: Selection, most: int | None = None) -> list[dict[str, Any]]:
    """Return the rows as mappings. One query, and two for each relation; these read of the first `most` rows."""
    found = _read(rows, selection)
    keys = list(found)[:most]
    for branch in selection.branches:
        _add_related(selection.table, {key: found[key] for key in keys}, branch)
    return list(found.values())


def _read(rows: QuerySet[Any], selection: Selection) -> dict[Any, dict[str, Any]]:
    titles = ["pk", *selection.columns]
    columns = list(rows.values_list("pk", *(field.attname for field in selection.columns.values())))
    return {row[0]: dict(zip(titles, as_json(row), strict=True)) for row in columns}


def _add_related(table: Table, found: dict[Any, dict[str, Any]], branch: Branch) -> None:
    """Add what the related rows show to each of the rows."""
    name, below = branch.relation.name, branch.selection
    pairs = table.all_rows.filter(pk__in=list(found)).values_list("pk", f"{name}__pk")
    linked = list(pairs.order_by(f"{name}__pk")[: MAX_RELATED + 1])
    if len(linked) > MAX_RELATED:
        message = text(
            "%(field)s of these rows leads to more than %(maximum)s rows. Read fewer rows.",
            field=name,
            maximum=MAX_RELATED,
        )
        raise ConnectorError(message, code="too_many")
    targets: dict[Any, list[Any]] = defaultdict(list)
    for key, target in linked:
        targets[key].append(target)
    wanted = {target for _, target in linked if target is not None}
    others = _read(branch.rows.filter(pk__in=wanted).order_by(), below)
    for further in below.branches:
        _add_related(below.table, others, further)
    for key, row in found.items():
        row |= branch.shown([others[target] for target in targets[key] if target in others])

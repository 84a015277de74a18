"""The search: each source in the order of its keys, a batch at a time. Nothing is read but what matches, and files."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection

from automate_core import artifacts, database
from automate_core.models import Erasure, ErasureItem
from automate_operations.erasure import units
from automate_operations.erasure.sources import Source, all_kinds, all_sources
from automate_operations.erasure.texts import SearchedTexts

_AT_ONCE = 500  #: units whose rows are counted together
_MISSING = "document_missing"


@dataclass(frozen=True)
class Searched:
    """A batch of a source: the keys that were found, the rows that were looked at, and the key to go on after."""

    keys: list[str]
    looked: int
    after: str | None


def search_source(source: Source, texts: SearchedTexts, after: str, limit: int) -> Searched:
    """The next rows of a source. Raises ArtifactError while the storage of files is away."""
    rows = source.model._base_manager.order_by("pk").values_list("pk", flat=True)
    keys = list((rows.filter(pk__gt=after) if after else rows)[:limit])
    found = [row.key for row in _matching_rows(source, texts, keys)] if keys else []
    return Searched(list(dict.fromkeys(found)), len(keys), str(keys[-1]) if len(keys) == limit else None)


def _matching_rows(source: Source, texts: SearchedTexts, keys: Sequence[Any]) -> Iterator[Any]:
    for row in database.run(None, _statement(source), {"keys": list(keys), "pattern": texts.pattern}):
        if row.is_found or any(_holds(name, texts) for name in (row.documents or ()) if name):
            yield row


def _statement(source: Source) -> str:
    quote, meta = connection.ops.quote_name, source.model._meta
    columns_of = {field.name: f"row.{quote(field.column)}" for field in meta.concrete_fields if field.column}
    columns = ", ".join(f"{columns_of[name]}::text" for name in source.columns)
    documents = ", ".join(columns_of[name] for name in source.documents)
    own_key = next(columns_of[field.name] for field in meta.concrete_fields if field.primary_key)
    matches = f"concat_ws(E'\\n', {columns}) ~ %(pattern)s"
    has_document = f"coalesce({documents}) IS NOT NULL" if documents else "false"
    return f"""
SELECT ({source.key or own_key})::text AS key, {matches} AS is_found, ARRAY[{documents}]::text[] AS documents
FROM {quote(meta.db_table)} AS row {source.join}
WHERE {own_key} = ANY(%(keys)s) AND ({source.where}) AND ({matches} OR {has_document})
"""  # noqa: S608 - names of our own models and texts of our own


def _holds(name: str, texts: SearchedTexts) -> bool:
    try:
        with artifacts.open_file(name) as file:
            return texts.are_in_file(file)
    except artifacts.ArtifactError as error:
        if error.code != _MISSING:
            raise
        return False


def search_batch(erasure: Erasure, texts: SearchedTexts, limit: int) -> bool:
    """Search the next rows and note what is found; whether the search has ended. The caller saves the position."""
    sources = all_sources()
    if erasure.stage >= len(sources):
        return True
    source = sources[erasure.stage]
    found = search_source(source, texts, erasure.after, limit)
    state = ErasureItem.State.FOUND if all_kinds()[source.kind].erase else ErasureItem.State.KEPT
    ErasureItem.objects.bulk_create(
        (ErasureItem(erasure=erasure, kind=source.kind, key=key, state=state) for key in found.keys),
        ignore_conflicts=True,
        batch_size=1_000,
    )
    erasure.looked += found.looked
    erasure.stage += found.after is None
    erasure.after = found.after or ""
    return erasure.stage >= len(sources)


def count_found(erasure: Erasure) -> Counter[str]:
    """The rows that an erasure would concern, by kind. Events in use are left out, with their audit entries."""
    counts = Counter[str]()
    keys = [uuid.UUID(key) for key in erasure.items.filter(kind="unit").values_list("key", flat=True)]
    for first in range(0, len(keys), _AT_ONCE):
        part = keys[first : first + _AT_ONCE]
        in_use = units.find_in_use(part)
        erasure.items.filter(kind="unit", key__in=map(str, in_use)).update(state=ErasureItem.State.IN_USE)
        counts += units.count_units([key for key in part if key not in in_use])
    entries = list(erasure.items.filter(kind="entry").values_list("key", flat=True))
    left = units.entries_in_use(erasure, entries)
    erasure.items.filter(kind="entry", key__in=left).update(state=ErasureItem.State.IN_USE)
    return counts

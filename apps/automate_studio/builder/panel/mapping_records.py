"""A mapping whose values are words, `revenue: sum total`, as rows of its field's columns, and back.

The last column is the name. The others are the words of the value in their order; the last of them may hold spaces.
"""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from automate_plugins.fields import FieldKind, FieldSpec


def mapping_records(spec: FieldSpec, value: Any) -> list[dict[str, Any]] | None:
    """The rows of a mapping; None where they do not give exactly that mapping."""
    if value is None:
        return []
    if not isinstance(value, dict):
        return None
    records = [_record(spec, name, words) for name, words in value.items()]
    found = [record for record in records if record is not None]
    return found if len(found) == len(records) else None


def _record(spec: FieldSpec, name: str, words: Any) -> dict[str, Any] | None:
    *columns, named = spec.columns
    if not isinstance(words, str) or not name.strip() or name != name.strip():
        return None
    given = dict(zip((column.name for column in columns), words.split(" ", len(columns) - 1), strict=False))
    record = {**given, named.name: name}
    is_known = all(
        given.get(column.name) in dict(column.choices) for column in columns if column.kind is FieldKind.CHOICE
    )
    return record if is_known and _words(spec, record) == words else None


def mapping_from_records(spec: FieldSpec, rows: list[dict[str, Any]]) -> dict[str, str]:
    """The mapping of rows. Raises ValueError with the row."""
    named = spec.columns[-1].name
    found: dict[str, str] = {}
    for number, row in enumerate(rows, 1):
        name = str(row.get(named, "")).strip()
        if not name:
            raise ValueError(_("Row %(number)s needs a name.") % {"number": number})
        if name in found:
            raise ValueError(_("The name “%(name)s” appears twice.") % {"name": name})
        found[name] = _words(spec, row)
    return found


def _words(spec: FieldSpec, row: dict[str, Any]) -> str:
    return " ".join(filter(None, (str(row.get(column.name, "")).strip() for column in spec.columns[:-1])))

"""Records what Django's ORM writes while a block runs, as differences of fields.

Signals report single rows; what a queryset or SQL writes without signals is counted by statement.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec
from django.db import connection, models
from django.db.models.signals import post_save, pre_delete, pre_save
from django.utils import translation

from automate_connectors.model_allowlist import allowed_models
from automate_governance.permissions import Person

MAX_ROWS = 100
HIDDEN = "(not shown)"
_WRITES = re.compile(r'\s*(INSERT INTO|UPDATE|DELETE FROM)\s+"?(?:\w+"?\."?)?(\w+)"?', re.IGNORECASE)
_VERBS = {"INSERT INTO": "created", "UPDATE": "changed", "DELETE FROM": "deleted"}
_OWN = "automate_"

type Values = dict[str, Any]


@dataclass
class OrmChanges:
    """The written rows, by model and key, with their columns before and after."""

    rows: dict[tuple[type[models.Model], Any], tuple[Values | None, Values | None]] = field(default_factory=dict)
    statements: Counter[tuple[str, str]] = field(default_factory=Counter)

    def note_before(self, model: type[models.Model], key: Any) -> None:
        """Note a row that is about to be written or deleted; the first of several notes counts."""
        place = (model, key)
        first = self.rows[place][0] if place in self.rows else _stored(model, key)
        self.rows[place] = (first, None)

    def note_after(self, model: type[models.Model], key: Any) -> None:
        """Note a row that was written; the last of several notes counts."""
        first, _ = self.rows.get((model, key), (None, None))
        self.rows[model, key] = (first, _stored(model, key))

    def describe(self, person: Person) -> list[dict[str, Any]]:
        """The differences as documents, with the values that `person` may see.

        `{"kind": "created|changed|deleted", "model": label, "pk": text, "fields": [{"name", "before", "after"}]}`, and
        for writes without signals `{"kind": ..., "model": label or table, "count": rows}`.
        """
        with translation.override(None):  # names of models and fields are translated when they are shown
            return [*self._rows(person), *self._unsignalled()]

    def _rows(self, person: Person) -> list[dict[str, Any]]:
        return [
            _row(model, key, before, after, person)
            for (model, key), (before, after) in list(self.rows.items())[:MAX_ROWS]
            if before != after and not model._meta.db_table.startswith(_OWN)
        ]

    def _unsignalled(self) -> Iterator[dict[str, Any]]:
        known: Counter[tuple[str, str]] = Counter()
        for (model, _), (before, after) in self.rows.items():
            verb = "created" if before is None else "deleted" if after is None else "changed"
            for each in (model, *model._meta.get_parent_list()):
                known[verb, each._meta.db_table] += 1
        labels = {model._meta.db_table: model._meta.label_lower for model, _ in self.rows}
        for (verb, table), count in (self.statements - known).items():
            if not table.startswith(_OWN):
                yield {"kind": verb, "model": labels.get(table, table), "count": count}


@contextmanager
def record_orm_changes() -> Iterator[OrmChanges]:
    """Record what this thread writes inside the block.

    While it lasts, Django deletes rows of any thread one by one instead of by a single statement, because the deletion
    signal has a receiver.
    """
    changes, thread = OrmChanges(), threading.get_ident()
    saving: list[bool] = []

    def before_save(sender: type[models.Model], instance: Any, raw: bool, using: str, **_: Any) -> None:
        if thread == threading.get_ident():
            saving.append(True)
            if instance.pk is not None:  # a new row has its key only once it is stored
                changes.note_before(sender, instance.pk)

    def after_save(sender: type[models.Model], instance: Any, created: bool, **_: Any) -> None:
        if thread == threading.get_ident():
            saving.pop()
            changes.note_after(sender, instance.pk)

    def before_delete(sender: type[models.Model], instance: Any, **_: Any) -> None:
        if thread == threading.get_ident():
            changes.note_before(sender, instance.pk)

    def count(execute: Any, sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
        answer = execute(sql, params, many, context)
        if not saving and (match := _WRITES.match(str(sql))):
            changes.statements[_VERBS[match[1].upper()], match[2]] += max(context["cursor"].rowcount, 0)
        return answer

    listeners = ((pre_save, before_save), (post_save, after_save), (pre_delete, before_delete))
    for signal, listener in listeners:
        signal.connect(listener, weak=False)
    try:
        with connection.execute_wrapper(count):
            yield changes
    finally:
        for signal, listener in listeners:
            signal.disconnect(listener)


def _stored(model: type[models.Model], key: Any) -> Values | None:
    columns = [each.attname for each in model._meta.concrete_fields]
    return model._base_manager.filter(pk=key).values(*columns).first()


def _row(
    model: type[models.Model], key: Any, before: Values | None, after: Values | None, person: Person
) -> dict[str, Any]:
    shown = _may_be_seen(model, person)
    fields = []
    for each in model._meta.concrete_fields:
        was, now = (None if values is None else values[each.attname] for values in (before, after))
        if was != now:
            seen = each.name in shown or each.primary_key
            fields.append(
                {
                    "name": each.name,
                    "label": str(each.verbose_name),
                    "before": _plain(was) if seen else HIDDEN,
                    "after": _plain(now) if seen else HIDDEN,
                }
            )
    kind = "created" if before is None else "deleted" if after is None else "changed"
    return {
        "kind": kind,
        "model": model._meta.label_lower,
        "name": str(model._meta.verbose_name),
        "pk": str(key),
        "fields": fields,
    }


def _may_be_seen(model: type[models.Model], person: Person) -> set[str]:
    """The names of the columns whose values may be shown: by the allow-list, else by Django's permission."""
    entry = allowed_models().get(model._meta.label_lower)
    if entry is not None:
        return {*entry.read, *entry.write}
    may_view = person.has_perm(f"{model._meta.app_label}.view_{model._meta.model_name}")
    return {each.name for each in model._meta.concrete_fields} if may_view else set()


def _plain(value: Any) -> Any:
    found: Any = msgspec.to_builtins(float(value) if isinstance(value, Decimal) else value, enc_hook=str)
    return found

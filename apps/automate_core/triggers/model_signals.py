"""Signal mode: a save or a deletion of a watched model becomes an event, in the writer's transaction.

The values before and after are read from the database, never from the instance: it may be stale, hold deferred fields
or expressions, or values that its `update_fields` left out. Without a workflow that listens, a save costs one look-up
by index. Writes that bypass signals, `QuerySet.update()`, `bulk_create()` and raw SQL, are not seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.db import DEFAULT_DB_ALIAS, connections, models, transaction
from django.db.models import signals

from automate_core.models import ActiveTrigger, Workflow
from automate_core.outbox.ingest import EventIngestor, NewEvent
from automate_core.triggers.host_events import as_json, current_origin
from automate_core.triggers.model_registry import WatchedModel, watched_models

_BEFORE = "_automate_before"
_HANDLERS = ("pre_save", "post_save", "pre_delete", "post_delete")

type Values = dict[str, Any]


def connect_model_signals() -> None:
    """Listen to the models that the settings watch by signal. A second call takes over changed settings."""
    disconnect_model_signals()
    for entry in watched_models("signal"):
        for sender in _senders(entry):
            watcher = _SignalReceiver(entry)
            for name in _HANDLERS:
                getattr(signals, name).connect(
                    getattr(watcher, name), sender=sender, weak=False, dispatch_uid=_uid(sender)
                )


def disconnect_model_signals() -> None:
    """Listen to no model."""
    for sender in apps.get_models():
        for name in _HANDLERS:
            getattr(signals, name).disconnect(sender=sender, dispatch_uid=_uid(sender))


def _uid(sender: type[models.Model]) -> str:
    return f"automate:{sender._meta.label_lower}"


def _senders(entry: WatchedModel) -> Iterator[type[models.Model]]:
    """The model and its proxies: a signal names the class that was saved."""
    yield from (model for model in apps.get_models() if model._meta.concrete_model is entry.model)


def encode_change(label: str, operation: str, pk: Any, before: Values | None, after: Values | None) -> str | None:
    """The payload of a change's event, or None for an update that changed no watched field."""
    both = {name: [(before or {}).get(name), (after or {}).get(name)] for name in before or after or {}}
    changed = {name: values for name, values in both.items() if values[0] != values[1]}
    if operation == "updated" and not changed:
        return None
    payload = {"model": label, "pk": pk, "operation": operation, "before": before, "after": after, "changed": changed}
    return as_json(payload, unknown=str)


class _SignalReceiver:
    """The receivers of one model's signals. Between two of them, the values before stay with the instance."""

    def __init__(self, entry: WatchedModel) -> None:
        self._entry = entry
        self._names = [field.name for field in entry.fields]

    def pre_save(self, instance: models.Model, raw: bool, using: str, **_: Any) -> None:
        """Read the values before, if a workflow listens."""
        instance.__dict__.pop(_BEFORE, None)
        if not raw and self._has_listeners():
            instance.__dict__[_BEFORE] = None if _is_inserted(instance) else self._read(instance.pk, using, lock=True)

    def post_save(self, instance: models.Model, created: bool, using: str, **_: Any) -> None:
        """Ingest the change."""
        if _BEFORE in instance.__dict__:
            before, after = instance.__dict__.pop(_BEFORE), self._read(instance.pk, using)
            self._ingest_change("created" if created else "updated", instance.pk, before, after, using)

    def pre_delete(self, instance: models.Model, using: str, **_: Any) -> None:
        """Read the values that will be deleted, if a workflow listens."""
        if self._has_listeners():
            instance.__dict__[_BEFORE] = self._read(instance.pk, using, lock=True)

    def post_delete(self, instance: models.Model, using: str, **_: Any) -> None:
        """Ingest the deletion."""
        if _BEFORE in instance.__dict__:
            self._ingest_change("deleted", instance.pk, instance.__dict__.pop(_BEFORE), None, using)

    def _has_listeners(self) -> bool:
        in_use = (Workflow.Status.ACTIVE, Workflow.Status.PAUSED)
        return ActiveTrigger.objects.filter(source=self._entry.source, workflow__status__in=in_use).exists()

    def _read(self, pk: Any, using: str, *, lock: bool = False) -> Values | None:
        """The row's watched fields. In a transaction, a lock keeps them as they are until they are written."""
        rows = self._entry.model._base_manager.using(using).filter(pk=pk)
        if lock and connections[using].in_atomic_block:
            rows = rows.select_for_update(no_key=True)
        return rows.values(*self._names).first()

    def _ingest_change(self, operation: str, pk: Any, before: Values | None, after: Values | None, using: str) -> None:
        payload = encode_change(self._entry.label, operation, pk, before, after)
        if payload is None:
            return
        writer = current_origin()
        headers = writer.headers if writer else {}
        event = NewEvent(source=self._entry.source, type=operation, payload=payload, headers=headers)
        if using == DEFAULT_DB_ALIAS:
            EventIngestor().ingest(event)
        else:  # another database: no transaction spans both
            transaction.on_commit(lambda: EventIngestor().ingest(event), using=using)


def _is_inserted(instance: models.Model) -> bool:
    """Whether a save is sure to insert: Django itself does not look whether there is such a row then."""
    fields = instance._meta.pk_fields
    return instance.pk is None or (
        instance._state.adding and all(field.has_default() or field.has_db_default() for field in fields)
    )

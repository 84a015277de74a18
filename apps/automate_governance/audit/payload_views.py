"""Audit entries for viewing payloads and using secrets, at most one per interval."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterable
from typing import Any

from django.db import models, transaction
from django.utils import timezone

from automate_governance import audit
from automate_governance.models import AuditEntry, StoredSecret
from automate_governance.permissions import SITE, User

VIEW_INTERVAL = dt.timedelta(hours=1)  # a person, looking at the same part of the same thing
SECRET_USE_INTERVAL = dt.timedelta(days=1)  # a secret, by the same workflow and person
MAX_RECENT_ENTRIES = 10_000

_recent_entries: dict[tuple[str, ...], float] = {}  # what this process need not look up: key to the time on its clock


def record_view(person: User, verb: str, obj: models.Model, *, trace_id: str = "", **changes: Any) -> None:
    """Record that `person` viewed the payload of `obj`; `changes` name the part."""
    _record_once(person, verb, obj, changes, VIEW_INTERVAL, trace_id)


def record_search(person: User) -> None:
    """Record that `person` searched payloads of events. The words are not recorded: they may name a person."""
    record_view(person, "event.payloads_searched", SITE(pk=0))


def record_subjects(person: User, subjects: Iterable[str | None]) -> None:
    """Record that `person` saw a list with subject lines, which may name people; nothing where all are empty."""
    if any(subjects):
        record_view(person, "event.subjects_viewed", SITE(pk=0))


def record_secret_use(person: User, references: Iterable[str], by: models.Model, workflow: str) -> None:
    """Record that a run of `workflow`, as `person`, resolves the secrets of the connection `by`."""
    for reference in references:
        backend, _, name = reference.partition(":")
        key = ("secret", reference, workflow, str(by.pk), str(person.pk))
        if not _is_recent(key, SECRET_USE_INTERVAL):
            secret = StoredSecret.objects.filter(name=name).first() if backend == "database" else None
            changes = {"reference": reference, "connection": str(by), "workflow": workflow}
            _record_once(person, "secret.used", secret or by, changes, SECRET_USE_INTERVAL, "")
            _remember(key)


def _record_once(
    person: User, verb: str, obj: models.Model, changes: dict[str, Any], every: dt.timedelta, trace_id: str
) -> None:
    key = (verb, obj._meta.label_lower, str(obj.pk), str(person.pk), *map(str, changes.values()))
    if _is_recent(key, every):
        return
    recorded = AuditEntry.objects.filter(
        object_type=obj._meta.label_lower,
        object_id=str(obj.pk),
        verb=verb,
        actor_id=str(person.pk),
        changes=changes,
        at__gt=timezone.now() - every,
    )
    if not recorded.exists():
        with transaction.atomic():
            audit.record(person, verb, obj, changes=changes, trace_id=trace_id)
    transaction.on_commit(lambda: _remember(key))


def _is_recent(key: tuple[str, ...], every: dt.timedelta) -> bool:
    """Return whether this process recorded it within half of the interval; other processes record as well."""
    return key in _recent_entries and time.monotonic() - _recent_entries[key] < every.total_seconds() / 2


def _remember(key: tuple[str, ...]) -> None:
    if len(_recent_entries) >= MAX_RECENT_ENTRIES:
        _recent_entries.clear()
    _recent_entries[key] = time.monotonic()


def clear_recent_entries() -> None:
    """Clear this process's cache; the database holds the entries."""
    _recent_entries.clear()

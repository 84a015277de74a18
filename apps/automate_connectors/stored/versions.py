"""Versions of stored connectors: saved from drafts, restored, switched off and deleted. Each change is audited.

These functions know nothing of workflows: `automate_authoring.connector_versions` asks first what would break.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec
from django.db import IntegrityError, transaction

from automate_connectors.declared.templates import names_in, origin_of
from automate_connectors.models import Connection
from automate_connectors.registry import connectors
from automate_connectors.stored.building import BuiltConnector, build, check_code, installed_codes
from automate_connectors.stored.documents import delete_unused_documents
from automate_connectors.stored.drafts import GoneError, check_administers
from automate_connectors.stored.freshness import stored_connectors
from automate_connectors.stored.models import DeclaredConnector, DeclaredConnectorDraft, DeclaredConnectorVersion
from automate_connectors.triggers.contract import REFERENCE
from automate_governance import audit
from automate_governance.permissions import Person, permitted
from automate_governance.reference_registry import check_unused
from automate_plugins import ntext, text

MAX_NOTE = 200


class StaleDraftError(Exception):
    """Another version was saved since the draft began; the message names it."""


class DestinationError(Exception):
    """Secrets of connections that the person may not use would be sent to another host."""


def build_draft(draft: DeclaredConnectorDraft) -> BuiltConnector:
    """Return the connector of a draft. Raises FaultyTextError, also for a code that is taken or has changed."""
    built = build(draft.text, draft.document.source if draft.document else None)
    stored = set(DeclaredConnector.objects.values_list("code", flat=True))
    code = draft.connector.code if draft.connector else ""
    check_code(built.document, draft.text, code=code, taken=stored | installed_codes(connectors) | {REFERENCE})
    return built


def save_version(draft: DeclaredConnectorDraft, *, by: Person, note: str = "") -> DeclaredConnectorVersion:
    """Save a draft as the version that runs from now on, and delete it.

    Raises NotPermittedError, FaultyTextError, StaleDraftError, DestinationError, GoneError.
    """
    check_administers(by)
    built = build_draft(draft)
    try:
        with transaction.atomic():
            connector = draft.connector or DeclaredConnector.objects.create(code=built.document.code)
            locked = _lock(connector)
            if not DeclaredConnectorDraft.objects.select_for_update().filter(pk=draft.pk).exists():
                raise GoneError
            present = locked.current.number if locked.current else 0
            if present != draft.base:
                number = str(present)
                raise StaleDraftError(text("Version %(number)s was saved since this draft began.", number=number))
            saved = _add_version(
                locked, text=draft.text, definition=built.definition, document=draft.document, note=note, by=by
            )
            audit.record(
                by,
                "connector.changed" if present else "connector.created",
                locked,
                changes={"version": saved.number, "note": saved.note},
            )
            draft.delete()
            delete_unused_documents()
            return saved
    except IntegrityError as error:  # somebody took the code since it was found free
        raise StaleDraftError(text("The code %(code)s is already in use.", code=built.document.code)) from error


@transaction.atomic
def restore_version(version: DeclaredConnectorVersion, *, by: Person) -> DeclaredConnectorVersion:
    """Save an older version again, as the newest. Raises NotPermittedError, DestinationError, GoneError."""
    check_administers(by)
    locked = _lock(version.connector)
    note = f"v{version.number}: {version.note}".removesuffix(": ")[:MAX_NOTE]
    saved = _add_version(
        locked, text=version.text, definition=version.definition, document=version.document, note=note, by=by
    )
    audit.record(by, "connector.restored", locked, changes={"version": saved.number, "from": version.number})
    return saved


@transaction.atomic
def set_enabled(connector: DeclaredConnector, *, on: bool, by: Person) -> None:
    """Put a connector into the registry, or take it out. Raises NotPermittedError, GoneError."""
    check_administers(by)
    locked = _lock(connector)
    locked.enabled = on
    locked.save(update_fields=["enabled"])
    audit.record(by, "connector.enabled" if on else "connector.disabled", locked)
    transaction.on_commit(stored_connectors.refresh, robust=True)


@transaction.atomic
def delete_connector(connector: DeclaredConnector, *, by: Person) -> None:
    """Delete a connector that no published workflow uses, with its versions.

    Raises NotPermittedError, InUseError, GoneError.
    """
    check_administers(by)
    locked = _lock(connector)
    check_unused(locked, by=by)
    audit.record(by, "connector.deleted", locked)
    locked.current = None
    locked.save(update_fields=["current"])
    locked.delete()
    delete_unused_documents()
    transaction.on_commit(stored_connectors.refresh, robust=True)


def hold_connectors(codes: Collection[str]) -> set[str]:
    """Keep stored connectors from being deleted until the transaction ends; return the codes of those that are gone."""
    stored = stored_connectors.names() & set(codes)
    if not stored:
        return set()
    rows = DeclaredConnector.objects.select_for_update(no_key=True).filter(code__in=stored, enabled=True)
    return stored - set(rows.order_by("code").values_list("code", flat=True))


def _lock(connector: DeclaredConnector) -> DeclaredConnector:
    rows = DeclaredConnector.objects.select_related("current").select_for_update(of=("self",))
    found = rows.filter(pk=connector.pk).first()
    if found is None:
        raise GoneError
    return found


def _add_version(
    connector: DeclaredConnector, *, definition: str, note: str, by: Person, **values: Any
) -> DeclaredConnectorVersion:
    _check_destinations(connector, definition, by)
    newest = connector.versions.first()
    connector.current = DeclaredConnectorVersion.objects.create(
        connector=connector,
        definition=definition,
        number=newest.number + 1 if newest else 1,
        note=note[:MAX_NOTE],
        author=by,
        **values,
    )
    connector.save(update_fields=["current"])
    transaction.on_commit(stored_connectors.refresh, robust=True)
    return connector.current


def _check_destinations(connector: DeclaredConnector, definition: str, by: Person) -> None:
    """Raise DestinationError where a new host would receive secrets of connections that the person may not use.

    Connections stay when a connector is deleted: the first version of another one with its code has no host before.
    """
    before = _origins(connector.current.definition) if connector.current else set()
    found = Connection.objects.filter(connector=connector.code)
    if _origins(definition) <= before or not found.exists():
        return
    others = found.count() - permitted(by, "use", found).count()
    if others:
        message = ntext(
            "The address changes, and %(count)s connection that you may not use would send its secrets there.",
            "The address changes, and %(count)s connections that you may not use would send their secrets there.",
            others,
        )
        raise DestinationError(message)


def _origins(definition: str) -> set[tuple[str, str]]:
    """Return the hosts with their names in braces, and the defaults that fill those names or replace the host."""
    value = msgspec.json.decode(definition)
    urls = [value.get("base_url"), *(each.get("base_url") for each in value["actions"])]
    origins = {origin_of(url) for url in urls if url}
    filled = {"base_url", *(name for origin in origins for name in names_in(origin))}
    defaults = {each["name"]: str(each.get("default") or "") for each in value.get("connection") or []}
    return {(origin, "") for origin in origins} | {
        (name, default) for name, default in defaults.items() if default and name.lower() in filled
    }

"""Stored connectors in the registry of this process: each new version arrives within seconds, without a restart.

A web process looks when a request begins, a worker in its maintenance, both every few seconds at most. No run and no
step costs a query.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from importlib.metadata import Distribution
from typing import Any

import msgspec
from django.core.exceptions import SynchronousOnlyOperation
from django.db import Error, connection, transaction

from automate_connectors.declared.adapter import DeclaredConnector as Adapter
from automate_connectors.declared.adapter import declare
from automate_connectors.declared.loading import check_document
from automate_connectors.declared.parsing import FaultyDocumentError
from automate_connectors.registry import connectors
from automate_connectors.stored.models import DeclaredConnector, DeclaredConnectorVersion
from automate_plugins import text
from automate_plugins.registry import PluginError

log = logging.getLogger(__name__)

CHECK_SECONDS = 2.0
DUE = "EXISTS (SELECT FROM automate_connectors_declaredconnector)"  #: of workers: a deleted connector is not in use


@dataclass(frozen=True)
class StoredConnector:
    """A version as a source of the registry."""

    name: str
    number: int
    version: int  #: the key of its row
    definition: str = field(compare=False, repr=False)
    dist: Distribution | None = None

    @property
    def value(self) -> str:
        """The version, for people."""
        return text("%(code)s, version %(number)s", code=self.name, number=str(self.number))

    def load(self) -> type[Adapter]:
        """Return the connector. Raises PluginError."""
        return adapter_of(self.definition)


def adapter_of(definition: str) -> type[Adapter]:
    """Return the connector class of a version's definition. Raises PluginError."""
    try:
        return declare(check_document(msgspec.json.decode(definition)))
    except (FaultyDocumentError, msgspec.DecodeError) as error:
        raise PluginError(str(error)) from error


class StoredConnectors:
    """What of the rows is in the registry. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[int, StoredConnector] = {}
        self._checked_at = float("-inf")

    def refresh_if_due(self) -> None:
        """Refresh, unless that was done within the last seconds. A database that is away leaves everything as it is."""
        if time.monotonic() - self._checked_at >= CHECK_SECONDS:
            try:
                self.refresh()
            except Error as error:
                log.warning("stored connectors were not read: %s", str(error).strip())

    def refresh(self) -> None:
        """Load the versions that are current. One query where nothing has changed. Raises django.db.Error."""
        with self._lock:
            self._checked_at = time.monotonic()
            found = DeclaredConnector.objects.filter(enabled=True, current__isnull=False)
            current = list(found.order_by("code").values_list("current", flat=True))
            if list(self._known) != current:
                self._known = self._read(current)
                connectors.set_stored(self._known.values())

    def names(self) -> set[str]:
        """Return the codes of those in the registry of this process, which a deleted one leaves within seconds."""
        return {known.name for known in self._known.values()}

    def forget(self) -> None:
        """Take all of them out of the registry: for tests, whose rows are rolled back."""
        with self._lock:
            if self._known:
                self._known = {}
                connectors.set_stored(())

    def _read(self, current: list[int]) -> dict[int, StoredConnector]:
        missing = [pk for pk in current if pk not in self._known]
        read = {
            version.pk: StoredConnector(version.connector.code, version.number, version.pk, version.definition)
            for version in DeclaredConnectorVersion.objects.filter(pk__in=missing).select_related("connector")
        }
        return {pk: known for pk in current if (known := self._known.get(pk) or read.get(pk))}


stored_connectors = StoredConnectors()


def refresh_at_request(**_: Any) -> None:
    """Refresh when a server begins a request."""
    stored_connectors.refresh_if_due()


def refresh_at_first_use() -> None:
    """Refresh for a command or a worker that looks first, where the database can be asked; no connection stays open."""
    is_open = connection.connection is not None
    try:
        with transaction.atomic():  # without the table, before the first migration, the caller's goes on
            stored_connectors.refresh()
    except (Error, SynchronousOnlyOperation, RuntimeError) as error:  # RuntimeError: of tests without a database
        log.debug("stored connectors were not read: %s", error)
    finally:
        if not is_open:
            connection.close()

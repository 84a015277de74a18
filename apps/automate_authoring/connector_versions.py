"""Changes of stored connectors that ask first what they break: nothing is broken without an explicit yes."""

from __future__ import annotations

from automate_authoring.connector_breaks import ConnectorBreak, find_breaks
from automate_connectors.adapters.base import ConnectorAdapter
from automate_connectors.declared.adapter import declare
from automate_connectors.stored import versions
from automate_connectors.stored.freshness import adapter_of
from automate_connectors.stored.models import DeclaredConnector, DeclaredConnectorDraft, DeclaredConnectorVersion
from automate_governance.permissions import Person
from automate_plugins import ntext
from automate_plugins.registry import PluginError


class BreaksWorkflowsError(Exception):
    """The change breaks published workflows: `breaks` says which. It is made when it is accepted."""

    def __init__(self, breaks: list[ConnectorBreak]) -> None:
        count = len({each.workflow.pk for each in breaks})
        super().__init__(ntext("%(count)s published workflow breaks.", "%(count)s published workflows break.", count))
        self.breaks = breaks


def draft_breaks(draft: DeclaredConnectorDraft) -> list[ConnectorBreak]:
    """Return what breaks when the draft is saved. Raises FaultyTextError."""
    built = versions.build_draft(draft)
    return find_breaks(draft.connector, _current(draft.connector), declare(built.document)()) if draft.connector else []


def version_breaks(version: DeclaredConnectorVersion) -> list[ConnectorBreak]:
    """Return what breaks when the version is restored."""
    return find_breaks(version.connector, _current(version.connector), _adapter(version))


def removal_breaks(connector: DeclaredConnector) -> list[ConnectorBreak]:
    """Return what breaks when the connector is disabled."""
    return find_breaks(connector, _current(connector), None)


def save_draft(
    draft: DeclaredConnectorDraft, *, by: Person, note: str = "", accept_breaks: bool = False
) -> DeclaredConnectorVersion:
    """Save a draft as the newest version.

    Raises BreaksWorkflowsError, NotPermittedError, FaultyTextError, StaleDraftError, DestinationError.
    """
    _check([] if accept_breaks else draft_breaks(draft))
    return versions.save_version(draft, by=by, note=note)


def restore_version(
    version: DeclaredConnectorVersion, *, by: Person, accept_breaks: bool = False
) -> DeclaredConnectorVersion:
    """Save an older version again, as the newest. Raises BreaksWorkflowsError, NotPermittedError, DestinationError."""
    _check([] if accept_breaks else version_breaks(version))
    return versions.restore_version(version, by=by)


def disable(connector: DeclaredConnector, *, by: Person, accept_breaks: bool = False) -> None:
    """Take a connector out of use. Raises BreaksWorkflowsError, NotPermittedError."""
    _check([] if accept_breaks else removal_breaks(connector))
    versions.set_enabled(connector, on=False, by=by)


def _check(breaks: list[ConnectorBreak]) -> None:
    if breaks:
        raise BreaksWorkflowsError(breaks)


def _current(connector: DeclaredConnector) -> ConnectorAdapter | None:
    return _adapter(connector.current) if connector.current else None


def _adapter(version: DeclaredConnectorVersion) -> ConnectorAdapter | None:
    """Return the connector of a version; None for one that can no longer be read."""
    try:
        return adapter_of(version.definition)()
    except PluginError:
        return None

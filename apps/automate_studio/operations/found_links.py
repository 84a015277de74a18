"""Links to what a search for personal data found. The pages check for themselves who may open them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.db.models import Model

from automate_connectors.models import Connection
from automate_core.models import Event, StoredFile, WebhookEndpoint, Workflow, WorkflowVersion
from automate_governance.admin_site import reverse
from automate_governance.models import AuditEntry
from automate_operations.erasure.describe import BACKUPS, FoundKind
from automate_ui.audit.actions import action_label
from automate_ui.formatting import short_id


@dataclass(frozen=True)
class FoundLink:
    """The name of an item, and its page; "" without one."""

    name: str
    url: str = ""


def find_links(found: FoundKind) -> list[FoundLink]:
    """Links to the listed items of a kind. One or two queries."""
    make = _LINKS.get(found.name)
    return make(found.keys) if make else []


def _units(keys: Sequence[str]) -> list[FoundLink]:
    ids = [uuid.UUID(key) for key in keys]
    events = set(Event.objects.filter(pk__in=ids).values_list("pk", flat=True))
    return [
        FoundLink(
            short_id(key),
            reverse(f"admin:automate_core_{'event' if key in events else 'executionrun'}_change", args=[key]),
        )
        for key in ids
    ]


def _files(keys: Sequence[str]) -> list[FoundLink]:
    """Each file leads to the run or the event that stored it, where it can be downloaded."""
    return [FoundLink(file.name, _owner_page(file)) for file in StoredFile.objects.in_bulk(list(keys)).values()]


def _owner_page(file: StoredFile) -> str:
    if file.run_id is not None:
        return reverse("admin:automate_core_executionrun_change", args=[file.run_id])
    return reverse("admin:automate_core_event_change", args=[file.event_id]) if file.event_id is not None else ""


def _versions(keys: Sequence[str]) -> list[FoundLink]:
    versions = WorkflowVersion.objects.select_related("workflow").defer("definition").in_bulk(list(map(int, keys)))
    return [
        FoundLink(f"{version.workflow.name} {version}", reverse("studio:versions", args=[version.workflow_id]))
        for version in versions.values()
    ]


def _entries(keys: Sequence[str]) -> list[FoundLink]:
    entries = AuditEntry.objects.in_bulk(list(map(int, keys)))
    url = reverse("admin:automate_governance_auditentry_changelist")
    return [
        FoundLink(action_label(entry.verb), f"{url}?about={entry.object_type}:{entry.object_id}")
        for entry in entries.values()
    ]


def _admin_pages(model: type[Model]) -> Callable[[Sequence[str]], list[FoundLink]]:
    def make(keys: Sequence[str]) -> list[FoundLink]:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}_change"
        return [FoundLink(str(each), reverse(name, args=[each.pk])) for each in model._base_manager.filter(pk__in=keys)]

    return make


_LINKS: dict[str, Callable[[Sequence[str]], list[FoundLink]]] = {
    "unit": _units,
    "file": _files,
    "version": _versions,
    "entry": _entries,
    "actor": _entries,
    "draft": _admin_pages(Workflow),
    "connection": _admin_pages(Connection),
    "webhook": _admin_pages(WebhookEndpoint),
    BACKUPS: lambda keys: [FoundLink(name) for name in keys],
}

"""The list of declared connectors: their state, their use, and the person's drafts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec
from django.utils.translation import gettext as _

from automate_connectors.registry import connectors
from automate_connectors.stored.edits import read_value
from automate_connectors.stored.models import DeclaredConnector, DeclaredConnectorDraft
from automate_governance.permissions import User
from automate_governance.redaction.site_secrets import mask_site_secrets
from automate_governance.texts import translated
from automate_plugins import text
from automate_ui.navigation.lists import ListPage, Query, build_list_page, list_query, page_slice
from automate_ui.objects.where_used import UsageSummary, where_used

TABS = {"": text("All"), "enabled": text("Enabled"), "disabled": text("Disabled"), "faulty": text("Not loaded")}


@dataclass(frozen=True, kw_only=True)
class ConnectorSummary:
    """Description and state of a connector. `fault` says why it is not loaded."""

    connector: DeclaredConnector
    name: str
    description: str
    icon: str
    hue: int
    fault: str = ""

    @property
    def tab(self) -> str:
        """The tab that it is in."""
        return "faulty" if self.fault else "enabled" if self.connector.enabled else "disabled"

    @property
    def state(self) -> str:
        """State whose glyph and colour are shown."""
        return {"faulty": "failed", "disabled": "skipped"}.get(self.tab, "succeeded")

    @property
    def word(self) -> str:
        """State in words."""
        return translated(TABS[self.tab])


@dataclass(frozen=True, kw_only=True)
class ConnectorRow:
    """A connector in the list."""

    summary: ConnectorSummary
    used: UsageSummary


@dataclass(frozen=True, kw_only=True)
class DraftRow:
    """A draft above the list."""

    draft: DeclaredConnectorDraft
    name: str


def build_summary(connector: DeclaredConnector) -> ConnectorSummary:
    """The connector as its current version describes it."""
    value: dict[str, Any] = msgspec.json.decode(connector.current.definition) if connector.current else {}
    hue = value.get("hue")
    return ConnectorSummary(
        connector=connector,
        name=str(value.get("name") or connector.code),
        description=str(value.get("description") or ""),
        icon=str(value.get("icon") or "power"),
        hue=hue if isinstance(hue, int) else 250,
        fault=_fault(connector) if connector.enabled else "",
    )


def _fault(connector: DeclaredConnector) -> str:
    faults = [each.error for each in connectors.plugins if each.name == connector.code and each.error]
    if faults:
        return mask_site_secrets(translated(faults[0]))
    if connector.code not in connectors.names():
        return _("The setting %(setting)s does not list it.") % {"setting": "AUTOMATE_CONNECTORS"}
    return ""


def connector_page(user: User, query: Query) -> ListPage:
    """A page of the connectors, by name."""
    kept = list_query(query, TABS)
    every = [build_summary(each) for each in DeclaredConnector.objects.select_related("current__author")]
    words = kept.search.lower().split()
    found = [each for each in every if all(word in _search_text(each) for word in words)]
    counts = {tab: sum(each.tab == tab for each in found) for tab in TABS} | {"": len(found)}
    by_name = sorted(found, key=lambda each: (each.name.lower(), each.connector.code))
    shown = [each for each in by_name if kept.tab in {"", each.tab}][page_slice(kept, counts.get(kept.tab, 0))]
    return build_list_page(kept, _rows(user, shown), counts, tabs=TABS, filters=[])


def _search_text(summary: ConnectorSummary) -> str:
    return f"{summary.name} {summary.description} {summary.connector.code}".lower()


def _rows(user: User, shown: Iterable[ConnectorSummary]) -> list[ConnectorRow]:
    listed = list(shown)
    used = where_used(user, [each.connector for each in listed])
    return [ConnectorRow(summary=each, used=used[each.connector.pk]) for each in listed]


def draft_rows(user: User) -> list[DraftRow]:
    """The person's drafts, the newest first."""
    drafts = DeclaredConnectorDraft.objects.filter(author=user.pk).select_related("connector")
    return [DraftRow(draft=each, name=draft_name(each)) for each in drafts]


def draft_name(draft: DeclaredConnectorDraft) -> str:
    """Name of a draft: from its text, or the connector's code."""
    name = read_value(draft).get("name")
    return str(name)[:100] if name else draft.connector.code if draft.connector else _("New connector")

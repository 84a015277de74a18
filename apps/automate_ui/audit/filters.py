"""Filters of the audit trail: person, object, verb, time to the second, and text in the values."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from functools import reduce
from operator import or_

from django.db.models import Q
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from automate_governance.people.origin import Source
from automate_governance.texts import translated
from automate_operations.queries.audit_search import AuditSearch
from automate_plugins import text
from automate_ui.audit.actions import codes_labelled, recorded_actions
from automate_ui.navigation.http import clean_text
from automate_ui.navigation.lists import FilterChoice, Query

NAMES = ("entry", "who", "verb", "kind", "about", "source", "since", "until", "q", "trace")
KINDS = {
    "automate_core.workflow": text("Workflow"),
    "automate_core.executionrun": text("Run"),
    "automate_core.event": text("Event"),
    "automate_connectors.connection": text("Connection"),
    "automate_governance.storedsecret": text("Secret"),
    "automate_core.webhookendpoint": text("Webhook endpoint"),
    "automate_core.notificationrule": text("Notification rule"),
    "automate_core.bulkaction": text("Bulk action"),
    "automate_core.erasure": text("Erasure"),
    "automate_llm.llmbudget": text("Model budget"),
    "automate_api.apitoken": text("API token"),
    "automate_api.serviceaccount": text("Service account"),
    "auth.user": text("User"),
    "auth.group": text("Group"),
    "automate_governance.sitepermission": text("This site"),
}


@dataclass(frozen=True)
class AuditFilters(AuditSearch):
    """Filters of the list, and problems of unreadable ones."""

    problems: list[str] = field(default_factory=list)

    @property
    def actions(self) -> list[tuple[str, str]]:
        """Recorded codes with their labels."""
        return recorded_actions()

    def verb_condition(self, verb: str) -> Q:
        """A part of an action's code, or of its name in the active language."""
        labelled = [Q(verb=code) if "." in code else Q(verb__endswith=f".{code}") for code in codes_labelled(verb)]
        return reduce(or_, labelled, Q(verb__icontains=verb.replace(" ", "_")))

    @property
    def choices(self) -> list[FilterChoice]:
        """Options of the select fields."""
        kinds, sources = (
            [(code, translated(name)) for code, name in KINDS.items()],
            [(each.value, str(each.label)) for each in Source],
        )
        return [
            FilterChoice(name="kind", label=_("Kind"), value=self.params.get("kind", ""), options=kinds),
            FilterChoice(name="source", label=_("Source"), value=self.params.get("source", ""), options=sources),
        ]


def parse_audit_filters(query: Query) -> AuditFilters:
    """Filters of a query."""
    kept = {name: given for name in NAMES if (given := clean_text(query.get(name))[:200])}
    problems: list[str] = []
    number = kept.get("entry", "").removeprefix("#")
    if number and not (number.isdecimal() and number.isascii()):
        problems.append(_("Invalid entry number “%(value)s”. Enter a whole number.") % {"value": kept["entry"]})
    elif number:
        kept["entry"] = number
    since, until = (_parse_moment(kept, name, problems) for name in ("since", "until"))
    return AuditFilters(kept, since, until, problems=problems)


def _parse_moment(kept: dict[str, str], name: str, problems: list[str]) -> dt.datetime | None:
    if name not in kept:
        return None
    try:
        found = parse_datetime(kept[name])
    except ValueError:
        found = None
    if found is None:
        problems.append(_("Invalid time “%(value)s”. Enter it as 2026-05-31T12:00:30.") % {"value": kept[name]})
        return None
    return found if timezone.is_aware(found) else timezone.make_aware(found)

"""Triggers of all published workflows that a person may view: last and next start, and what is wrong."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _

from automate_authoring.drafts.parsing import parse_trigger
from automate_core.events import event_types, run_rights
from automate_core.models import ActiveTrigger, PollState, Schedule, ServiceWebhook, Trigger, Workflow
from automate_governance.permissions import User, permitted
from automate_governance.texts import translated
from automate_operations.queries.trigger_starts import last_starts
from automate_plugins import text
from automate_studio.view_models.connector_status import poll_status, webhook_status
from automate_studio.view_models.step_card import trigger_icon
from automate_ui.describe import TRIGGER_KINDS, describe_trigger
from automate_ui.formatting import as_sentence
from automate_ui.navigation.lists import (
    ListPage,
    ListQuery,
    Query,
    build_list_page,
    filter_choice,
    list_query,
    page_slice,
)

TABS = {"": text("All"), "failing": text("Failing"), "paused": text("Paused")}
_ORIGINS = {Trigger.Kind.EVENT.value: event_types.SOURCES}  #: of their runs, where these have other names


@dataclass(frozen=True, kw_only=True)
class TriggerRow:
    """A trigger in the list. `last_at` is the last start of its kind, `trouble` a sentence; empty without any."""

    workflow: Workflow
    name: str
    detail: str
    icon: str
    last_at: dt.datetime | None
    next_at: dt.datetime | None
    trouble: str

    @property
    def state(self) -> str:
        """State whose glyph and colour are shown."""
        if self.trouble:
            return "failed"
        return "waiting" if self.workflow.status == Workflow.Status.PAUSED else "succeeded"

    @property
    def word(self) -> str:
        """State in words."""
        if self.trouble:
            return _("Trouble")
        return _("Paused") if self.workflow.status == Workflow.Status.PAUSED else _("Active")


def trigger_page(user: User, query: Query) -> ListPage:
    """A page of the triggers, by workflow."""
    kept = list_query(query, TABS, "kind", known={"kind": TRIGGER_KINDS})
    found = _filtered(_published(user), kept)
    by_tab = {"": found, "failing": found.filter(_is_failing()), "paused": found.filter(workflow__status="paused")}
    counts = {tab: rows.count() for tab, rows in by_tab.items()}
    shown = by_tab[kept.tab].select_related("workflow").order_by("workflow__name", "workflow", "pk")
    rows = _rows(list(shown[page_slice(kept, counts[kept.tab])]))
    kinds = [(kind, translated(label)) for kind, label in TRIGGER_KINDS.items()]
    return build_list_page(kept, rows, counts, tabs=TABS, filters=[filter_choice(kept, "kind", _("Type"), kinds)])


def _published(user: User) -> QuerySet[ActiveTrigger]:
    """Declared triggers of workflows that run, without the entries for manual starts, calls and agents."""
    running = Workflow.objects.filter(status__in=[Workflow.Status.ACTIVE, Workflow.Status.PAUSED])
    found = ActiveTrigger.objects.filter(workflow__in=permitted(user, "view", running), kind__in=TRIGGER_KINDS)
    return found.exclude(kind=Trigger.Kind.MANUAL, event_type="").exclude(source__startswith="mcp:")


def _filtered(found: QuerySet[ActiveTrigger], kept: ListQuery) -> QuerySet[ActiveTrigger]:
    if kind := kept.values.get("kind"):
        found = found.filter(kind=kind)
    if search := kept.search:
        named = Q(workflow__name__icontains=search) | Q(workflow__slug__icontains=search)
        starts = Q(source__icontains=search) | Q(event_type__icontains=search) | Q(config__icontains=search)
        found = found.filter(named | starts)
    return found


def _is_failing() -> Q:
    failed = {"workflow": OuterRef("workflow"), "key": OuterRef("key"), "failures__gt": 0}
    polls = Q(Exists(PollState.objects.filter(**failed)), kind=Trigger.Kind.POLL)
    webhooks = ServiceWebhook.objects.filter(**failed).exclude(state=ServiceWebhook.State.REMOVING)
    return polls | Q(Exists(webhooks), kind=Trigger.Kind.SERVICE)


def _rows(found: list[ActiveTrigger]) -> list[TriggerRow]:
    """The rows, in a fixed number of queries."""
    workflows = {trigger.workflow_id for trigger in found}
    starts = last_starts(workflows)
    schedules = _by_trigger(Schedule.objects.filter(workflow__in=workflows))
    polls = _by_trigger(PollState.objects.filter(workflow__in=workflows).defer("cursor", "seen", "inputs"))
    webhooks = ServiceWebhook.objects.filter(workflow__in=workflows).exclude(state=ServiceWebhook.State.REMOVING)
    services = _by_trigger(webhooks.defer("data", "inputs"))
    refusals = run_rights.trigger_refusals([trigger.pk for trigger in found]) if found else {}
    return [_row(trigger, starts, schedules, polls, services, refusals.get(trigger.pk, "")) for trigger in found]


def _by_trigger[M: (Schedule, PollState, ServiceWebhook)](found: Iterable[M]) -> dict[tuple[int, str], M]:
    return {(each.workflow_id or 0, each.key): each for each in found}


def _row(
    trigger: ActiveTrigger,
    starts: dict[tuple[int, str], dt.datetime],
    schedules: dict[tuple[int, str], Schedule],
    polls: dict[tuple[int, str], PollState],
    services: dict[tuple[int, str], ServiceWebhook],
    refusal: str,
) -> TriggerRow:
    part = parse_trigger({"kind": trigger.kind, "key": trigger.key, **trigger.config})
    name, detail = describe_trigger(part)
    at = trigger.workflow_id, trigger.key
    origins = _ORIGINS.get(trigger.kind, (trigger.kind,))
    started = [starts[trigger.workflow_id, origin] for origin in origins if (trigger.workflow_id, origin) in starts]
    last_at, next_at = max(started, default=None), None
    trouble = as_sentence(translated(refusal)) if refusal else ""
    if trigger.kind == Trigger.Kind.SCHEDULE and at in schedules:
        next_at = schedules[at].next_at
    elif trigger.kind == Trigger.Kind.POLL and at in polls:
        status = poll_status(polls[at], trigger.workflow.status)
        last_at, next_at, trouble = status.found_at, status.next_at, trouble or status.trouble
    elif trigger.kind == Trigger.Kind.SERVICE and at in services:
        trouble = trouble or webhook_status(services[at]).trouble
    return TriggerRow(
        workflow=trigger.workflow,
        name=name,
        detail=detail,
        icon=trigger_icon(part),
        last_at=last_at,
        next_at=next_at,
        trouble=trouble,
    )

"""Shadow evaluation: which of the events that came in lately a draft would take, beside what is published, and where
its branches would send them.

No step with an effect runs. The triggers' own conditions and filters decide, by the code that matches events.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from operator import or_

import msgspec
from django.db.models import Q

from automate_authoring import usability
from automate_authoring.publishing import route_preview
from automate_authoring.publishing.route_preview import BranchCount, RouteChange
from automate_core.definition.document import Definition, EventTrigger, Trigger
from automate_core.definition.published import published_definition
from automate_core.events.endpoints import source_condition
from automate_core.events.matching import Candidate, RuleEngine, decode_rule
from automate_core.events.scope import event_scope
from automate_core.expressions.json_logic import RuleError
from automate_core.models import Event, Workflow
from automate_core.runs.activation import trigger_columns
from automate_governance.permissions import Person, can

EVENTS = 50  #: the newest ones of the triggers' sources that are tried
LOOK_BACK = 20_000  #: among so many newest events of the site: there is no index by source and time


@dataclass(frozen=True)
class EvaluatedEvent:
    """An event, and whether it starts the workflow as it is published and as it is drafted.

    `route_changes` are the branches at which it takes another route, as far as that is known.
    """

    id: str
    source: str
    type: str
    received_at: dt.datetime
    before: bool
    now: bool
    route_changes: tuple[RouteChange, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ShadowEvaluation:
    """Result of an evaluation. `hidden` are the sources left out because the person may not read their events."""

    events: list[EvaluatedEvent]
    hidden: list[str]
    branches: list[BranchCount]

    @property
    def before(self) -> int:
        """Number of events that start the published version."""
        return sum(each.before for each in self.events)

    @property
    def now(self) -> int:
        """Number of events that would start the draft."""
        return sum(each.now for each in self.events)

    @property
    def changed_events(self) -> list[EvaluatedEvent]:
        """Events that the draft treats differently."""
        return [each for each in self.events if each.before != each.now or each.route_changes]

    @property
    def rerouted(self) -> int:
        """Number of events that take another route at one of the branches."""
        return sum(bool(each.route_changes) for each in self.events)


def evaluate_draft(workflow: Workflow, draft: Definition, *, by: Person) -> ShadowEvaluation | None:
    """Try the newest events of both versions' sources; None when the person may not see the workflow's payloads.

    A filter tells something of what it is tried on: of each source, the person needs what reading its events takes.
    """
    if not can(by, "view_payload", workflow):
        return None
    published = published_definition(workflow)
    parts = [*draft.triggers, *(published.triggers if published else ())]
    hidden = {trigger_source(part, workflow) for part in parts if any(usability.unreadable(part, "", [by]))}
    events = _newest([part for part in parts if trigger_source(part, workflow) not in hidden], workflow)
    scopes = [{"event": event_scope(event)} for event in events]
    engine = RuleEngine()
    before = engine.match_candidates(scopes, _candidates(published.triggers if published else (), workflow))
    now = engine.match_candidates(scopes, _candidates(draft.triggers, workflow))
    started = [(scope["event"], was, is_now) for scope, was, is_now in zip(scopes, before, now, strict=True)]
    preview = route_preview.preview_routes(published, draft, started)
    evaluated = [
        EvaluatedEvent(str(event.id), event.source, event.type, event.received_at, was, is_now, tuple(changes))
        for event, was, is_now, changes in zip(events, before, now, preview.changes, strict=True)
    ]
    return ShadowEvaluation(events=evaluated, hidden=sorted(hidden), branches=preview.branches)


def would_match(part: Trigger, workflow: Workflow, event: Event) -> bool:
    """Whether a trigger of the workflow would take an event, by its type and its filter."""
    return RuleEngine().match_candidates([{"event": event_scope(event)}], _candidates([part], workflow))[0]


def trigger_source(part: Trigger, workflow: Workflow) -> str:
    """The source of the events that a trigger of the workflow looks at."""
    return part.matches[0] or f"{part.__struct_config__.tag}:{workflow.slug}"


def event_filter(part: Trigger, workflow: Workflow) -> Q:
    """What the ORM asks of an event to be one of that source; of what code emits, of the trigger's own type alone."""
    found = source_condition(trigger_source(part, workflow))
    return found & Q(type=part.event) if isinstance(part, EventTrigger) else found


def _newest(parts: list[Trigger], workflow: Workflow) -> list[Event]:
    """Newest first; ids are in the order in which events came."""
    if not parts:
        return []
    newest = Event.objects.filter(emptied_at=None).order_by("-id")
    edge = newest.values_list("id", flat=True)[LOOK_BACK : LOOK_BACK + 1].first()
    found = newest.filter(reduce(or_, [event_filter(part, workflow) for part in parts]))
    return list((found.filter(id__gt=edge) if edge else found)[:EVENTS])


def _candidates(triggers: Iterable[Trigger], workflow: Workflow) -> list[Candidate]:
    """The triggers as the match index would hold them; one whose filter cannot be read yet takes nothing."""
    found = []
    for part in triggers:
        if part.disabled:
            continue
        columns = trigger_columns(part)
        text = None if columns["filter"] is None else msgspec.json.encode(columns["filter"]).decode()
        try:
            if text is not None:
                decode_rule(text)
        except RuleError:
            continue
        found.append(
            Candidate(
                source=trigger_source(part, workflow),
                event_type=part.matches[1],
                workflow_id=workflow.pk,
                kind=columns["kind"],
                config=msgspec.json.encode(columns["config"]).decode(),
                filter=text,
                slug=workflow.slug,
            )
        )
    return found

"""Access to events and their payloads.

An event of an endpoint follows that endpoint, by its key; when the endpoint is deleted, people who may access any
endpoint, and operators of the site for viewing without the payload. An event of a workflow (a manual start, that of an
agent, an answer to a form, a message, a schedule, a poll, a service webhook, a call, or the end of a run) follows that
workflow, and one of a model that model. One of the host's code, or sent in its name, is visible to operators and to
people with workflows who may listen to its type. Besides, everybody who may view a run may view the event that started
it.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.expressions import Combinable

from automate_core.events import endpoints as of_endpoints
from automate_core.events import event_types
from automate_core.events.newest_ids import LEAST, EventSources
from automate_core.models import ActiveTrigger, Event, ExecutionRun, WebhookEndpoint, Workflow
from automate_core.triggers.model_registry import view_permission, watched_models
from automate_governance.permissions import (
    SITE,
    User,
    can,
    has_scope,
    holds_anywhere,
    holds_for_any,
    is_narrowed,
    narrowed_workflows,
    permitted,
)

#: What the sources of a workflow's own events begin with.
WORKFLOW_KINDS = ("manual", "mcp", "schedule", "poll", "service", "call", "run", "form", "mail")
COPY_KINDS = ("retry", "test")  #: and those of events that were made for one run, and matched against nothing


@dataclass(frozen=True, kw_only=True)
class EventAccess:
    """The events on which a person may do a verb: all of `sources`, or those of the types given there.

    `endpoints` maps keys to sources: all events of these are accessible, whatever source the event names. Of the
    sources in `partly` and `partly_endpoints`, only events that started a run of one of the `workflows` are.
    """

    everything: bool
    sources: Mapping[str, frozenset[str] | None]
    endpoints: Mapping[int, str]
    partly: frozenset[str]
    partly_endpoints: Mapping[int, str]
    workflows: QuerySet[Workflow]

    @property
    def is_empty(self) -> bool:
        """Whether no event is accessible."""
        return not (self.everything or self.names)

    @property
    def is_partial(self) -> bool:
        """Whether some events of these sources are not accessible, so that `condition` is needed."""
        return not self.everything and bool(self.partly or self.partly_endpoints or any(self.sources.values()))

    @property
    def names(self) -> set[str]:
        """All sources with accessible events."""
        return {*self.sources, *self.partly, *self.endpoints.values(), *self.partly_endpoints.values()}

    def covers(self, event: Event) -> bool:
        """Whether the event is accessible by its source, type or endpoint."""
        if self.everything or event.endpoint_id:
            return self.everything or event.endpoint_id in self.endpoints
        types = self.sources.get(event.source, frozenset())
        return types is None or event.type in types

    def limited_to(self, sources: Collection[str]) -> EventAccess:
        """The access to events of some sources alone."""
        known = {source: None if self.everything else self.sources[source] for source in sources if self._has(source)}
        return replace(
            self,
            everything=False,
            sources=known,
            endpoints={key: source for key, source in self.endpoints.items() if source in sources},
            partly=self.partly.intersection(sources) - known.keys(),
            partly_endpoints={key: source for key, source in self.partly_endpoints.items() if source in sources},
        )

    def _has(self, source: str) -> bool:
        return self.everything or source in self.sources

    def condition(self) -> Q:
        """The condition of the ORM for accessible events."""
        if self.everything:
            return Q()
        wholly = [source for source, types in self.sources.items() if types is None]
        found = Q(endpoint_id__in=list(self.endpoints)) | Q(source__in=wholly, endpoint_id=0)
        for source, types in self.sources.items():
            if types is not None:
                found |= Q(source=source, type__in=types)
        return found | Q(has_started_run(self.workflows))

    def newest(
        self, most: int, *, below: uuid.UUID | None = None, above: uuid.UUID | None = None, rising: bool = False
    ) -> list[uuid.UUID]:
        """The ids of the newest events of these sources, or with `rising` of the oldest, between two ids.

        Ids of partly accessible sources are all included: filter them by `condition`.
        """
        origins = EventSources(
            everything=self.everything,
            sources={**self.sources, **dict.fromkeys(self.partly)},
            endpoints=[*self.endpoints, *self.partly_endpoints],
        )
        return origins.newest(most, below=below, above=above, rising=rising)


def find_event_access(user: User, verb: str, event: Event | None = None) -> EventAccess:
    """The access of `user` to events for `verb`, `view` or `view_payload`; for one event, as far as that event needs.

    Five queries at most.
    """
    workflows = permitted(user, verb, Workflow.objects.all())
    listening = ActiveTrigger.objects.filter(workflow__in=workflows)
    known = _workflow_sources(workflows, event)
    is_limited = narrowed_workflows(user) is not None  # to some workflows, and their own events
    operates = verb == "view" and not is_limited and can(user, "operate", SITE)
    listens = not is_limited and has_scope(user, f"workflow:{verb}")
    listening = listening.filter(source=event_types.trigger_source(event.source)) if event else listening
    listened = set(listening.values_list("source", "event_type"))
    has_types = listens and holds_anywhere(user, verb, Workflow)
    types = frozenset(event_types.permitted_types(user)) if has_types else frozenset()
    if operates or types:
        known |= dict.fromkeys(event_types.SOURCES, None if operates else types)
    for entry in watched_models():
        if operates or (listens and user.has_perm(view_permission(entry.label))):
            known[entry.source] = None
    endpoints = _accessible_endpoints(
        user, verb, event, with_deleted=operates or holds_for_any(user, verb, WebhookEndpoint)
    )
    partly = _event_sources(origin for origin, _ in listened) - known.keys()
    partly_endpoints = of_endpoints.endpoints_of_sources(partly)
    return EventAccess(
        everything=user.is_active and user.is_superuser and not is_narrowed(user),
        sources={origin: known[origin] for origin in known if event is None or origin == event.source},
        endpoints=endpoints,
        partly=frozenset(origin for origin in partly if not origin.startswith("webhook:")),
        partly_endpoints={key: partly_endpoints[key] for key in partly_endpoints.keys() - endpoints.keys()},
        workflows=workflows,
    )


def _event_sources(trigger_sources: Iterable[str]) -> frozenset[str]:
    """The sources of the events that triggers of these sources take."""
    found = frozenset(trigger_sources)
    return found | frozenset(event_types.SOURCES) if event_types.SOURCE in found else found


def _workflow_sources(workflows: QuerySet[Workflow], event: Event | None) -> dict[str, frozenset[str] | None]:
    """The sources of the workflows' own events."""
    named = workflows.filter(slug=event.source.partition(":")[2]) if event else workflows
    return {f"{own}:{slug}": None for slug in named.values_list("slug", flat=True) for own in WORKFLOW_KINDS}


def _accessible_endpoints(user: User, verb: str, event: Event | None, *, with_deleted: bool) -> dict[int, str]:
    """Accessible endpoints with their sources; with `with_deleted` also deleted ones that left events."""
    endpoints = permitted(user, verb, WebhookEndpoint.objects.only("slug"))
    found = endpoints.filter(pk=event.endpoint_id) if event else endpoints
    known = {endpoint.pk: endpoint.source for endpoint in found} if event is None or event.endpoint_id else {}
    if not with_deleted:
        return known
    if event is None:
        return known | of_endpoints.deleted_endpoints()
    return known | ({event.endpoint_id: event.source} if of_endpoints.is_deleted_endpoint(event.endpoint_id) else {})


def may_access_event(user: User, verb: str, event: Event) -> bool:
    """Whether `user` may `view` an event, or `view_payload` of it."""
    if find_event_access(user, verb, event).covers(event):
        return True
    kind, _, name = event.source.partition(":")
    runs = permitted(user, verb, ExecutionRun.objects.all())
    if kind == "test":
        return permitted(user, verb, Workflow.objects.filter(slug=name)).exists()
    if kind == "retry":
        return runs.filter(pk=_parse_id(name)).exists()
    return runs.filter(event=event, cause=ExecutionRun.Cause.TRIGGER).exists()


def has_started_run(workflows: QuerySet[Workflow] | None = None) -> Exists:
    """The condition that an event of the outer query started a run, of one of these workflows."""
    return Exists(_started_runs(workflows))


def started_run_ids(user: User, most: int) -> Combinable:
    """The ids of the runs that an event of the outer query started and `user` may view, at most `most`."""
    return ArraySubquery(permitted(user, "view", _started_runs(None)).order_by("pk").values("pk")[:most])


def _started_runs(workflows: QuerySet[Workflow] | None) -> QuerySet[ExecutionRun]:
    runs = ExecutionRun.objects.filter(event=OuterRef("pk"), cause=ExecutionRun.Cause.TRIGGER)
    return runs if workflows is None else runs.filter(workflow__in=workflows)


def _parse_id(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        return LEAST


def may_list_events(user: User) -> bool:
    """Whether this person has access to any events at all."""
    return (
        holds_anywhere(user, "view", Workflow)
        or holds_anywhere(user, "view", WebhookEndpoint)
        or can(user, "operate", SITE)
    )

"""Who may know of an event, and read what it carries.

An event of an endpoint follows the endpoint, one of a workflow (started by hand or by time, called, or the end of one
of its runs) that workflow, and one of a model that model. One of the host's code is known to those who operate the site
and to those who know a workflow that starts from its type. Besides, whoever may know a run that it started may know it.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import msgspec
from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.expressions import Combinable

from automate_core import database
from automate_core.models import ActiveTrigger, Event, ExecutionRun, WebhookEndpoint, Workflow
from automate_core.watched import view_permission, watched
from automate_governance.permissions import SITE, User, can, permitted

OWN = ("manual", "schedule", "call", "run")  #: what the sources of a workflow's own events begin with
COPIES = ("retry", "test")  #: and those of events that were made for one run, and matched against nothing

#: Entries of the index that are read source by source; else the newest events are gone through.
MOST_LOOKED_UP = 200_000

# Compared by rows, so that no other index has the order that is asked for: the planner would go through all events by
# key for a source that it takes to be common.
_BY_SOURCE = """
SELECT found.id FROM json_to_recordset(%(sources)s::json) AS s(source text, types text[])
CROSS JOIN LATERAL (
    SELECT event.id FROM automate_core_event event
    WHERE (event.source, event.id) < (s.source, %(below)s) AND (event.source, event.id) > (s.source, %(above)s)
        AND (s.types IS NULL OR event.type = ANY(s.types))
    ORDER BY event.source {order}, event.id {order} LIMIT %(most)s
) found
ORDER BY found.id {order} LIMIT %(most)s
"""
_BY_TIME = """
SELECT event.id FROM automate_core_event event
WHERE event.id < %(below)s AND event.id > %(above)s AND event.source !~ '^(retry|test):'
    AND (%(everything)s OR event.source = ANY(%(names)s))
ORDER BY event.id {order} LIMIT %(most)s
"""
_STATEMENTS = {
    (by_time, is_rising): statement.format(order="" if is_rising else "DESC")
    for by_time, statement in ((False, _BY_SOURCE), (True, _BY_TIME))
    for is_rising in (False, True)
}
_LEAST, _MOST = uuid.UUID(int=0), uuid.UUID(int=2**128 - 1)


@dataclass(frozen=True, kw_only=True)
class Reach:
    """The events on which a person may do a verb. `sources` are theirs wholly, or in those types.

    Of the sources in `partly` they may know what started a run of one of the `workflows`.
    """

    everything: bool
    sources: Mapping[str, frozenset[str] | None]
    partly: frozenset[str]
    workflows: QuerySet[Workflow]

    @property
    def is_empty(self) -> bool:
        """Whether there can be no such event."""
        return not (self.everything or self.sources or self.partly)

    @property
    def is_partial(self) -> bool:
        """Whether not all events of these sources are within reach, so that `condition` has to be asked."""
        return not self.everything and bool(self.partly or any(self.sources.values()))

    def covers(self, event: Event) -> bool:
        """Whether the event is one of them by its source."""
        types = self.sources.get(event.source, frozenset())
        return self.everything or types is None or event.type in types

    def among(self, sources: Collection[str]) -> Reach:
        """Those of some sources."""
        known = {source: None if self.everything else self.sources[source] for source in sources if self._has(source)}
        return replace(self, everything=False, sources=known, partly=self.partly.intersection(sources) - known.keys())

    def _has(self, source: str) -> bool:
        return self.everything or source in self.sources

    def condition(self) -> Q:
        """What the ORM asks of an event to be one of them."""
        if self.everything:
            return Q()
        wholly = [source for source, types in self.sources.items() if types is None]
        found = Q(source__in=wholly)
        for source, types in self.sources.items():
            if types is not None:
                found |= Q(source=source, type__in=types)
        return found | Q(started(self.workflows))

    def newest(
        self, most: int, *, below: uuid.UUID | None = None, above: uuid.UUID | None = None, rising: bool = False
    ) -> list[uuid.UUID]:
        """The keys of the newest events of these sources, or with `rising` of the oldest, between two keys.

        Of the sources in `partly` all are there: `condition` says which of them are within reach.
        """
        values = {"below": below or _MOST, "above": above or _LEAST, "most": most}
        names = [*self.sources, *self.partly]
        by_time = self.everything or len(names) * most > MOST_LOOKED_UP
        if by_time:
            values |= {"everything": self.everything, "names": names}
        else:
            listed = [{"source": source, "types": types} for source, types in self.sources.items()]
            listed += [{"source": source, "types": None} for source in self.partly]
            values["sources"] = msgspec.json.encode(listed).decode()
        return [row.id for row in database.run(None, _STATEMENTS[by_time, rising], values)]


def reach(user: User, verb: str, source: str = "") -> Reach:
    """The events on which `user` may do `verb`, `view` or `view_payload`; those of one source alone if it is given.

    Three queries, whatever there is.
    """
    name = source.partition(":")[2]
    workflows = permitted(user, verb, Workflow.objects.all())
    endpoints = permitted(user, verb, WebhookEndpoint.objects.all())
    named = workflows.filter(slug=name) if source else workflows
    listening = ActiveTrigger.objects.filter(workflow__in=workflows)
    if source:
        endpoints, listening = endpoints.filter(slug=name), listening.filter(source=source)
    known: dict[str, frozenset[str] | None] = {
        f"webhook:{slug}": None for slug in endpoints.values_list("slug", flat=True)
    }
    for slug in named.values_list("slug", flat=True):
        known |= {f"{own}:{slug}": None for own in OWN}
    operates = verb == "view" and can(user, "operate", SITE)
    for entry in watched():
        if operates or user.has_perm(view_permission(entry.label)):
            known[entry.source] = None
    listened = set(listening.values_list("source", "event_type"))
    types = frozenset(kind for origin, kind in listened if origin == "app")
    if operates or types:
        known["app"] = None if operates else types
    return Reach(
        everything=user.is_active and user.is_superuser,
        sources={origin: known[origin] for origin in known if not source or origin == source},
        partly=frozenset(origin for origin, _ in listened) - known.keys(),
        workflows=workflows,
    )


def may(user: User, verb: str, event: Event) -> bool:
    """Whether `user` may `view` an event, or `view_payload` of it."""
    if reach(user, verb, event.source).covers(event):
        return True
    kind, _, name = event.source.partition(":")
    runs = permitted(user, verb, ExecutionRun.objects.all())
    if kind == "test":
        return permitted(user, verb, Workflow.objects.filter(slug=name)).exists()
    if kind == "retry":
        return runs.filter(pk=_key(name)).exists()
    return runs.filter(event=event, cause=ExecutionRun.Cause.TRIGGER).exists()


def started(workflows: QuerySet[Workflow] | None = None) -> Exists:
    """Of an event of the query around it: whether it started a run, of one of these workflows."""
    return Exists(_started(workflows))


def runs_started(user: User, most: int) -> Combinable:
    """Of an event of the query around it: the keys of the runs that it started and `user` may view, at most so many."""
    return ArraySubquery(permitted(user, "view", _started(None)).order_by("pk").values("pk")[:most])


def _started(workflows: QuerySet[Workflow] | None) -> QuerySet[ExecutionRun]:
    runs = ExecutionRun.objects.filter(event=OuterRef("pk"), cause=ExecutionRun.Cause.TRIGGER)
    return runs if workflows is None else runs.filter(workflow__in=workflows)


def _key(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        return _LEAST

"""Search of runs by filters, among those that a person may view.

Permissions are resolved first: the workflows that a person may view, or whose payloads they may view where a filter
reads payloads.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace

from django.contrib.postgres.search import SearchQuery
from django.db.models import CharField, QuerySet
from django.db.models.functions import Cast, Right

from automate_core.events import search_terms
from automate_core.ids import first_uuid7
from automate_core.models import BulkItem, ExecutionRun, SearchTerm, Workflow, WorkflowVersion
from automate_core.models.fields import Words
from automate_core.states import RunStatus
from automate_governance.permissions import User, holds_for_any, permitted
from automate_operations.queries import run_conditions, run_keyset
from automate_operations.queries.run_filters import TABS, WITH_ERRORS, RunFilters
from automate_operations.queries.run_keyset import RunScan
from automate_operations.queries.trace_ids import TRACE_BEGINNING, hexadecimal

MOST_KNOWN = 200  #: workflows to choose from, for those who may know all
MOST_NAMED = 500  #: runs that a trace, or the end of an id, may stand for
LAST = uuid.UUID(int=2**128 - 1)
FIRST = uuid.UUID(int=0)


@dataclass(frozen=True, kw_only=True)
class KnownWorkflow:
    """A workflow that a person may view."""

    pk: int
    slug: str
    name: str
    search_terms: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class FoundRuns:
    """Ids in order. `scanned_to` is where the scan stopped, when that was before the end."""

    ids: list[uuid.UUID]
    scanned_to: uuid.UUID | None = None


class RunSearch:
    """Runs that `user` may view and `filters` match, none newer than `upto`."""

    def __init__(self, user: User, filters: RunFilters, now: dt.datetime, *, upto: uuid.UUID = LAST) -> None:
        self.user = user
        self.filters = filters
        self.may_see_all = holds_for_any(user, "view", Workflow)
        self.known = _known_workflows(user, limited=self.may_see_all)
        start, end = filters.period(now)
        self.above = key_before(start) if start else FIRST
        self.below = min(first_uuid7(end) if end else LAST, uuid.UUID(int=min(upto.int + 1, LAST.int)))
        self.scans = [scan.in_ranges() for scan in self._build_scans() if not scan.is_empty]

    def newer_than(self, key: uuid.UUID, most: int) -> FoundRuns:
        """The oldest ones above `key`, oldest first."""
        return self._find(most, above=max(key, self.above), below=self.below, newest_first=False)

    def older_than(self, key: uuid.UUID, most: int) -> FoundRuns:
        """The newest ones below `key`, newest first."""
        return self._find(most, above=self.above, below=min(key, self.below), newest_first=True)

    def walk(self, batch: int, most: int | None = None) -> Iterator[list[uuid.UUID]]:
        """All of them, newest first, in batches."""
        key, left = LAST, most
        while left is None or left > 0:
            found = self.older_than(key, batch if left is None else min(batch, left))
            if found.ids:
                yield found.ids
                left = None if left is None else left - len(found.ids)
            if len(found.ids) < batch and found.scanned_to is None:
                return
            key = found.scanned_to or found.ids[-1]

    def _find(self, most: int, *, above: uuid.UUID, below: uuid.UUID, newest_first: bool) -> FoundRuns:
        ids: set[uuid.UUID] = set()
        edges: list[uuid.UUID] = []
        values = {"above": above, "below": below, "most": most}
        for scan in self.scans:
            ids.update(row.id for row in run_keyset.first_ids(scan, values, newest_first=newest_first))
            if scan.conditions and "ids" not in scan.values:
                looked = run_keyset.share(run_keyset.LOOKED_AT, scan)
                left = run_keyset.edge_id(scan, values, looked, newest_first=newest_first)
                edges += [row.id for row in left]
        edge = (max if newest_first else min)(edges, default=None)
        within = [each for each in ids if edge is None or (each >= edge if newest_first else each <= edge)]
        ordered = sorted(within, reverse=newest_first)[:most]
        return FoundRuns(ids=ordered, scanned_to=edge if len(ordered) < most else None)

    # --- what the filters ask for -------------------------------------------------------------------------------------

    def _build_scans(self) -> list[RunScan]:
        workflows = self._workflows()
        cause = run_keyset.TESTS if self.filters.tab == "tests" else run_keyset.NO_TESTS
        scan = self._narrow(RunScan(workflows=workflows, statuses=self._statuses(), cause=cause))
        kept = self.filters.params
        for name, find_ids in (("bulk", self._bulk_ids), ("trace", _trace_range), ("run", run_id_range)):
            if name in kept:
                scan = run_conditions.scan_ids(scan, find_ids(kept[name]))
                break
        else:
            if self.filters.term:
                scan = run_conditions.scan_term(scan, *self.filters.term)
        return self._search(scan) if "q" in kept else [scan]

    def _search(self, scan: RunScan) -> list[RunScan]:
        """The scan split by search target: workflow, run id, trace, search term, subject or error.

        A single condition with OR would be evaluated for every run.
        """
        text = self.filters.params["q"]
        plain = hexadecimal(text)
        if self.may_see_all:
            named = list(Workflow.objects.filter(name__icontains=text).values_list("pk", flat=True))
        else:
            named = [each.pk for each in self.known if text.lower() in each.name.lower()]
        if scan.source:
            return [run_conditions.of_workflows(scan, named)]
        within = set(scan.workflows) if scan.workflows is not None else None
        scans = [replace(scan, workflows=[pk for pk in named if within is None or pk in within])]
        ids: list[uuid.UUID] = []
        if TRACE_BEGINNING <= len(plain) <= 32:
            ids = [*_trace_range(plain), *(run_id_range(plain) if len(plain) in {8, 32} else ())]
            scans.append(run_conditions.scan_ids(scan, ids))
        readable = replace(scan, workflows=self._readable(scan.workflows))
        term, query = search_terms.normalize_term(text), search_terms.build_words_query(text)
        scans.append(run_conditions.scan_term(readable, "", term))
        if query:
            scans.append(run_conditions.scan_subject(readable, query))
        if ids or _is_term_or_subject(term, query, readable.workflows):
            return scans  # it is the name of something: errors are not looked through for it
        failed = [status for status in scan.statuses or WITH_ERRORS if status in WITH_ERRORS]
        return [*scans, run_conditions.with_error(replace(readable, statuses=failed), text)]

    def _workflows(self) -> list[int] | None:
        """Workflows whose runs may be found; None for all."""
        keys = None if self.may_see_all else [each.pk for each in self.known]
        if slugs := self.filters.many("workflow"):
            named = set(Workflow.objects.filter(slug__in=slugs).values_list("pk", flat=True))
            keys = sorted(named if keys is None else named & set(keys))
        hidden = {"error", "term"} & set(self.filters.params)
        return self._readable(keys) if hidden else keys

    def _readable(self, workflows: list[int] | None) -> list[int] | None:
        """Those of them whose payloads this person may view, since matches reveal payloads."""
        if holds_for_any(self.user, "view_payload", Workflow):
            return workflows
        readable = permitted(self.user, "view_payload", Workflow.objects.all()).values_list("pk", flat=True)
        return sorted(set(readable) if workflows is None else set(readable) & set(workflows))

    def _statuses(self) -> list[str] | None:
        chosen: set[str] | None = None
        for some in (
            TABS[self.filters.tab][1],
            self.filters.many("status"),
            (RunStatus.WAITING,) if "reason" in self.filters.params else (),
            WITH_ERRORS if "error" in self.filters.params else (),
        ):
            if some:
                chosen = set(some) if chosen is None else chosen & set(some)
        return None if chosen is None else sorted(chosen)

    def _narrow(self, scan: RunScan) -> RunScan:
        """The scan with the filters that no index answers."""
        kept, filters = self.filters.params, self.filters
        if filters.tab == "attention":
            scan = run_conditions.needs_attention(scan)
        if "origin" in kept:
            scan = run_conditions.of_origins(scan, filters.many("origin"))
        if "version" in kept:
            versions = WorkflowVersion.objects.filter(number=int(kept["version"]))
            versions = versions if scan.workflows is None else versions.filter(workflow__in=scan.workflows)
            scan = run_conditions.of_versions(scan, list(versions.values_list("pk", flat=True)))
        if (moment := filters.ended_from) is not None:
            scan = scan.with_condition("run.finished_at >= %(ended_from)s", ended_from=moment)
        if (seconds := filters.seconds("longer")) is not None:
            scan = run_conditions.at_least(scan, seconds)
        if (seconds := filters.seconds("shorter")) is not None:
            scan = run_conditions.at_most(scan, seconds)
        if len(kinds := filters.many("rerun")) == 1:
            scan = run_conditions.rerun(scan, is_rerun=kinds != ["none"])
        if "reason" in kept:
            scan = run_conditions.with_open_wait(scan, filters.many("reason"))
        if "error" in kept:
            scan = run_conditions.with_error(scan, kept["error"])
        return scan

    def _bulk_ids(self, key: str) -> list[uuid.UUID]:
        """Runs of a bulk action, for the person who requested it."""
        items = BulkItem.objects.filter(action=uuid.UUID(key), result__isnull=False)
        if not self.user.is_superuser:
            items = items.filter(action__person=self.user.pk)
        return [result for result in items.values_list("result", flat=True) if result]


def key_before(moment: dt.datetime) -> uuid.UUID:
    """Highest id older than the moment."""
    return uuid.UUID(int=first_uuid7(moment).int - 1)


def _known_workflows(user: User, *, limited: bool) -> list[KnownWorkflow]:
    """Workflows that a person may view; for one who may view all, a limited choice."""
    found = permitted(user, "view", Workflow.objects.all()).order_by("name", "pk")
    rows = found.values_list("pk", "slug", "name", "search_terms")
    return [
        KnownWorkflow(pk=a, slug=b, name=c, search_terms=d) for a, b, c, d in (rows[:MOST_KNOWN] if limited else rows)
    ]


def _trace_range(text: str) -> list[uuid.UUID]:
    """Range of trace ids with that prefix, whatever the collation."""
    runs = ExecutionRun.objects.filter(trace_id__gte=text, trace_id__lt=f"{text}g")
    return list(runs.order_by("trace_id").values_list("pk", flat=True)[:MOST_NAMED])


def run_id_range(text: str) -> list[uuid.UUID]:
    """Range of a whole id, or of the last eight digits, which are indexed."""
    if len(text) == 32:
        return [uuid.UUID(text)]
    runs: QuerySet[ExecutionRun] = ExecutionRun.objects.alias(end=Right(Cast("id", CharField()), 8)).filter(end=text)
    return list(runs.order_by().values_list("pk", flat=True)[:MOST_NAMED])


def _is_term_or_subject(term: str, query: str, workflows: list[int] | None) -> bool:
    """Whether the text matches a search term or a subject of a run of these workflows."""
    known = SearchTerm.objects.filter(value=term)
    subjects = SearchTerm.objects.filter(name=search_terms.SUBJECT).alias(words=Words("value"))
    found = subjects.filter(words=SearchQuery(query, config="simple", search_type="raw")) if query else known.none()
    if workflows is not None:
        known, found = (some.filter(run__workflow__in=workflows) for some in (known, found))
    return known.exists() or found.exists()

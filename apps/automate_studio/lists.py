"""What the lists of runs show: few queries, no payload columns, no count over big tables, runs paged by key."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.db.models import CharField, QuerySet
from django.db.models.fields.json import KT
from django.db.models.functions import Cast, Right

from automate_core import endpoints, schedules
from automate_core.definition import Definition, ModelTrigger, ScheduleTrigger, Trigger, WebhookTrigger
from automate_core.models import ExecutionRun, StepRun, WebhookEndpoint, Workflow
from automate_core.watched import watched
from automate_core.webhooks.schemes import SCHEMES
from automate_governance.permissions import User, permitted
from automate_studio import asked, sentences, versions, words

RUNS_ON_A_PAGE = 25
FEW_WORKFLOWS = 1_000
TRACE_BEGINNING = 4  #: hexadecimal digits of a trace id that are a search for it

type Query = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Tab:
    """A named filter above a list; `count` is empty where counting would cost too much."""

    name: str
    url: str
    active: bool
    count: str = ""


@dataclass(frozen=True, kw_only=True)
class Page:
    """Rows, and where the pages before and after are (empty: there is none)."""

    rows: list[Any]
    tabs: list[Tab]
    search: str
    filtered: bool
    previous: str = ""
    following: str = ""
    hidden: dict[str, str] = field(default_factory=dict)
    chips: list[tuple[str, str, str]] = field(default_factory=list)


# --- runs -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class RunRow:
    """A run in the list."""

    run: ExecutionRun
    state: str
    reason: tuple[str, str]
    segments: list[str]
    duration: str
    started: str

    @property
    def progress(self) -> str:
        """The segments in words."""
        return f"{sum(state != 'none' for state in self.segments)} of {len(self.segments)} steps reached"


_RUN_TABS = {
    "": ("All runs", ()),
    "attention": ("Needs attention", ("failed",)),
    "running": ("Running", ("queued", "running")),
    "waiting": ("Waiting", ("waiting",)),
    "succeeded": ("Succeeded", ("succeeded",)),
    "tests": ("Tests", ()),
}


def runs(user: User, query: Query, now: dt.datetime) -> Page:
    """One page of the runs that `user` may view, newest first."""
    tab = query.get("show", "") if query.get("show", "") in _RUN_TABS else ""
    search, workflow = asked.words(query.get("q")), asked.words(query.get("workflow"))
    kept = {name: value for name, value in (("show", tab), ("q", search), ("workflow", workflow)) if value}
    found = _seen(user).select_related("workflow", "version").defer("version__definition")
    is_test = {"cause": ExecutionRun.Cause.TEST}
    found = found.filter(**is_test) if tab == "tests" else found.exclude(**is_test)
    chips = []
    if workflow:
        found = _of_workflows(found, slug=workflow)
        chips.append(("Workflow", workflow, address({**kept, "workflow": ""})))
    parts = _matching(found, search) if search else [found]
    if statuses := _RUN_TABS[tab][1]:
        parts = [part.filter(status=status) for part in parts for status in statuses]
    rows, before, after = _window(parts, query)
    return Page(
        rows=run_rows(rows, user, now),
        tabs=[
            Tab(name=name, url=address({**kept, "show": key}), active=key == tab)
            for key, (name, _) in _RUN_TABS.items()
        ],
        search=search,
        filtered=bool(search or workflow or tab),
        previous=address({**kept, "before": before}) if before else "",
        following=address({**kept, "after": after}) if after else "",
        hidden={name: value for name, value in kept.items() if name != "q"},
        chips=chips,
    )


def _seen(user: User) -> QuerySet[ExecutionRun]:
    """The runs that `user` may view: of workflows by key while these are few, since the rule would be asked of every
    run until a page is full. One who may view many fills it soon."""
    seen = permitted(user, "view", ExecutionRun.objects.all())
    if user.is_superuser:
        return seen
    keys = list(permitted(user, "view", Workflow.objects.all()).values_list("pk", flat=True)[: FEW_WORKFLOWS + 1])
    return seen if len(keys) > FEW_WORKFLOWS else ExecutionRun.objects.filter(workflow__in=keys)


def _matching(found: QuerySet[ExecutionRun], search: str) -> list[QuerySet[ExecutionRun]]:
    """By trace id or its beginning, by the whole or the end of a run's id, which is what screens show of it, or by
    workflow name: each as a part, since one condition with OR would be asked of every run."""
    text = search.lower().replace("-", "")
    is_hex = all(letter in "0123456789abcdef" for letter in text)
    if is_hex and len(text) == 32:
        return [found.filter(trace_id=text), found.filter(pk=uuid.UUID(text))]
    parts = [_of_workflows(found, name__icontains=search)]
    if is_hex and len(text) >= TRACE_BEGINNING:
        parts.append(found.filter(trace_id__gte=text, trace_id__lt=f"{text}g"))  # a range, whatever the collation
    if is_hex and len(text) == 8:
        parts.append(found.alias(end=Right(Cast("id", CharField()), 8)).filter(end=text))
    return parts


def _of_workflows(found: QuerySet[ExecutionRun], **names: str) -> QuerySet[ExecutionRun]:
    """Those of the workflows with such names, by key: the planner could not tell how many runs a join leaves."""
    return found.filter(workflow__in=list(Workflow.objects.filter(**names).values_list("pk", flat=True)))


def _window(parts: list[QuerySet[ExecutionRun]], query: Query) -> tuple[list[ExecutionRun], str, str]:
    """(rows, key of the page before, key of the page after): by key, so that page 1,000 costs what page 1 does."""
    after, before = _key(query.get("after")), _key(query.get("before"))
    if before is not None:
        rows = _first([part.filter(pk__gt=before) for part in parts], "pk")
        more, rows = len(rows) > RUNS_ON_A_PAGE, rows[:RUNS_ON_A_PAGE][::-1]
        return rows, str(rows[0].pk) if more and rows else "", str(rows[-1].pk) if rows else ""
    if after is not None:
        parts = [part.filter(pk__lt=after) for part in parts]
    rows = _first(parts, "-pk")
    more, rows = len(rows) > RUNS_ON_A_PAGE, rows[:RUNS_ON_A_PAGE]
    return rows, str(rows[0].pk) if after and rows else "", str(rows[-1].pk) if more else ""


def _first(parts: list[QuerySet[ExecutionRun]], order: str) -> list[ExecutionRun]:
    """The first rows of all parts together, one more than a page holds."""
    found = {row.pk: row for part in parts for row in part.order_by(order)[: RUNS_ON_A_PAGE + 1]}
    return sorted(found.values(), key=lambda row: row.pk, reverse=order == "-pk")[: RUNS_ON_A_PAGE + 1]


def run_rows(rows: list[ExecutionRun], user: User, now: dt.datetime) -> list[RunRow]:
    segments: dict[uuid.UUID, dict[str, tuple[str, str]]] = {row.pk: {} for row in rows}
    attempts = (
        StepRun.objects.filter(run__in=rows)
        .exclude(path__contains="[")  # what is inside loops is the run page's
        .order_by("started_at", "path", "attempt")
        .annotate(message=KT("error__message"))
        .values_list("run_id", "path", "status", "message")
    )
    for run_id, path, status, message in attempts:
        segments[run_id][path] = (status, message or "")
    definitions = versions.definitions(row.version_id for row in rows)
    readable = permitted(user, "view_payload", ExecutionRun.objects.filter(pk__in=[row.pk for row in rows]))
    seen = set(readable.values_list("pk", flat=True)) if rows else set()
    return [_run_row(row, segments[row.pk], definitions[row.version_id], row.pk in seen, now) for row in rows]


def _run_row(
    run: ExecutionRun, steps: dict[str, tuple[str, str]], definition: Definition, may_see: bool, now: dt.datetime
) -> RunRow:
    failed = _failed(run, steps)
    waits = run.status == ExecutionRun.Status.WAITING
    shown = (failed[1] if may_see else "Not shown to you") + ("; tries again" if waits else "") if failed else ""
    return RunRow(
        run=run,
        state="retrying" if failed and waits else str(run.status),
        reason=(versions.step_name(definition, failed[0]) if failed and failed[0] else "", shown),
        segments=[steps[path][0] if path in steps else "none" for path in versions.paths(definition.steps)],
        duration=words.between(run.started_at, run.finished_at or (now if run.started_at else None)),
        started=words.ago(run.started_at or run.created_at, now),
    )


def _failed(run: ExecutionRun, steps: dict[str, tuple[str, str]]) -> tuple[str, str] | None:
    """(step, message) of what went wrong, for good or until the next try."""
    if run.error:
        return str(run.error.get("step", "")), str(run.error.get("message", ""))
    if run.status != ExecutionRun.Status.WAITING:
        return None
    failures = ((path, message) for path, (status, message) in reversed(steps.items()) if status == "failed")
    return next(((path.rpartition("/")[2], message) for path, message in failures), None)


# --- one workflow -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class TriggerRow:
    """What starts a workflow, with its address; `unsigned` is a warning."""

    text: str
    url: str
    scheme: str = ""
    unsigned: bool = False


def triggers(definition: Definition, user: User) -> list[TriggerRow]:
    """What starts a workflow; of an endpoint that `user` may not view, its name alone."""
    listened = [part.endpoint for part in definition.triggers if isinstance(part, WebhookTrigger)]
    endpoints_seen = permitted(user, "view", WebhookEndpoint.objects.filter(slug__in=listened))
    known = {endpoint.slug: endpoint for endpoint in endpoints_seen}
    return [_trigger_row(part, known, definition.timezone) for part in definition.triggers]


def _trigger_row(part: Trigger, known: Mapping[str, WebhookEndpoint], timezone: str) -> TriggerRow:
    kind, which = sentences.trigger(part)
    match part:
        case WebhookTrigger() if part.endpoint in known:
            endpoint = known[part.endpoint]
            return TriggerRow(
                text=part.event or "Any event",
                url=endpoints.url(endpoint),
                scheme=SCHEMES[endpoint.scheme].name,
                unsigned=endpoint.scheme == "unsigned",
            )
        case WebhookTrigger():
            return TriggerRow(text=part.event or "Any event", url=f"Webhook {part.endpoint}")
        case ScheduleTrigger():
            fires = [words.dated(moment) for moment in schedules.next_fires(part, timezone, n=3)]
            return TriggerRow(
                text=f"Schedule {which}", url=f"Next {', '.join(fires)}", scheme=part.timezone or timezone
            )
        case ModelTrigger():
            modes = [entry.mode for entry in watched() if entry.label == part.model.lower()]
            seen_by = f"Seen by {'the database' if modes == ['database'] else 'signal'}" if modes else "Not watched"
            return TriggerRow(text=kind, url=which, scheme=seen_by)
    return TriggerRow(text=kind, url=which)


def recent_runs(workflow: Workflow, user: User, now: dt.datetime) -> list[RunRow]:
    """The latest runs of one workflow."""
    runs = workflow.runs.exclude(cause=ExecutionRun.Cause.TEST)
    rows = list(runs.select_related("version").defer("version__definition").order_by("-pk")[:10])
    return run_rows(rows, user, now)


def address(values: Mapping[str, str]) -> str:
    """The query of a link: what is empty is left out."""
    kept = {name: value for name, value in values.items() if value}
    return f"?{urlencode(kept)}" if kept else "?"


def _key(text: Any) -> uuid.UUID | None:
    try:
        return uuid.UUID(str(text))
    except ValueError:
        return None

"""What the run page shows, read in few queries and without a payload: the page, its patches and the stream share it."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.db.models.fields.json import KT
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from automate_core.definition import Definition
from automate_core.models import ExecutionRun, RunLog, StepRun, Wait
from automate_core.retention import keeping
from automate_core.states import FINAL_RUN_STATES
from automate_studio import payload, versions, words
from automate_studio.recorded import LIVE_STATES, Attempt, Recorded, group
from automate_studio.timeline import Timeline, timeline
from automate_studio.tree import Card, Tree, run_tree

MOST_LOG_LINES = 500


@dataclass(frozen=True, kw_only=True)
class RunPage:
    """A run as it stands at `run.seq`."""

    run: ExecutionRun
    definition: Definition
    tree: Tree
    timeline: Timeline
    recorded: dict[str, Recorded]
    now: dt.datetime
    goes_at: dt.datetime | None  # when it may be deleted

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.run.status in FINAL_RUN_STATES

    @property
    def state(self) -> str:
        """The run's state as it is shown: waiting for nothing but a retry is retrying."""
        retries = [recorded.retry_due for recorded in self.recorded.values()]
        return "retrying" if self.run.status == "waiting" and any(retries) else str(self.run.status)

    @property
    def duration(self) -> str:
        """From the first step to the end, or to now."""
        return words.between(self.run.started_at, self.run.finished_at or self.now)

    @property
    def queued(self) -> str:
        """From the delivery to the first step."""
        event = self.run.event
        return words.between(event.received_at if event else self.run.created_at, self.run.started_at)

    @property
    def cards(self) -> list[Card]:
        """The steps in reading order."""
        return list(self.tree.flat())

    @property
    def counts(self) -> str:
        """`5 done, 2 active, 1 left`."""
        states = [card.state for card in self.cards if not card.routes]
        counted = {
            "done": sum(state == "succeeded" for state in states),
            "failed": sum(state == "failed" for state in states),
            "active": sum(state in LIVE_STATES for state in states),
            "skipped": sum(state == "skipped" for state in states),
            "left": sum(state == "pending" for state in states),
        }
        return ", ".join(f"{count} {name}" for name, count in counted.items() if count)

    @property
    def step_url(self) -> str:
        """What the address of each step's panel begins with."""
        return reverse("studio:run_step", args=[self.run.pk, "x"]).removesuffix("x/")

    @property
    def failed_step(self) -> tuple[str, str] | None:
        """(path, name) of the step that ended the run badly."""
        key = (self.run.error or {}).get("step")
        cards = {card.path.rpartition("/")[2]: card for card in self.cards}
        return (cards[key].path, cards[key].name) if key in cards else None

    def default_path(self) -> str:
        """The step to open first: the one that failed, else the one that is active, else the first."""
        if self.failed_step:
            return self.failed_step[0]
        by_state = {
            card.state: card.path for card in reversed(self.cards) if not card.routes or card.state == "waiting"
        }
        wanted = ("retrying", "running", "waiting")
        first = self.cards[0].path if self.cards else ""
        return next((by_state[state] for state in wanted if state in by_state), first)


def load(run_id: uuid.UUID, runs: QuerySet[ExecutionRun], selected: str = "") -> RunPage:
    """The page of one of `runs`, in three queries, four of one that ended; of loops the iteration of path `selected`.

    Raises ExecutionRun.DoesNotExist.
    """
    run = (
        runs.select_related("workflow", "version", "event")
        .defer("event__payload", "event__headers", "version__definition")
        .get(pk=run_id)
    )
    rows = (
        StepRun.objects.filter(run=run)
        .annotate(route=KT("output__route"), routes=KT("output__routes"), message=KT("error__message"))
        .values_list("path", "attempt", "status", "started_at", "finished_at", "route", "routes", "message")
    )
    attempts = [
        Attempt(
            path=path,
            number=number,
            status=status,
            started_at=start,
            finished_at=end,
            routes=(route,) if route else tuple(json.loads(routes)) if routes and routes.startswith("[") else (),
            message=message or "",
        )
        for path, number, status, start, end, route, routes, message in rows
    ]
    recorded = group(attempts, *(({}, {}) if run.status in FINAL_RUN_STATES else _open_waits(run)))
    now = timezone.now()
    ended = run.status in FINAL_RUN_STATES
    definition = versions.definitions([run.version_id])[run.version_id]
    tree = run_tree(definition, recorded, _trigger_note(run), ended=ended, selected=selected)
    line = timeline(tree, recorded, run.started_at, run.finished_at, now)
    return RunPage(
        run=run,
        definition=definition,
        tree=tree,
        timeline=line,
        recorded=recorded,
        now=now,
        goes_at=keeping.goes_at(run),
    )


def _open_waits(run: ExecutionRun) -> tuple[dict[str, dt.datetime], dict[str, str]]:
    """By path: when the next attempt is due, and which connection has to work again first."""
    waits = Wait.objects.filter(run=run, status=Wait.Status.OPEN, kind__in=[Wait.Kind.RETRY, Wait.Kind.RECONNECT])
    rows = list(waits.values_list("path", "kind", "due_at", "data"))
    retries = {path: timezone.localtime(due) for path, kind, due, _ in rows if kind == Wait.Kind.RETRY}
    return retries, {path: (data or {})["connection"] for path, kind, _, data in rows if kind == Wait.Kind.RECONNECT}


def _trigger_note(run: ExecutionRun) -> str:
    return run.event.type if run.event and run.event.type else ""


def patch(run_id: uuid.UUID, page: RunPage | None = None) -> str:
    """The live parts of the page, rendered by the same partials that the page includes."""
    return render_to_string(
        "automate_studio/run/patch.html", {"page": page or load(run_id, ExecutionRun.objects.all())}
    )


@dataclass(frozen=True, kw_only=True)
class Inspector:
    """One step's panel. `input`, `output` and `error` are None when there is none, or when it may not be seen."""

    card: Card
    recorded: Recorded
    attempt: StepRun | None
    may_see: bool
    logs: list[RunLog]

    @property
    def input(self) -> payload.Shown | None:
        """The rendered inputs of the attempt shown."""
        return self._shown("input")

    @property
    def output(self) -> payload.Shown | None:
        """The output of the attempt shown."""
        return self._shown("output")

    @property
    def error(self) -> dict[str, Any] | None:
        """The error of the attempt shown."""
        return self.attempt.error if self.attempt else None

    @property
    def error_details(self) -> payload.Shown | None:
        """What the connector added to its error."""
        details = (self.error or {}).get("details")
        return payload.show(details) if details and self.may_see else None

    def _shown(self, part: str) -> payload.Shown | None:
        value = getattr(self.attempt, part) if self.attempt else None
        if value is None or not self.may_see:
            return None
        return payload.show(value, cut=bool(getattr(self.attempt, f"{part}_file")))


def inspect(page: RunPage, path: str, number: int | None, *, may_see: bool) -> Inspector | None:
    """The panel of a step and one of its attempts (None: the last), or None when there is no such step."""
    card = next((card for card in page.cards if card.path == path), None)
    if card is None:
        return None
    recorded = page.recorded.get(path, Recorded())
    shown = number if number is not None else recorded.last.number if recorded.last else None
    attempt = StepRun.objects.filter(run=page.run, path=path, attempt=shown).first() if shown else None
    logs = list(RunLog.objects.filter(run=page.run, path=path).order_by("at", "id")[:MOST_LOG_LINES])
    return Inspector(card=card, recorded=recorded, attempt=attempt, may_see=may_see, logs=logs if may_see else [])

"""Run page, read in few queries and without payloads; shared by the page, its patches and the stream."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

from django.db.models import Case, F, Func, Q, QuerySet, TextField, Value, When
from django.db.models.fields.json import KT
from django.db.models.functions import Coalesce
from django.http import Http404
from django.utils import timezone
from django.utils.translation import gettext as _

from automate_core.definition.document import ApprovalStep, BranchStep, Definition, StopStep, WaitStep
from automate_core.definition.slots import StepIndex, walk
from automate_core.definition.step_paths import key_in, key_of
from automate_core.events import stops
from automate_core.models import ExecutionRun, StepRun, Wait, WaitAssignee, Workflow
from automate_core.states import FINAL_RUN_STATES, RunStatus, StepStatus
from automate_governance.admin_site import reverse
from automate_governance.people.labels import group_label
from automate_governance.people.names import display_name, sign_in_name
from automate_governance.permissions import User, permitted
from automate_governance.texts import error_message, escape_invisible
from automate_operations.queries import loop_items
from automate_operations.queries.run_as_history import has_handover, names_during
from automate_operations.queries.run_subjects import subject_of_run
from automate_operations.retention import pinning
from automate_studio.runs.page.header import ModelCost, has_model_calls, model_cost
from automate_studio.view_models.event_sources import describe_source
from automate_studio.view_models.run_data import (
    LIVE_STATES,
    Attempt,
    RunData,
    RunView,
    StepHistory,
    WaitInfo,
    group_by_path,
)
from automate_studio.view_models.step_counts import describe_counts
from automate_studio.view_models.step_tree import StepCard, StepTree, run_tree
from automate_studio.view_models.timeline import Timeline, build_timeline
from automate_ui.describe import step_label, stop_reason
from automate_ui.formatting import format_elapsed
from automate_ui.versions import version_definitions, version_differences

MOST_WAITS = 1_000


@dataclass(frozen=True, kw_only=True)
class RunStop:
    """The stop step that ended a run. `message` may hold data of the payload, `reason` holds none."""

    path: str
    name: str
    reason: str
    message: str


@dataclass(frozen=True, kw_only=True)
class RunPage:
    """A run at its sequence, in one view."""

    run: ExecutionRun
    view: RunView
    definition: Definition
    tree: StepTree
    timeline: Timeline
    recorded: dict[str, StepHistory]
    retries: bool  # whether a step anywhere waits for its next try
    changed: dict[str, str]
    now: dt.datetime
    goes_at: dt.datetime | None  # when it may be deleted

    @property
    def ended(self) -> bool:
        """Whether the run has ended."""
        return self.run.status in FINAL_RUN_STATES

    @property
    def state(self) -> str:
        """State to show: a run that waits for a retry is retrying."""
        return "retrying" if self.run.status == "waiting" and self.retries else str(self.run.status)

    @property
    def duration(self) -> str:
        """From the first step to the end, or to now."""
        return format_elapsed(self.run.started_at, self.run.finished_at or self.now)

    @property
    def queued(self) -> str:
        """From the trigger to the first step: from the delivery, or from the person's re-run or test."""
        event = self.run.event if self.run.cause == ExecutionRun.Cause.TRIGGER else None
        return format_elapsed(event.received_at if event else self.run.created_at, self.run.started_at)

    @property
    def subject(self) -> str:
        """Subject line, for people who may view payloads."""
        return escape_invisible(self.run.subject)  # type: ignore[attr-defined]

    @property
    def trigger(self) -> str:
        """Trigger in words: `Webhook orders, order.paid`."""
        event = self.run.event
        if event is None:
            return ""
        source = describe_source(event.source)
        name = "" if source.name == self.run.workflow.slug else f" {source.name}"
        return f"{source.kind}{name}{f', {event.type}' if event.type and name else ''}"

    @cached_property
    def run_as(self) -> str:
        """User names that the run acted as: several when a handover came in between."""
        return ", ".join(names_during(self.run, has_handover=self.run.has_handover))  # type: ignore[attr-defined]

    @cached_property
    def cost(self) -> ModelCost | None:
        """Cost of its models."""
        return model_cost(self.run.pk) if self.run.has_model_calls else None  # type: ignore[attr-defined]

    @cached_property
    def cards(self) -> list[StepCard]:
        """Steps in reading order."""
        return list(self.tree.flat())

    @property
    def to_review(self) -> list[str]:
        """Names of the steps that wait until a person sets their outcome."""
        waiting = ((card, self.recorded[card.path].waiting) for card in self.cards if card.path in self.recorded)
        return [card.name for card, wait in waiting if wait and wait.kind == Wait.Kind.REVIEW]

    @property
    def counts(self) -> str:
        """`5 done, 2 active, 1 remaining`; empty without steps."""
        return describe_counts(card.state for card in self.cards)

    @property
    def step_url(self) -> str:
        """Prefix of the URLs of step panels."""
        return reverse("studio:run_step", args=[self.run.pk, "x"]).removesuffix("x/")

    @cached_property
    def failed_step(self) -> tuple[str, str] | None:
        """(path, name) of the step that ended the run with a failure."""
        key = (self.run.error or {}).get("step")
        cards = {key_of(card.path): card for card in self.cards}
        return (cards[key].path, cards[key].name) if key in cards else None

    @cached_property
    def stop(self) -> RunStop | None:
        """The stop step that ended the run as succeeded. One query if the workflow has one."""
        stops = {
            position.step.key: position
            for position in StepIndex(self.definition.steps)
            if isinstance(position.step, StopStep)
        }
        if self.run.status != RunStatus.SUCCEEDED or not stops:
            return None
        ended = StepRun.objects.filter(run=self.run, status=StepStatus.SUCCEEDED).alias(key=key_in("path"))
        row = ended.filter(key__in=stops).order_by("-id").values_list("path", KT("output__message")).first()
        if row is None:
            return None
        position = stops[key_of(row[0])]
        reason = stop_reason(cast(StopStep, position.step), position)
        message = escape_invisible(row[1] or reason)
        return RunStop(path=row[0], name=step_label(position.step), reason=reason, message=message)

    def step_at(self, path: str) -> str:
        """Path of the step to open: itself, or for a loop's item its failed or active step."""
        if not path.endswith("]"):
            return path
        inside = [card for card in self.cards if card.path.startswith(f"{path}/")]
        wanted = ({"failed"}, LIVE_STATES)
        found = (card.path for states in wanted for card in reversed(inside) if card.state in states)
        return next(found, inside[0].path if inside else path)

    def default_path(self) -> str:
        """Step to open first: the one that ended the run early, else the active one, else the first."""
        if self.failed_step:
            return self.failed_step[0]
        if self.stop and any(card.path == self.stop.path for card in self.cards):
            return self.stop.path
        by_state = {card.state: card.path for card in reversed(self.cards) if not card.holds}
        wanted = ("retrying", "running", "waiting")
        first = self.cards[0].path if self.cards else ""
        return next((by_state[state] for state in wanted if state in by_state), first)


def load_page(run_id: uuid.UUID, runs: QuerySet[ExecutionRun], view: RunView | None = None) -> RunPage:
    """Page of one of `runs`, in a few queries and one more per loop depth, whatever was recorded.

    Raises ExecutionRun.DoesNotExist.
    """
    view = view or RunView()
    run = (
        runs.annotate(
            subject=subject_of_run(), has_handover=has_handover(), has_model_calls=has_model_calls()
        )  # what few runs have is read for them alone: a live page is read at each change
        .select_related("workflow__published", "version__run_as", "event")
        .defer("event__payload", "event__headers", "version__definition", "workflow__published__definition")
        .get(pk=run_id)
    )
    ended = run.status in FINAL_RUN_STATES
    definition = version_definitions([run.version_id])[run.version_id]
    loops = loop_items.read_loop_items(definition, run.pk, view)
    frames = loop_items.shown_item_paths(loops.values())
    waits = _load_waits(run, frames)
    shown_waits = [(path, wait) for path, wait in waits if wait.resolved_at or not ended]
    recorded = group_by_path(_load_attempts(run, frames, definition), shown_waits)
    changed = _changed_steps(run)
    shown = RunData(recorded, loops, ended=ended, view=view, changed=changed)
    tree = run_tree(definition, shown, _trigger_note(run), run.event.source if run.event else "")
    now = timezone.now()
    return RunPage(
        run=run,
        view=view,
        definition=definition,
        tree=tree,
        timeline=build_timeline(tree, shown, run.started_at, run.finished_at, now),
        recorded=recorded,
        retries=any(wait.kind == Wait.Kind.RETRY and wait.resolved_at is None for _, wait in waits),
        changed=changed,
        now=now,
        goes_at=pinning.expires_at(run),
    )


def _load_attempts(run: ExecutionRun, frames: list[str], definition: Definition) -> list[Attempt]:
    """Attempts of the drawn steps. Of outputs, only routes of branches and outcomes of approvals and waits are read."""
    branches = [step.key for _, step in walk(definition.steps) if isinstance(step, BranchStep)]
    decided = [step.key for _, step in walk(definition.steps) if isinstance(step, ApprovalStep | WaitStep)]
    is_branch = Q(key__in=branches)
    rows = (
        StepRun.objects.filter(run=run)
        .annotate(frame=_without_part("[^]]*$"), key=_without_part("^.*/"))
        .filter(frame__in=frames)
        .annotate(
            route=Case(
                When(is_branch, then=KT("output__route")),
                When(key__in=decided, then=KT("output__outcome")),
                output_field=TextField(),
            ),
            routes=Case(When(is_branch, then=KT("output__routes")), output_field=TextField()),
            message=KT("error__message"),
            message_text=F("error__text"),
        )
        .values_list(
            "path", "attempt", "status", "started_at", "finished_at", "route", "routes", "message", "message_text"
        )
    )
    return [
        Attempt(
            path=path,
            number=number,
            status=status,
            started_at=start,
            finished_at=end,
            routes=(route,) if route else tuple(json.loads(routes)) if routes and routes.startswith("[") else (),
            message=error_message({"message": message, "text": kept}),
        )
        for path, number, status, start, end, route, routes, message, kept in rows
    ]


def _without_part(without: str) -> Func:
    """The path without matches of `without`."""
    return Func(F("path"), Value(without), Value(""), function="regexp_replace", output_field=TextField())


def _load_waits(run: ExecutionRun, frames: list[str]) -> list[tuple[str, WaitInfo]]:
    """Waits of the drawn steps and all open waits, with their paths; the oldest thousand."""
    rows = list(
        Wait.objects.filter(run=run)
        .annotate(
            frame=_without_part("[^]]*$"),
            target=Coalesce(KT("data__workflow"), KT("data__connection"), KT("data__pool")),
            begun=KT(f"data__{stops.BEGUN}"),
        )
        .filter(Q(frame__in=frames) | Q(status=Wait.Status.OPEN))
        .order_by("id")
        .values_list(
            "pk", "path", "kind", "created_at", "due_at", "resolved_at", "status", "target", "begun", named=True
        )[:MOST_WAITS]
    )
    asked = [row.pk for row in rows if row.kind == Wait.Kind.APPROVAL and row.status == Wait.Status.OPEN]
    whom = _approver_names(asked) if asked else {}
    return [
        (row.path, WaitInfo(kind=row.kind, since=row.created_at, due=row.due_at, resolved_at=row.resolved_at,
                      assignees=tuple(whom.get(row.pk, ())), target=row.target or _inactive_person(run, row)))
        for row in rows
    ]  # fmt: skip


def _inactive_person(run: ExecutionRun, wait: Any) -> str:
    """The run-as user for whom the run waits; empty where it waits for the end of a pause, or for something else."""
    if wait.kind != Wait.Kind.PAUSED or (not wait.begun and run.workflow.status == Workflow.Status.PAUSED):
        return ""
    version = run.version if wait.begun else run.workflow.published
    return sign_in_name(version.run_as) if version else ""


def _approver_names(waits: Iterable[uuid.UUID]) -> dict[uuid.UUID, list[str]]:
    """Names of assigned people and groups by approval."""
    names: dict[uuid.UUID, list[str]] = {}
    asked = WaitAssignee.objects.filter(wait__in=waits, excluded=False)
    for each in asked.select_related("user", "group").order_by("id"):
        name = display_name(each.user) if each.user else group_label(str(each.group))
        names.setdefault(each.wait_id, []).append(name)
    return names


def _changed_steps(run: ExecutionRun) -> dict[str, str]:
    """By step key: its change in the published version, such as `Changed in v15`."""
    published = run.workflow.published
    if published is None or published.pk == run.version_id or run.cause == ExecutionRun.Cause.TEST:
        return {}
    words = {"changed": _("Changed in %(version)s"), "removed": _("Removed in %(version)s")}
    found = version_differences(run.version_id, published.pk)
    return {key: words[kind] % {"version": published} for key, kind in found.items()}


def _trigger_note(run: ExecutionRun) -> str:
    return run.event.type if run.event and run.event.type else ""


def load_run(user: User, run_id: uuid.UUID, view: RunView) -> RunPage:
    """Page of a run that this person may view. Raises Http404."""
    try:
        return load_page(run_id, permitted(user, "view", ExecutionRun.objects.all()), view)
    except ExecutionRun.DoesNotExist:
        raise Http404 from None

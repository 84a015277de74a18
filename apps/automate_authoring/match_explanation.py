"""Match explanation: why an event did or did not start workflows, trigger by trigger.

It runs the code that matches events on the triggers as they are published now. The values that a filter read are shown
only to people who may read the event.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from django.db.models import Case, Q, QuerySet, Value, When
from django.db.models.expressions import RawSQL
from django.db.models.fields import TextField

from automate_authoring.publishing import shadow_evaluation
from automate_core.definition.document import DefinitionError
from automate_core.definition.parsing import parse
from automate_core.engine.steps.waits import MAX_DEPTH
from automate_core.events import access, event_types, held_events, run_rights
from automate_core.events.matching import RuleEngine
from automate_core.events.scope import event_scope
from automate_core.expressions.json_logic import Explanation, RuleError
from automate_core.models import (
    ActiveTrigger,
    Event,
    ExecutionRun,
    OutboxJob,
    Trigger,
    Wait,
    Workflow,
    WorkflowVersion,
)
from automate_core.runs import concurrency
from automate_core.states import JobStatus, WaitStatus
from automate_core.triggers import host_events
from automate_governance.permissions import Person, permitted
from automate_governance.texts import error_message
from automate_plugins import ntext, text

MAX_TRIGGERS = 50  #: triggers that are explained


class MatchOutcome(StrEnum):
    """Outcome of matching an event against one trigger."""

    STARTED = "started"  #: it started a run
    MATCHES = "matches"  #: it would start one now
    REFUSED = "refused"  #: its condition does not hold, or something else keeps it
    OTHER_TYPE = "other type"  #: the trigger takes other types of the source
    UNPUBLISHED = "unpublished"  #: the workflow is a draft, or archived
    UNKNOWN = "unknown"  #: the payload is deleted, or hidden from this person


@dataclass(frozen=True, kw_only=True)
class TriggerExplanation:
    """One trigger of a workflow, and why it did or did not start that. `reasons` are sentences.

    `takes` is the type that it asks for, empty for any. `explanation` is what its filter saw.
    """

    workflow: Workflow
    outcome: MatchOutcome
    kind: str
    takes: str
    version: WorkflowVersion | None = None
    run: ExecutionRun | None = None
    reasons: list[str] = field(default_factory=list)
    explanation: Explanation | None = None


@dataclass(frozen=True, kw_only=True)
class MatchExplanation:
    """Explanation of one event. `notes` concern all workflows; with `more`, some triggers are left out."""

    notes: list[str]
    explanations: list[TriggerExplanation]
    may_read: bool
    more: bool = False


def explain_match(event: Event, *, by: Person, workflow: Workflow | None = None) -> MatchExplanation:
    """Explain why the event did or did not start the workflows that the person may view, or that one of them.

    Nine queries, and two for versions that were published since.
    """
    workflows = permitted(by, "view", Workflow.objects.all())
    workflows = workflows.filter(pk=workflow.pk) if workflow else workflows
    may_read = not event.emptied_at and access.may_access_event(by, "view_payload", event)
    found = list(_triggers(event, workflows)[: MAX_TRIGGERS + 1])
    runs = _runs(event, workflows)
    job = _latest_dispatch_job(event)
    explainer = _Explainer(
        event, found[:MAX_TRIGGERS], runs, may_read=may_read, is_processed=not job or job[0] not in _UNPROCESSED
    )
    explanations = [explainer.explain(trigger) for trigger in found[:MAX_TRIGGERS]]
    explained = {explanation.workflow.pk for explanation in explanations}
    explanations += [_explain_removed_trigger(run) for pk, run in runs.items() if pk not in explained]
    explanations += list(_explain_unpublished(event, workflows))
    order = list(MatchOutcome)
    explanations.sort(key=lambda explanation: (order.index(explanation.outcome), explanation.workflow.name))
    return MatchExplanation(
        notes=list(_notes(event, job)),
        explanations=_without_triggers_of_started(explanations),
        may_read=may_read,
        more=len(found) > MAX_TRIGGERS,
    )


def _triggers(event: Event, workflows: QuerySet[Workflow]) -> QuerySet[ActiveTrigger]:
    """Triggers of the event's source, those of its type first, without call triggers of other sources."""
    found = ActiveTrigger.objects.filter(source=event_types.trigger_source(event.source), workflow__in=workflows)
    if not event.source.startswith(host_events.CALL_SOURCE):
        found = found.exclude(kind="call")
    is_near = Case(When(event_type__in=[event.type, ""], then=Value(0)), default=Value(1))
    return (
        found.select_related("workflow", "version")
        .defer("version__definition")
        .order_by(is_near, "workflow__name", "pk")
    )


def _runs(event: Event, workflows: QuerySet[Workflow]) -> dict[int, ExecutionRun]:
    """The runs that it started, by workflow."""
    found = ExecutionRun.objects.filter(event=event, cause=ExecutionRun.Cause.TRIGGER, workflow__in=workflows)
    rows = (
        found.select_related("workflow", "version").defer("version__definition", "output").order_by("pk")[:MAX_TRIGGERS]
    )
    return {run.workflow_id: run for run in rows}


def _without_triggers_of_started(explanations: Iterable[TriggerExplanation]) -> list[TriggerExplanation]:
    """Leave out the other triggers of workflows that the event started."""
    found = list(explanations)
    started = {explanation.workflow.pk for explanation in found if explanation.run}
    return [explanation for explanation in found if explanation.run or explanation.workflow.pk not in started]


# --- the event --------------------------------------------------------------------------------------------------------


_UNPROCESSED = {JobStatus.READY, JobStatus.LEASED}


def _latest_dispatch_job(event: Event) -> tuple[str, str] | None:
    """(status, error) of the latest job that matches the event, if that is still there."""
    jobs = OutboxJob.objects.filter(event=event, kind=OutboxJob.Kind.DISPATCH).order_by("-id")
    return jobs.values_list("status", "last_error").first()


def _notes(event: Event, job: tuple[str, str] | None) -> Iterator[str]:
    """Notes that concern all workflows."""
    kind = event.source.partition(":")[0]
    if kind in access.COPY_KINDS:
        yield text("This event was created for one run. It is not matched against triggers.")
        return
    if event.erasure is not None:
        yield text("The payload was erased, so conditions cannot be evaluated.")
    elif event.emptied_at:
        yield text("The payload was deleted by the retention policy, so conditions cannot be evaluated.")
    if event.replay_of:
        yield text("This is a replay. It started only the workflows that were chosen.")
    elif job and job[0] in _UNPROCESSED:
        yield text("No worker has processed this event yet. The list shows the expected result.")
    elif job and job[0] == JobStatus.DEAD:
        yield text("Processing failed permanently, so no run started. Replay the event.")
    depth = str(event.headers.get(host_events.DEPTH_HEADER, ""))
    if kind in {"call", "run", "model"} and depth.isdigit() and int(depth) > MAX_DEPTH:
        yield text("No run starts: runs started each other %(maximum)s levels deep, a likely loop.", maximum=MAX_DEPTH)
    if host_events.TEST_HEADER in event.headers:
        yield text("This is a test delivery. It starts only triggers that name its event type.")


# --- one trigger ------------------------------------------------------------------------------------------------------


class _Explainer:
    """Explains the triggers of one event, with what they share loaded once."""

    def __init__(
        self,
        event: Event,
        found: list[ActiveTrigger],
        runs: dict[int, ExecutionRun],
        *,
        may_read: bool,
        is_processed: bool,
    ) -> None:
        self.event, self.runs, self.may_read, self.is_processed = event, runs, may_read, is_processed
        self.scope = {"event": event_scope(event)} if may_read else {}
        keys = [trigger.pk for trigger in found]
        self.refused = run_rights.trigger_refusals(keys) if keys else {}
        self.waiting = run_rights.waiting_triggers(self.refused) if self.refused else set()
        self.waits = _waits(runs.values())
        self.held = held_events.workflows_holding(event.pk)
        late = {trigger.workflow_id for trigger in found if self._is_late(trigger)} - runs.keys()
        self.earlier = _published_at(late, event.received_at) if late else {}

    def explain(self, trigger: ActiveTrigger) -> TriggerExplanation:
        """Explain the outcome at one trigger."""
        run = self.runs.get(trigger.workflow_id)
        if run is not None:
            return _explanation_of(
                trigger,
                MatchOutcome.STARTED,
                run=run,
                reasons=_run_reasons(run, self.waits.get(run.pk), self.refused.get(trigger.pk, "")),
            )
        if trigger.event_type not in {self.event.type, ""}:
            reason = (
                text(
                    "The trigger accepts “%(wanted)s”. This event is “%(type)s”.",
                    wanted=trigger.event_type,
                    type=self.event.type,
                )
                if self.event.type
                else text("The trigger accepts “%(wanted)s”. This event has no type.", wanted=trigger.event_type)
            )
            return _explanation_of(trigger, MatchOutcome.OTHER_TYPE, reasons=[reason])
        objections, explanation = self._objections(trigger)
        reasons = [*objections, *self._circumstances(trigger, takes=not objections)]
        stands = trigger.workflow.status in {Workflow.Status.ACTIVE, Workflow.Status.PAUSED}
        if objections or not stands or trigger.pk in self.refused.keys() - self.waiting:
            outcome = MatchOutcome.REFUSED
        else:
            outcome = MatchOutcome.MATCHES if self.may_read or trigger.filter is None else MatchOutcome.UNKNOWN
        return _explanation_of(trigger, outcome, reasons=reasons, explanation=explanation)

    def _objections(self, trigger: ActiveTrigger) -> tuple[list[str], Explanation | None]:
        """Objections of the trigger itself, and the explanation of its filter."""
        event, found = self.event, []
        if host_events.TEST_HEADER in event.headers and trigger.event_type == "" and event.type:
            found.append(text("The trigger names no event type. Test deliveries start only triggers that do."))
        if not self.may_read:
            return found, None
        if trigger.kind == "model" and isinstance(event.payload, dict):
            origin = str(event.headers.get(host_events.ORIGIN_HEADER, ""))
            found += host_events.change_objections(
                trigger.config, event.payload, origin=origin, workflow=trigger.workflow.slug
            )
        if trigger.filter is None:
            return found, None
        try:
            explanation = RuleEngine().explain(trigger.filter, self.scope)
        except RuleError as error:
            return [*found, text("The condition cannot be evaluated: %(error)s", error=str(error))], None
        return [*found, *([] if explanation.passed else [text("The condition is false.")])], explanation

    def _circumstances(self, trigger: ActiveTrigger, *, takes: bool) -> Iterator[str]:
        """Reasons other than the trigger itself, then and now."""
        workflow = trigger.workflow
        if workflow.status == Workflow.Status.ARCHIVED:
            yield text("The workflow is archived, so no run starts.")
        if workflow.status == Workflow.Status.PAUSED:
            yield text("The workflow is paused. A run waits until you resume it.")
        if reason := self.refused.get(trigger.pk):
            yield text("The trigger is stopped: %(reason)s.", reason=reason)
        if trigger.workflow_id in self.held:
            yield text("The event waits until the run-as user may read it or the work is handed over.")
        if trigger.pk in self.waiting and workflow.status == Workflow.Status.ACTIVE:
            yield text("A run waits until the run-as user is active again.")
        if not self.may_read and trigger.filter is not None and not self.event.emptied_at:
            yield text("You need the View payloads permission to see the result of the condition.")
        if self._is_late(trigger):
            yield self._was_late(trigger)
        elif takes and self.may_read and self.is_processed and not self._is_stopped(trigger):
            yield text("The trigger accepts this event now, but did not when it was received. Replay the event.")

    def _is_stopped(self, trigger: ActiveTrigger) -> bool:
        return trigger.pk in self.refused or trigger.workflow_id in self.held

    def _is_late(self, trigger: ActiveTrigger) -> bool:
        return trigger.version.created_at > self.event.received_at

    def _was_late(self, trigger: ActiveTrigger) -> str:
        """Published after the event, and what was there before."""
        version = str(trigger.version)
        earlier = self.earlier.get(trigger.workflow_id)
        if earlier is None:
            return text(
                "%(version)s is the first version and was published after this event. Replay the event to start a run.",
                version=version,
            )
        names = {"version": version, "earlier": f"v{earlier[0]}"}
        if not self.may_read:
            return text("%(version)s was published after this event. %(earlier)s was live then.", **names)
        if _would_match(earlier[1], trigger.workflow, self.event):
            return text(
                "%(version)s was published after this event. %(earlier)s was live then and accepts it.", **names
            )
        return text(
            "%(version)s was published after this event. %(earlier)s was live then and does not accept it.", **names
        )


def _explanation_of(trigger: ActiveTrigger, outcome: MatchOutcome, **values: Any) -> TriggerExplanation:
    return TriggerExplanation(
        workflow=trigger.workflow,
        outcome=outcome,
        kind=trigger.kind,
        takes=trigger.event_type,
        version=trigger.version,
        **values,
    )


def _published_at(workflows: set[int], moment: dt.datetime) -> dict[int, tuple[int, Any]]:
    """(number, definition) of what was published at that moment, by workflow."""
    then = WorkflowVersion.objects.filter(workflow__in=workflows, created_at__lte=moment)
    newest = then.order_by("workflow_id", "-number").distinct("workflow_id")
    return {
        pk: (number, document) for pk, number, document in newest.values_list("workflow_id", "number", "definition")
    }


def _would_match(document: Any, workflow: Workflow, event: Event) -> bool:
    """Whether a trigger of an earlier definition would take the event."""
    try:
        parts = parse(document).triggers
    except DefinitionError:
        return False
    return any(
        shadow_evaluation.trigger_source(part, workflow) == event_types.trigger_source(event.source)
        and shadow_evaluation.would_match(part, workflow, event)
        for part in parts
    )


# --- runs -------------------------------------------------------------------------------------------------------------


def _waits(runs: Iterable[ExecutionRun]) -> dict[Any, Wait]:
    """Open waits of runs that have not started, by run."""
    waiting = [run.pk for run in runs if run.status == ExecutionRun.Status.WAITING]
    if not waiting:
        return {}
    kinds = [Wait.Kind.PAUSED, Wait.Kind.SLOT]
    return {wait.run_id: wait for wait in Wait.objects.filter(run__in=waiting, status=WaitStatus.OPEN, kind__in=kinds)}


def _run_reasons(run: ExecutionRun, wait: Wait | None, refusal: str = "") -> list[str]:
    """Reasons why a started run did nothing, or nothing yet; `refusal` is why its trigger is stopped."""
    if wait is not None and wait.kind == Wait.Kind.PAUSED and run.workflow.status == Workflow.Status.ACTIVE:
        stopped = [text("The trigger is stopped: %(reason)s.", reason=refusal)] if refusal else []
        return [*stopped, text("The run waits until the run-as user is active again or the work is handed over.")]
    if wait is not None and wait.kind == Wait.Kind.PAUSED:
        return [text("The run waits until the paused workflow is resumed.")]
    if wait is not None:
        most = (wait.data or {}).get("limit", 1)
        return [
            ntext(
                "The run is queued: the workflow allows %(count)s run at a time.",
                "The run is queued: the workflow allows %(count)s runs at a time.",
                most,
            )
        ]
    error = run.error or {}
    if error.get("code") in {concurrency.SKIPPED[0], concurrency.SUPERSEDED[0]}:
        return [error_message(error)]
    return []


def _explain_removed_trigger(run: ExecutionRun) -> TriggerExplanation:
    """A run of a workflow that has no trigger for such events any more."""
    return TriggerExplanation(
        workflow=run.workflow,
        outcome=MatchOutcome.STARTED,
        kind="",
        takes="",
        version=run.version,
        run=run,
        reasons=[text("The published version no longer has a trigger for this event.")],
    )


# --- what is not published --------------------------------------------------------------------------------------------

#: What a trigger's settings call what the rest of a source names.
_SOURCE_FIELDS = {"webhook": "endpoint", "run": "workflow", "model": "model"}


def _explain_unpublished(event: Event, workflows: QuerySet[Workflow]) -> Iterator[TriggerExplanation]:
    """Workflows that would listen to this source if they were published. Names in settings are compared as texts."""
    kind, _, name = event.source.partition(":")
    if event.source in event_types.SOURCES:
        kind, setting, name = "event", "event", event.type
    elif kind in _SOURCE_FIELDS:
        setting = _SOURCE_FIELDS[kind]
    else:
        return
    dormant = Workflow.objects.filter(status__in=[Workflow.Status.DRAFT, Workflow.Status.ARCHIVED])
    named = RawSQL("automate_core_trigger.config ->> %s", [setting], output_field=TextField())
    found = Trigger.objects.filter(kind=kind, workflow__in=workflows & dormant).alias(named=named)
    is_named = Q(named__iexact=name) if kind == "model" else Q(named=name)
    for trigger in found.filter(is_named).select_related("workflow").order_by("workflow__name", "pk")[:MAX_TRIGGERS]:
        is_draft = trigger.workflow.status == Workflow.Status.DRAFT
        reason = (
            text("The workflow was never published. Publish it to start runs.")
            if is_draft
            else text("The workflow is archived, so no run starts.")
        )
        takes = "" if kind in {"run", "model"} else str(trigger.config.get("event", ""))
        yield TriggerExplanation(
            workflow=trigger.workflow,
            outcome=MatchOutcome.UNPUBLISHED,
            kind=trigger.kind,
            takes=takes,
            reasons=[reason],
        )

"""Samples: the scope of a draft's expressions, from the newest event and run or chosen ones.

Only `sample_for_trigger` and `sample_for_step` check permissions.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from django.db.models import F, Func, IntegerField, Q, QuerySet
from django.utils.translation import gettext as _

from automate_authoring.definitions.scope import ERROR_NAMES, EVENT_NAMES, NameScope, scope_at, scope_at_condition
from automate_authoring.drafts.commands import DraftState
from automate_authoring.drafts.values import StepNode
from automate_authoring.test_runs import samples as tests
from automate_authoring.usability import may_read_events
from automate_core.definition.document import (
    ActionStep,
    Definition,
    ForEachStep,
    FormTrigger,
    ManualTrigger,
    Trigger,
    WaitStep,
)
from automate_core.definition.slots import walk
from automate_core.definition.step_paths import key_of
from automate_core.events.endpoints import source_condition
from automate_core.events.scope import event_scope
from automate_core.expressions.json_path import TemplateError
from automate_core.expressions.templating import compile_value
from automate_core.models import Event, ExecutionRun, StepRun, Workflow
from automate_governance.audit import payload_views
from automate_governance.permissions import Person, can
from automate_studio.models import ChosenSample

MAX_OUTPUT = 200_000  # bytes as they are stored: a larger output is no sample
MAX_OUTPUTS = 1_000_000  # bytes of all steps together
MAX_PATHS = 300
MAX_PATHS_DEEP = 7
EXAMPLE_ERROR: Mapping[str, Any] = {
    "code": "http_503",
    "message": "the server answered 503",
    "step": "",
    "details": {},
    "retryable": True,
    "retry_after": None,
}


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A scope with sample values. `source` describes its source, `source_with_run` with outputs; `at` is its time."""

    scope: dict[str, Any] = field(default_factory=dict)
    source: str = ""
    source_with_run: str = ""
    at: dt.datetime | None = None


@dataclass(frozen=True)
class WithheldSample:
    """A sample that this person may not view."""


def sample_for_trigger(state: DraftState, key: str, person: Person) -> Sample | WithheldSample | None:
    """Newest event of the trigger's source, whatever its filter says. None when there is none."""
    found = next((trigger for trigger in state.parsed.definition.triggers if trigger.key == key), None)
    if not can(person, "view_payload", state.workflow) or (found and not may_read_events(found, person)):
        return WithheldSample()
    if found is None:
        return None
    chosen = chosen_sample(person, state.workflow)
    events = trigger_events([found], state.workflow)
    event = (events.filter(pk=chosen.event).first() if chosen.event else None) or newest_event(found, state.workflow)
    sample = _event_sample(event, is_chosen=event is not None and event.pk == chosen.event)
    if sample or chosen.edited is not None:
        payload_views.record_view(person, "workflow.sample_viewed", state.workflow)
    return _edited_sample(chosen.edited, sample) if chosen.edited is not None else sample


def sample_for_step(state: DraftState, node: StepNode, person: Person) -> Sample | WithheldSample | None:
    """An event and the outputs of its run or of the newest one; before the first run, the event alone.

    Outputs of tests come on top, also before the first event. None when there is nothing.
    """
    workflow, definition = state.workflow, state.parsed.definition
    if not can(person, "view_payload", workflow):
        return WithheldSample()
    chosen = chosen_sample(person, workflow)
    run, event, is_chosen = _sample_source(state, person, chosen)
    sample = _event_sample(event, is_chosen=is_chosen)
    if sample is None and run is not None:
        sample = Sample(scope={"event": {}}, source=_("newest run"), at=run.created_at)
    if chosen.edited is not None:
        sample = _edited_sample(chosen.edited, sample)
    names, condition_names = scope_at(definition, node.key), scope_at_condition(definition, node.key)
    keys = {*names.step_keys, *condition_names.step_keys}
    of_run, of_tests = step_outputs(run, keys) if run else {}, _test_outputs(workflow, keys)
    if sample is None and not of_tests:
        return None
    sample = sample or Sample(scope={"event": {}}, source=_("newest test"))
    steps = {**of_tests, **of_run} if run and run.pk == chosen.run else {**of_run, **of_tests}
    sample = _add_run(sample, definition, run, steps)
    payload_views.record_view(person, "workflow.sample_viewed", workflow)
    return replace(sample, scope=_enclosing_scope(sample.scope, condition_names))


def _sample_source(
    state: DraftState, person: Person, chosen: ChosenSample
) -> tuple[ExecutionRun | None, Event | None, bool]:
    """(run, event, whether they were chosen rather than the newest)."""
    runs = workflow_runs(state.workflow).select_related("event")
    run, event = runs.filter(pk=chosen.run).first() if chosen.run else None, None
    if run is None and chosen.event:
        event = trigger_events(readable_triggers(state, person), state.workflow).filter(pk=chosen.event).first()
        run = runs.filter(event=event).first() if event else None
    is_chosen = bool(run or event)
    run = run or runs.first()
    if run is None and event is None:
        event = next(
            filter(None, (newest_event(trigger, state.workflow) for trigger in readable_triggers(state, person))), None
        )
    return run, event or (run.event if run else None), is_chosen


def workflow_runs(workflow: Workflow) -> QuerySet[ExecutionRun]:
    """Runs of a workflow, newest first: no tests, no sub-runs."""
    runs = ExecutionRun.objects.filter(workflow=workflow, parent=None).exclude(cause=ExecutionRun.Cause.TEST)
    return runs.order_by("-id")


def _test_outputs(workflow: Workflow, keys: set[str]) -> dict[str, Any]:
    """Outputs of steps from tests and mocks."""
    found = tests.outputs_of_tests(workflow, keys, in_first_items=True)
    return {key: {"output": output} for key, output in found.items()}


def _enclosing_scope(scope: dict[str, Any], names: NameScope) -> dict[str, Any]:
    """Additional names at a place: of loops their first item, and an error to catch."""
    scope = dict(scope)
    for loop in names.loops:
        scope["index"] = 0
        items = _render_or_none(loop.items, scope) if isinstance(loop, ForEachStep) else None
        if isinstance(items, list) and items:
            scope["item"] = items[0]
        elif isinstance(loop, ForEachStep):
            scope.pop("item", None)
    if "error" in names.names:
        scope["error"] = dict(EXAMPLE_ERROR)
    return scope


def _render_or_none(value: Any, scope: Mapping[str, Any]) -> Any:
    """Rendered value; None on an error, which its own field reports."""
    try:
        return compile_value(value).render(scope)
    except TemplateError:
        return None


def _add_run(sample: Sample, definition: Definition, run: ExecutionRun | None, steps: Mapping[str, Any]) -> Sample:
    ids = {"id": str(run.pk) if run else "", "trace_id": run.trace_id if run else "", "workflow": definition.slug}
    variables = {**definition.vars, **((run.vars or {}) if run else {}), **_saved_variables(definition, steps)}
    waits = [
        step.key for _, step in walk(definition.steps) if isinstance(step, WaitStep) and (step.callback or step.form)
    ]
    callbacks = dict.fromkeys(waits, "https://example.com/the-address-to-call")
    scope = {**sample.scope, "steps": steps, "vars": variables, "run": ids, "callbacks": callbacks}
    return replace(
        sample, scope=scope, source=sample.source_with_run if steps and sample.source_with_run else sample.source
    )


def _saved_variables(definition: Definition, steps: Mapping[str, Any]) -> dict[str, Any]:
    """Variables that steps save their outputs as."""
    actions = (step for _, step in walk(definition.steps) if isinstance(step, ActionStep))
    return {step.save_as: steps[step.key]["output"] for step in actions if step.save_as and step.key in steps}


# --- events -----------------------------------------------------------------------------------------------------------


def readable_triggers(state: DraftState, person: Person) -> list[Trigger]:
    """Triggers of the draft whose events the person may view."""
    return [trigger for trigger in state.parsed.definition.triggers if may_read_events(trigger, person)]


def trigger_events(triggers: Iterable[Trigger], workflow: Workflow) -> QuerySet[Event]:
    """Events of these triggers' sources, newest first."""
    looked_at = Q(pk__in=[])
    for trigger in triggers:
        source, kind = _source_and_type(trigger, workflow)
        looked_at |= source_condition(source) & (Q(type=kind) if kind else Q())
    return Event.objects.filter(looked_at, emptied_at=None).order_by("-id")


def newest_event(trigger: Trigger, workflow: Workflow) -> Event | None:
    """Newest event of the trigger's source."""
    return trigger_events([trigger], workflow).first()


def _source_and_type(trigger: Trigger, workflow: Workflow) -> tuple[str, str]:
    source, kind = trigger.matches
    return source or f"{trigger.__struct_config__.tag}:{workflow.slug}", kind


def _event_sample(event: Event | None, *, is_chosen: bool) -> Sample | None:
    if event is None:
        return None
    if is_chosen:
        source, source_with_run = _("chosen event, %(event)s"), _("chosen event and run, %(event)s")
    else:
        source, source_with_run = _("newest event, %(event)s"), _("newest event and run, %(event)s")
    return Sample(
        scope={"event": event_scope(event)},
        source=source % {"event": event},
        source_with_run=source_with_run % {"event": event},
        at=event.received_at,
    )


def _edited_sample(payload: Any, base: Sample | None) -> Sample:
    """Sample with an edited payload in place of an event's."""
    event = {**event_scope(None), **(base.scope["event"] if base else {}), "payload": payload}
    return Sample(scope={"event": event}, source=_("custom payload"), source_with_run=_("custom payload and run"))


def chosen_sample(person: Person, workflow: Workflow) -> ChosenSample:
    """The person's choice; an empty one by default."""
    found = ChosenSample.objects.filter(workflow=workflow, person=person).first()
    return found or ChosenSample(workflow=workflow, person=person)


# --- outputs ----------------------------------------------------------------------------------------------------------


def step_outputs(run: ExecutionRun, keys: set[str]) -> dict[str, Any]:
    """Outputs of these steps by key; of loops the first item's. Of many large ones the first are left out."""
    size = Func(F("output"), function="pg_column_size", output_field=IntegerField())
    rows = StepRun.objects.filter(run=run, status="succeeded", output_file=None).annotate(size=size).order_by("-id")
    rows = rows.exclude(path__regex=tests.LATER_ITEM)
    wanted: dict[str, str] = {}
    total = 0
    for pk, path, length in rows.values_list("pk", "path", "size")[:1_000]:
        key = key_of(path)
        if key in wanted or key not in keys or (length or 0) > min(MAX_OUTPUT, MAX_OUTPUTS - total):
            continue
        wanted[key] = str(pk)
        total += length or 0
    found = {str(pk): output for pk, output in rows.filter(pk__in=wanted.values()).values_list("pk", "output")}
    return {key: {"output": found[pk]} for key, pk in reversed(wanted.items()) if pk in found}


# --- what can be named ------------------------------------------------------------------------------------------------


def known_paths(state: DraftState, node: StepNode | None) -> list[str]:
    """Paths in scope without any sample: for a trigger's filter (None), or a step's condition."""
    names = [f"event.{name}" for name in EVENT_NAMES]
    if node is None:
        return names
    asked = [
        each
        for trigger in state.parsed.definition.triggers
        if isinstance(trigger, ManualTrigger | FormTrigger)
        for each in trigger.inputs
    ]
    names += dict.fromkeys(f"event.payload.{each.name}" for each in asked)
    scope = scope_at_condition(state.parsed.definition, node.key)
    names += [f"steps.{available.step.key}.output" for available in scope.steps]
    names += [name for name in ("item", "index") if name in scope.names]
    names += [f"error.{name}" for name in ERROR_NAMES if "error" in scope.names]
    return names + [f"vars.{name}" for name in state.parsed.definition.vars]


def walk_paths(value: Any, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """(dotted name, value) of all that names reach in a value; of a list itself and its first item."""
    if prefix:
        yield prefix, value
    if depth >= MAX_PATHS_DEEP:
        return
    items = value.items() if isinstance(value, dict) else [("0", value[0])] if isinstance(value, list) and value else ()
    for name, inner in items:
        if name and "." not in name and name == name.strip():
            yield from walk_paths(inner, f"{prefix}.{name}" if prefix else name, depth + 1)

"""Starting a test run: who may, what it runs, on which data."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Set
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
from django.db import transaction

from automate_authoring import workflows
from automate_authoring.drafts import parsing, problems, rows
from automate_authoring.drafts.problems import DraftProblem
from automate_authoring.run_as import may_choose
from automate_authoring.test_runs import decisions, samples, workflow_part
from automate_authoring.test_runs.decisions import Decision, DecisionError
from automate_authoring.test_runs.workflow_part import WorkflowPart
from automate_core.database import AutomateNow
from automate_core.definition import form_validation
from automate_core.definition.document import Definition, DefinitionError, FormTrigger, ManualTrigger
from automate_core.definition.form_validation import AnswersError
from automate_core.definition.parsing import parse, to_document
from automate_core.engine.test_options import Mode, TestedPart, TestOptions
from automate_core.ids import new_trace_id
from automate_core.models import Event, ExecutionRun, StepSample, Workflow, WorkflowVersion
from automate_core.outbox import subjects
from automate_core.runs.waits import resolution
from automate_core.states import FINAL_RUN_STATES
from automate_governance import audit
from automate_governance.people.names import sign_in_name
from automate_governance.permissions import NotPermittedError, Person, can
from automate_governance.redaction.redactor import redact
from automate_plugins import text

KEPT = 5  #: test runs that are kept of each step, of each way to it, and of the whole
MAX_PAYLOAD = 1_000_000  #: characters of JSON
SOURCE = "test"  #: what the source of an event begins with that was made for a test


class NotTestableError(Exception):
    """The draft cannot be tested in its current state. `problems` are those that prevent the test."""

    def __init__(self, message: str, problems: list[DraftProblem] | None = None) -> None:
        super().__init__(message)
        self.problems = problems or []


@dataclass(frozen=True, kw_only=True)
class Request:
    """`event` is a stored one, `payload` a document in its place; with neither the newest event, else an example.

    `mocks` are outputs of steps by key, in place of those that are stored; a step with one does not run.
    `decisions` are outcomes of approvals by key. Other approvals are asked for in a real test; else they take what is
    known of them, or their first outcome.

    `recalls` asks for what is known of the workflow from elsewhere: mocks, kept samples, and outputs of earlier runs.
    Without it, the test depends on the draft and on this request alone.
    """

    mode: Mode
    scope: TestedPart
    step: str = ""
    event: uuid.UUID | None = None
    payload: Any = msgspec.UNSET
    decisions: Mapping[str, Decision] = field(default_factory=dict)
    mocks: Mapping[str, Any] = field(default_factory=dict)
    recalls: bool = True


@dataclass(frozen=True, kw_only=True)
class PreparedTest:
    """A test ready to start: part of the draft, the terms and the event. An event without a key is not stored."""

    definition: Definition
    options: TestOptions
    event: Event


def refusal(workflow: Workflow, by: Person, mode: Mode) -> str:
    """Reason why this person may not test the workflow in that mode; empty when they may.

    A dry run reads and a real run writes with the permissions of the workflow's `run_as` user, so both need the same
    permission as publishing with that user.
    """
    for verb in ("change", "view_payload", *(("run",) if mode == "real" else ())):
        if not can(by, verb, workflow):
            return _missing_permission(verb, by, workflow)
    if mode != "preview" and not may_choose(by, workflow.run_as_id):
        run_as = sign_in_name(workflow.run_as)
        return text("The workflow runs as %(run_as)s. Only %(run_as)s or a superuser can test it.", run_as=run_as)
    return workflows.refusal(workflow, by) if mode == "real" else ""


def _missing_permission(verb: str, by: Person, workflow: Workflow) -> str:
    values = {"person": sign_in_name(by), "slug": workflow.slug}
    match verb:
        case "change":
            return text("%(person)s needs the Change permission for the workflow %(slug)s.", **values)
        case "view_payload":
            return text("%(person)s needs the View payloads permission for the workflow %(slug)s.", **values)
    return text("%(person)s needs the Run permission for the workflow %(slug)s.", **values)


def prepare_test(workflow: Workflow, request: Request, *, by: Person) -> PreparedTest:
    """Prepare a test of the current draft. Raises NotPermittedError, NotTestableError."""
    if reason := refusal(workflow, by, request.mode):
        raise NotPermittedError(reason)
    read = parsing.parse_draft(rows.load_draft(workflow))
    part = _part(read.definition, request)
    found = [each for each in problems.find_problems(read, workflow, by) if each.level == "error"]
    if in_the_way := [each for each in found if _is_in_the_way(each, part, request.mode)]:
        raise NotTestableError(text("Fix these errors before you test."), in_the_way)
    faulty = {each.trigger for each in found}
    definition = msgspec.structs.replace(
        read.definition,
        name=read.definition.name or workflow.slug,
        triggers=[trigger for trigger in read.definition.triggers if trigger.key not in faulty],
        steps=part.steps,
        concurrency=None,
    )
    event, words = _event(workflow, definition, request, by)
    options = TestOptions(
        mode=request.mode,
        scope=request.scope,
        step=request.step,
        content={
            key: each for key, each in workflow_part.step_digests(read.definition.steps).items() if key in part.keys
        },
        sample=words,
        **_output_terms(workflow, read.definition, part, request, by),
    )
    try:
        parse(to_document(definition))
    except DefinitionError as error:
        raise NotTestableError(str(error)) from error
    return PreparedTest(definition=definition, options=options, event=event)


@transaction.atomic
def start_test(workflow: Workflow, request: Request, *, by: Person) -> ExecutionRun:
    """Start a test run of the present draft; a worker walks it. Raises NotPermittedError, NotTestableError."""
    prepared = prepare_test(workflow, request, by=by)
    event = prepared.event
    if event._state.adding:
        event.save(force_insert=True)
    version = WorkflowVersion.snapshots.create(
        workflow=workflow,
        number=0,
        definition=to_document(prepared.definition),
        author=by,
        run_as=workflow.run_as,
        test=msgspec.to_builtins(prepared.options),
    )
    run = ExecutionRun.objects.create(
        workflow=workflow,
        version=version,
        event=event,
        cause=ExecutionRun.Cause.TEST,
        trace_id=event.trace_id,
        priority=prepared.definition.priority,
        created_at=AutomateNow(),
        seq=1,
    )
    resolution.wake_runs([run.pk])
    if request.mode == "real":
        outcomes = {key: each["outcome"] for key, each in prepared.options.decisions.items()}
        tested = {"scope": request.scope, "step": request.step, "run": str(run.pk), "decisions": outcomes}
        audit.record(by, "workflow.tested", workflow, changes=tested, trace_id=run.trace_id)
    _delete_older(workflow, prepared.options)
    return run


def delete_test(run: ExecutionRun) -> None:
    """Remove a test run that has ended, with its snapshot and the event that was made for it."""
    if run.cause != ExecutionRun.Cause.TEST or run.status not in FINAL_RUN_STATES:
        raise NotTestableError(text("Cancel the test before you delete it."))
    with transaction.atomic():
        if run.event_id is not None:
            Event.objects.filter(pk=run.event_id, source__startswith=f"{SOURCE}:").delete()
        version_id = run.version_id
        ExecutionRun.objects.filter(pk=run.pk).delete()
        WorkflowVersion.snapshots.filter(pk=version_id, test__isnull=False).delete()


def _delete_older(workflow: Workflow, options: TestOptions) -> None:
    tests = ExecutionRun.objects.filter(
        workflow=workflow,
        cause=ExecutionRun.Cause.TEST,
        version__test__scope=options.scope,
        version__test__step=options.step,
    )
    for run in tests.order_by("-id")[KEPT:]:
        if run.status in FINAL_RUN_STATES:
            delete_test(run)


def _part(definition: Definition, request: Request) -> WorkflowPart:
    if request.scope == "whole":
        part: WorkflowPart | None = WorkflowPart(definition.steps, {})
    else:
        part = (workflow_part.single_step if request.scope == "step" else workflow_part.steps_up_to)(
            definition, request.step
        )
    if part is None:
        raise NotTestableError(text("This step no longer exists."))
    if not part.steps:
        raise NotTestableError(text("There is no step to test yet. Add one."))
    for key in sorted(request.mocks.keys() - part.keys):
        raise NotTestableError(text("There is no step %(key)s to mock in this test.", key=repr(key)))
    approvals = {each.key for each in decisions.find_approvals(definition.steps)}
    for key in sorted(request.decisions.keys() - approvals):
        raise NotTestableError(text("%(key)s is no approval of this draft.", key=repr(key)))
    return part


def _is_in_the_way(problem: DraftProblem, part: WorkflowPart, mode: Mode) -> bool:
    """A preview uses no connection; what starts the workflow matters only where all of it happens."""
    if problem.step:
        return problem.step in part.keys and not (mode == "preview" and problem.field == "connection")
    if problem.trigger:
        return mode == "real"
    return problem.field not in {"name", "steps", "triggers"}


def _output_terms(
    workflow: Workflow, definition: Definition, part: WorkflowPart, request: Request, by: Person
) -> dict[str, Any]:
    """Outputs in the terms of a test: given ones, mocks, known outputs and decisions."""
    written = msgspec.json.encode(part.steps).decode()
    before = {key for key in _keys(definition) - part.keys if key in written} if request.scope == "step" else set()
    remembered = before | part.keys if request.recalls else set()
    known = samples.known_outputs(workflow, remembered)
    callbacks, assumed = _callback_outputs(workflow, definition, before | part.keys, remembered)
    known |= callbacks
    mocks = StepSample.objects.filter(workflow=workflow, kind=StepSample.Kind.MOCK, key__in=part.keys & remembered)
    there = {**dict(mocks.values_list("key", "output")), **request.mocks}
    if request.scope == "step":
        there.pop(request.step, None)  # whoever tests a step wants to see the step
    given = {**part.given, "steps": {key: {"output": known[key]} for key in before & known.keys()}}
    stubs = {key: known[key] for key in part.keys & known.keys()} if request.mode != "real" else {}
    try:
        chosen = decisions.decided_outputs(part.steps, request.decisions, by=by)
        if request.mode != "real":
            presets = {each.key: decisions.default_output(each, by=by) for each in decisions.find_approvals(part.steps)}
            stubs = presets | decisions.example_pages(part.steps) | stubs
    except DecisionError as error:
        raise NotTestableError(str(error)) from error
    data: dict[str, Any] = redact({"given": given, "mocks": there, "stubs": stubs, "decisions": chosen})
    return data | {"assumed": sorted(assumed & stubs.keys() - there.keys())}


def _callback_outputs(
    workflow: Workflow, definition: Definition, keys: Set[str], remembered: Set[str]
) -> tuple[dict[str, Any], set[str]]:
    """Outputs of the waits for a callback among these steps: (all by key, the keys of those that are made up)."""
    waits = {step.key for step in decisions.find_callbacks(definition.steps)} & keys
    came = samples.received_callbacks(workflow, waits & remembered)
    assumed = waits - came.keys()
    return came | {key: decisions.example_callback(definition, key) for key in assumed}, assumed


def _keys(definition: Definition) -> set[str]:
    return replace(WorkflowPart([], {}), steps=definition.steps).keys


def _event(workflow: Workflow, definition: Definition, request: Request, by: Person) -> tuple[Event, str]:
    """(the event, its origin in words)."""
    if request.payload is not msgspec.UNSET:
        return _build_event(workflow, definition, _answered(definition, request.payload)), text("custom data")
    if request.event is not None:
        event = samples.sample_events(workflow, definition, by).filter(pk=request.event).first()
        if event is None:
            reason = text("This event was deleted, or no trigger of this workflow accepts it. Choose another event.")
            raise NotTestableError(reason)
        return event, f"{event}"
    newest = samples.newest_event(workflow, definition, by)
    if newest is not None:
        return newest, f"{newest}"
    made = _build_event(workflow, definition, samples.example_event(definition)[1])
    return made, text("example data (no event yet)")


def _answered(definition: Definition, payload: Any) -> Any:
    """A payload for a form of the first trigger with all its fields, as a start has it; another one as it is."""
    trigger = definition.triggers[0] if definition.triggers else None
    if not isinstance(trigger, ManualTrigger | FormTrigger) or not isinstance(payload, Mapping):
        return payload
    try:
        return form_validation.check_answers(msgspec.to_builtins(trigger.inputs), payload, complete=False)
    except AnswersError:
        return payload


def _build_event(workflow: Workflow, definition: Definition, payload: Any) -> Event:
    if len(msgspec.json.encode(payload)) > MAX_PAYLOAD:
        raise NotTestableError(text("Use at most %(maximum)s characters of data.", maximum=MAX_PAYLOAD))
    return Event(
        source=f"{SOURCE}:{workflow.slug}",
        type=samples.example_event(definition)[0],
        payload=payload,
        headers={},
        trace_id=new_trace_id(),
        received_at=AutomateNow(),
        subject=subjects.guess_subject(payload),
    )

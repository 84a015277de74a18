"""Tests in the builder: started by one POST, polled until they end; results, kept samples and mocks."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from django.db.models.fields.json import KT
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from automate_authoring.drafts import parsing, rows
from automate_authoring.publishing import dependencies
from automate_authoring.publishing.dependencies import Dependencies
from automate_authoring.test_runs import results, samples, start
from automate_authoring.test_runs.decisions import find_callbacks
from automate_authoring.test_runs.results import StepResult
from automate_authoring.test_runs.start import NotTestableError, Request
from automate_connectors.adapters.base import Effect as ActionEffect
from automate_connectors.registry import find_action
from automate_core import artifacts
from automate_core.definition import step_names
from automate_core.definition.document import ActionStep, ApprovalStep, Definition, ReplyStep
from automate_core.definition.slots import walk
from automate_core.definition.step_paths import items_of, key_in, key_of
from automate_core.engine.test_options import Mode, TestedPart
from automate_core.models import Event, ExecutionRun, ForeseenEffect, StepRun, StepSample, Workflow
from automate_governance.permissions import NotPermittedError, Person, can
from automate_governance.texts import error_message, escape_invisible, translated
from automate_plugins import text
from automate_studio.builder.panel.problem_messages import ProblemLine, problem_lines
from automate_studio.builder.panel.steps import path_of_step
from automate_studio.builder.tests.decisions import (
    approval_choices,
    decision_sentences,
    is_decision_field,
    outcome_choices,
    posted_decisions,
    posted_payloads,
)
from automate_studio.samples.samples import chosen_sample
from automate_studio.view_models.run_values import effect_tree, error_details_tree, step_value_trees
from automate_studio.view_models.step_tree import TestBadge
from automate_ui.formatting import as_sentence, format_clock, format_duration, format_elapsed
from automate_ui.json.editor import parse_storable
from automate_ui.json.tree import JsonTree
from automate_ui.navigation.http import current_person
from automate_ui.request_params import get_editable_workflow
from automate_ui.versions import version_definitions

MODES: dict[str, str] = {"preview": text("Preview"), "dry": text("Dry run"), "real": text("Real run")}
_SCOPES = {"step", "to", "whole"}
_EVENTS = 5
_KEY = re.compile(r"[a-z][a-z0-9_]{0,63}")


@dataclass(frozen=True, kw_only=True)
class EffectView:
    """An effect that a dry run skipped. `fields` are (label, before, after)."""

    title: str
    action: str
    fields: list[tuple[str, str, str]]
    details: JsonTree | None = None


@dataclass(frozen=True, kw_only=True)
class StepResultLine:
    """A step in the result of the whole workflow. `item` names a loop's item, `effects` the skipped effects."""

    name: str
    path: str
    state: str
    message: str
    item: str = ""
    effects: tuple[EffectView, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TestResultView:
    """Result of a step's test, or with an empty `key` of the whole workflow. `shown` is the open result."""

    workflow: Workflow
    key: str
    kind: str = ""  # of the step
    past: list[StepResult]
    shown: StepResult | None
    effects: list[EffectView]
    lines: list[StepResultLine]
    logs: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    input: JsonTree | None = None
    output: JsonTree | None = None
    details: JsonTree | None = None
    pin: StepSample | None = None
    mock: StepSample | None = None
    mock_text: str = ""
    refused: str = ""
    problems: Sequence[ProblemLine] = ()
    confirm: Dependencies | None = None
    systems: tuple[str, ...] = ()
    outcomes: tuple[str, ...] = ()
    form_values: Mapping[str, str] | None = None
    may_see: bool = True
    changed: bool = False

    @property
    def mode(self) -> str:
        """Kind of the shown test in words."""
        return translated(MODES[self.shown.terms["mode"]]) if self.shown else ""

    @property
    def title(self) -> str:
        """Outcome in two words."""
        if self.shown is None:
            return _("Not tested yet")
        if self.changed and self.shown.has_ended:
            return _("Changed since test")
        if self.is_held_back:
            return _not_performed_text(self.kind)
        state = self.shown.run.status if not self.key else self.shown.state
        known = {
            "succeeded": _("Previewed") if self.shown.terms["mode"] == "preview" else _("Test passed"),
            "failed": _("Test failed"),
            "skipped": _("Not reached"),
            "waiting": _("Waiting"),
            "cancelled": _("Cancelled"),
        }
        return known.get(state, _("Running"))

    @property
    def is_held_back(self) -> bool:
        """Whether the test did not perform the step: a dry run describes a call, and does not wait."""
        shown = self.shown
        if shown is None or not self.key or shown.state != "succeeded" or shown.terms["mode"] != "dry":
            return False
        return shown.is_described or results.is_passed_over(self.kind, "dry")

    @property
    def state(self) -> str:
        """State of the title."""
        if self.shown is None:
            return ""
        if self.changed and self.shown.has_ended:
            return "waiting"
        if self.is_held_back:
            return "skipped"
        return str(self.shown.state if self.key else self.shown.run.status)

    @property
    def seconds(self) -> str:
        """Duration."""
        run = self.shown.run if self.shown else None
        if run is None:
            return ""
        if self.key and self.shown and self.shown.seconds is not None:
            return format_duration(self.shown.seconds)
        return format_elapsed(run.started_at, run.finished_at) if run.finished_at else ""


def test_run(request: HttpRequest, pk: int) -> HttpResponse:
    """A POST starts a test: 202 with its running state. A GET gives the result of `?step=`: of `?run=`, or of the
    newest test.
    """
    workflow = get_editable_workflow(request, pk)
    if request.method == "POST":
        return _start_test(request, workflow)
    key = _step_key(request.GET.get("step"))
    run = _get_test_run(workflow, request.GET.get("run")) if request.GET.get("run") else None
    return _result_response(request, _result_view(request, workflow, key, run))


@require_POST
def change_kept(request: HttpRequest, pk: int) -> HttpResponse:
    """Keep a result as a sample, create a mock, undo either, or delete a test, by `act`."""
    workflow = get_editable_workflow(request, pk)
    key, act = _step_key(request.POST.get("step")), request.POST.get("act")
    if act != "delete" and not workflow.steps.filter(key=key).exists():
        raise Http404
    by = current_person(request)
    try:
        match act:
            case "pin":
                run = _get_test_run(workflow, request.POST.get("run"))
                _pin_result(workflow, key, results.result_in_run(run, key), request)
            case "unpin":
                samples.delete_sample(workflow, key, StepSample.Kind.PIN)
            case "mock":
                samples.keep_sample(
                    workflow, key, StepSample.Kind.MOCK, _parse_json(request.POST.get("output", "")), by=by
                )
            case "unmock":
                samples.delete_sample(workflow, key, StepSample.Kind.MOCK)
            case "delete":
                start.delete_test(_get_test_run(workflow, request.POST.get("run")))
            case _:
                raise NotTestableError(_("Choose pin, unpin, mock, unmock or delete."))
    except NotTestableError as error:
        return _error_response(request, workflow, key, error)
    return _result_response(request, _result_view(request, workflow, key, None))


def test_badges(workflow: Workflow, definition: Definition) -> dict[str, TestBadge]:
    """Badges of the steps from their tests. Two queries."""
    found: dict[str, TestBadge] = {}
    now = timezone.localtime()
    kinds = {step.key: str(step.__struct_config__.tag) for _, step in walk(definition.steps)}
    for key, last in results.latest_tests(workflow, definition).items():
        at = format_clock(timezone.localtime(last.at), now)
        if last.changed:
            found[key] = TestBadge(kind="changed", text=_("Changed since test"))
        elif not last.performed:
            found[key] = TestBadge(kind="described", text=_not_performed_text(kinds[key]))
        elif last.passed:
            found[key] = TestBadge(kind="tested", text=_("Tested %(time)s") % {"time": at})
        else:
            found[key] = TestBadge(kind="failed", text=_("Test failed %(time)s") % {"time": at})
    return found | {key: TestBadge(kind="mocked", text=_("Mocked")) for key in results.mocked_keys(workflow)}


def _not_performed_text(kind: str) -> str:
    return _("Not waited for in a dry run") if kind == "wait" else _("Not called in a dry run")


# --- starting ---------------------------------------------------------------------------------------------------------


def _start_test(request: HttpRequest, workflow: Workflow) -> HttpResponse:
    key = _step_key(request.POST.get("step"))
    try:
        wanted = _test_request(request, workflow, key)
        if wanted.mode == "real" and request.POST.get("confirmed") != "yes":
            prepared = start.prepare_test(workflow, wanted, by=current_person(request))
            touched = dependencies.find_dependencies(prepared.definition, request.user)
            fields = {
                name: str(value) for name, value in request.POST.items() if name in _FIELDS or is_decision_field(name)
            }
            systems = tuple(_called_systems(prepared.definition))
            outcomes = tuple(decision_sentences(prepared.definition, wanted.decisions))
            view = _result_view(
                request, workflow, key, None, confirm=touched, systems=systems, outcomes=outcomes, form_values=fields
            )
            return _result_response(request, view)
        run = start.start_test(workflow, wanted, by=current_person(request))
    except NotPermittedError as error:
        return _error_response(request, workflow, key, NotTestableError(str(error)), status=403)
    except NotTestableError as error:
        return _error_response(request, workflow, key, error)
    return _result_response(request, _result_view(request, workflow, key, run), status=202)


def _called_systems(definition: Definition) -> Iterator[str]:
    """Systems that steps with effects call, such as `Tell (Email: Send email)`."""
    for _path, step in walk(definition.steps):
        if not isinstance(step, ActionStep) or step.disabled:
            continue
        adapter, action = find_action(step.action)
        if action.effect is not ActionEffect.PURE:
            values = {
                "step": step.name or step_names.title_of_key(step.key),
                "connector": translated(adapter.name),
                "action": translated(action.label) or action.name,
            }
            yield _("%(step)s (%(connector)s: %(action)s)") % values


_FIELDS = ("mode", "scope", "step", "event", "payload")


def _test_request(request: HttpRequest, workflow: Workflow, key: str) -> Request:
    """Requested test. Raises NotTestableError."""
    mode, scope = request.POST.get("mode", ""), request.POST.get("scope", "")
    if mode not in MODES or scope not in _SCOPES or (scope == "whole") != (not key):
        raise NotTestableError(_("Choose a test scope and a test mode."))
    event, text = request.POST.get("event", ""), request.POST.get("payload", "").strip()
    try:
        chosen = uuid.UUID(event) if event else None
    except ValueError as error:
        raise NotTestableError(_("Unknown event. Choose one from the list.")) from error
    data = _parse_json(text) if text else msgspec.UNSET
    if not event and not text:
        chosen, data = _chosen_sample(workflow, current_person(request))
    the_mode, the_scope = msgspec.convert(mode, _MODE), msgspec.convert(scope, _SCOPE)
    definition = parsing.parse_draft(rows.load_draft(workflow)).definition
    return Request(
        mode=the_mode,
        scope=the_scope,
        step=key,
        event=chosen,
        payload=data,
        decisions=posted_decisions(request.POST, definition),
        mocks=posted_payloads(request.POST, definition, _parse_json) if the_scope != "step" else {},
    )


def _chosen_sample(workflow: Workflow, person: Person) -> tuple[uuid.UUID | None, Any]:
    """(event, payload) of the person's chosen sample, if any."""
    found = chosen_sample(person, workflow)
    if found.edited is not None:
        return None, found.edited
    run = ExecutionRun.objects.filter(workflow=workflow, pk=found.run).first() if found.run else None
    event = run.event_id if run else found.event
    still_there = event is not None and Event.objects.filter(pk=event).exists()
    return event if still_there else None, msgspec.UNSET


_MODE: Any = Mode.__value__
_SCOPE: Any = TestedPart.__value__


def _parse_json(text: str) -> Any:
    """The value of a JSON text. Raises NotTestableError."""
    try:
        return parse_storable(text)
    except ValueError as error:
        raise NotTestableError(_("Invalid JSON: %(problem)s") % {"problem": translated(str(error))}) from error


def _pin_result(workflow: Workflow, key: str, result: StepResult, request: HttpRequest) -> None:
    if result.step is None or result.step.status != "succeeded":
        raise NotTestableError(_("Only a successful result can be used as sample."))
    step, by = result.step, current_person(request)
    try:
        output = artifacts.read_value(step.output_file) if step.output_file else step.output
    except artifacts.ArtifactError as error:
        raise NotTestableError(error.message) from error
    samples.keep_sample(workflow, key, StepSample.Kind.PIN, output, by=by, run=result.run.pk)


# --- what is shown ----------------------------------------------------------------------------------------------------


def _result_view(
    request: HttpRequest, workflow: Workflow, key: str, run: ExecutionRun | None, **more: Any
) -> TestResultView:
    if not can(request.user, "view_payload", workflow):
        return TestResultView(
            workflow=workflow, key=key, past=[], shown=None, effects=[], lines=[], may_see=False, **more
        )
    past = results.results_of_step(workflow, key) if key else results.results_of_workflow(workflow)
    chosen = run or (past[0].run if past else None)
    shown = results.result_in_run(chosen, key) if chosen else None
    kept = {each.kind: each for each in StepSample.objects.filter(workflow=workflow, key=key)} if key else {}
    mock, step = kept.get("mock"), shown.step if shown else None
    present = mock.output if mock else step.output if step else None
    values = step_value_trees(shown.run, step) if shown and step else {}
    return TestResultView(
        workflow=workflow,
        key=key,
        kind=workflow.steps.filter(key=key).values_list("kind", flat=True).first() or "" if key else "",
        past=past,
        shown=shown,
        effects=list(_effect_views(shown)) if shown else [],
        lines=_result_lines(workflow, shown.run, is_real=shown.terms.get("mode") == "real")
        if shown and not key
        else [],
        logs=tuple(escape_invisible(line) for line in shown.logs) if shown else (),
        warnings=tuple(escape_invisible(line) for line in shown.warnings) if shown else (),
        input=values.get("input"),
        output=values.get("output") if step and step.status == "succeeded" else None,
        details=values.get("details") or (error_details_tree(shown.run) if shown else None),
        pin=kept.get("pin"),
        mock=mock,
        changed=shown is not None and results.is_outdated(workflow, shown, key),
        mock_text=escape_invisible(json.dumps(present, indent=2, ensure_ascii=False)),
        **more,
    )


def _result_lines(workflow: Workflow, run: ExecutionRun, *, is_real: bool) -> list[StepResultLine]:
    draft = rows.load_draft(workflow)
    definition = version_definitions([run.version_id])[run.version_id]
    attempts = StepRun.objects.filter(run=run).order_by("started_at", "id").values_list("path", "status", "error")[:500]
    last = {path: (status, error_message(error)) for path, status, error in attempts}
    foreseen = dict(ForeseenEffect.objects.filter(run=run).order_by("attempt").values_list("path", "effects")[:200])
    replies = _reply_views(definition, run)
    assumed = {} if is_real else _assumed_outcomes(definition, run)
    return [
        StepResultLine(
            name=step_names.step_name(definition, path),
            path=path_of_step(draft, key_of(path)) if key_of(path) in draft.steps else "",
            state=state,
            message=message or assumed.get(path, ""),
            item=items_of(path),
            effects=(*(_effect_view(each) for each in foreseen.get(path, ())[:3]), *replies.get(path, ())),
        )
        for path, (state, message) in last.items()
    ]


def _assumed_outcomes(definition: Definition, run: ExecutionRun) -> dict[str, str]:
    """What a test that asks no one and waits for nothing took as the outcomes of its approvals and callbacks, by path.

    No query without them.
    """
    names = {
        step.key: dict(outcome_choices(step)) for _, step in walk(definition.steps) if isinstance(step, ApprovalStep)
    }
    made_up = (run.version.test or {}).get("assumed") or []
    for step in find_callbacks(definition.steps):
        came = _("example payload") if step.key in made_up else _("a callback came")
        names[step.key] = {"received": came, "timeout": _("Deadline passes")}
    if not names:
        return {}
    rows_of = StepRun.objects.filter(run=run, status="succeeded").alias(key=key_in("path")).filter(key__in=names)
    outcomes = rows_of.annotate(outcome=KT("output__outcome")).values_list("path", "outcome")[:200]
    return {
        path: _("Assumed: %(outcome)s") % {"outcome": names[key_of(path)].get(outcome, outcome)}
        for path, outcome in outcomes
        if outcome
    }


def _reply_views(definition: Definition, run: ExecutionRun) -> dict[str, tuple[EffectView]]:
    """What reply steps would answer, by path. No query without such a step."""
    keys = [step.key for _, step in walk(definition.steps) if isinstance(step, ReplyStep)]
    if not keys:
        return {}
    rows_of = StepRun.objects.filter(run=run, status="succeeded").alias(key=key_in("path")).filter(key__in=keys)
    found = {}
    for path, output in rows_of.values_list("path", "output")[:200]:
        if isinstance(output, dict) and "status" in output and "content_type" in output:
            parts = [str(output["status"]), str(output["content_type"])]
            parts += [_short_value(output["body"])] if "body" in output else []
            found[path] = (EffectView(title=_("Would reply"), action=escape_invisible(" · ".join(parts)), fields=[]),)
    return found


_TITLES = {"created": text("Would create"), "changed": text("Would change"), "deleted": text("Would delete")}


def _effect_views(shown: StepResult) -> Iterator[EffectView]:
    """Effects of the step, with what would be sent."""
    for index, document in enumerate(shown.effects):
        details = document.get("details")
        tree = effect_tree(shown.run, shown.step, index, details) if shown.step and details else None
        yield replace(_effect_view(document), details=tree)


def _effect_view(document: dict[str, Any]) -> EffectView:
    kind = document["kind"]
    if kind in {"call", "unknown"}:
        title = document["name"]
        if kind == "call" and document.get("connection"):
            values = {"name": title, "connection": document["connection"]}
            title = _("Would call %(name)s through %(connection)s") % values
        elif kind == "call":
            title = _("Would call %(name)s") % {"name": title}
        return EffectView(
            title=title,
            action=escape_invisible(error_message({"message": document["summary"], "text": document.get("text")})),
            fields=[],
        )
    if "count" in document:
        count, model = document["count"], document["model"]
        rows_of = ngettext("%(count)s row of %(model)s", "%(count)s rows of %(model)s", count)
        action = rows_of % {"count": count, "model": model}
        return EffectView(title=translated(_TITLES[kind]), action=action, fields=[])
    fields = [
        (translated(each["label"]), _short_value(each["before"]), _short_value(each["after"]))
        for each in document["fields"]
    ]
    action = f"{translated(document['name'])} {document['pk']}"
    return EffectView(title=translated(_TITLES[kind]), action=action, fields=fields)


def _short_value(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return escape_invisible(text if len(text) <= 200 else f"{text[:200]}…")


def _error_response(
    request: HttpRequest, workflow: Workflow, key: str, error: NotTestableError, status: int = 422
) -> HttpResponse:
    draft = rows.load_draft(workflow)
    problems = problem_lines(draft, error.problems)
    view = _result_view(request, workflow, key, None, refused=as_sentence(str(error)), problems=problems)
    return _result_response(request, view, status=status)


def _result_response(request: HttpRequest, view: TestResultView, status: int = 200) -> HttpResponse:
    definition = parsing.parse_draft(rows.load_draft(view.workflow)).definition
    events = samples.sample_events(view.workflow, definition, current_person(request))[:_EVENTS] if view.may_see else []
    context = {
        "view": view,
        "badges": {
            key: (badge.kind, badge.icon, badge.text) for key, badge in test_badges(view.workflow, definition).items()
        },
        "events": [("", _("Sample chosen in the builder")), *map(_event_choice, events)],
        "approvals": approval_choices(view.workflow, definition, view.key) if view.may_see else [],
    }
    return TemplateResponse(request, "automate_studio/builder/test/result.html", context, status=status)


def _event_choice(event: Event) -> tuple[str, str]:
    at = format_clock(timezone.localtime(event.received_at), timezone.localtime())
    return str(event.pk), f"{event.type or event.source}, {at}"


def _step_key(text: str | None) -> str:
    """Key of a step, empty for the whole workflow. Raises Http404 for anything else."""
    if text and not _KEY.fullmatch(text):
        raise Http404
    return text or ""


def _get_test_run(workflow: Workflow, text: str | None) -> ExecutionRun:
    try:
        return get_object_or_404(results.runs_of_tests(workflow), pk=uuid.UUID(text or ""))
    except ValueError as error:
        raise Http404 from error

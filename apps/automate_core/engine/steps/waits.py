"""Steps that wait: for a time, a callback, people, or another workflow."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from automate_connectors.invocation import encode_output
from automate_core import artifacts
from automate_core.definition.form_validation import with_defaults
from automate_core.engine.outcomes import RunStoppedError
from automate_core.engine.program import ApprovalNode, Nodes, WaitNode, WorkflowNode
from automate_core.engine.records import CallRecord, LogRecord, StepRecord, WaitRecord
from automate_core.engine.scheduler import Effect, StepGenerator
from automate_core.engine.scope import Scope
from automate_core.engine.step_context import StepContext
from automate_core.engine.steps.routes import STOPPED
from automate_core.expressions.durations import parse_duration
from automate_core.models import Wait
from automate_core.states import StepStatus
from automate_plugins import text
from automate_plugins.texts import restored

MAX_DEPTH = 10


def wait(walk: StepContext, node: WaitNode, path: str, scope: Scope) -> StepGenerator:
    """Wait for a duration, a time, a callback or the answer to a form."""
    step, entered = yield from walk.enter(path, node.key)
    with walk.container(step, node, scope):
        if entered:
            due_in, due_at = yield from _due(walk, node, step, scope)
            data = None
            if node.form is not None:
                texts = yield from walk.render_or_fail(node.form.texts, scope, node.key, step)
                fields = with_defaults(node.form.fields, texts.pop("defaults", {}))
                data = {**texts, "form": fields, "shown_to": node.form.shown_to}
            step.wait()
            walk.mark_changed(step)
            if path not in walk.known_waits:  # a callback may come before the run gets here
                walk.waits.append(WaitRecord(path, node.kind, due_in, due_at=due_at, data=data))
        if step.status == StepStatus.WAITING:
            answer = yield from walk.wait_until_resolved(path)
            if walk.apply_skip(step, answer):
                return
            if node.is_answered:
                step.output = encode_output(answer.outcome or {"outcome": "timeout"})
                walk.cancelled_waits.append(path)  # a wait that was opened although the answer was there
            step.resume()
            walk.mark_changed(step)
        if node.is_answered and not walk.apply_skip(step):
            yield from _after_timeout(walk, node, node.on_timeout, step, scope.nested(f"{path}/"))


def _due(walk: StepContext, node: WaitNode, step: StepRecord, scope: Scope) -> StepGenerator:
    """Returns (seconds from now, a time in UTC) at which the wait is due: one of them, or none."""
    try:
        if node.span is not None:
            return parse_duration((yield from walk.render_or_fail(node.span, scope, node.key, step))), None
        written = str((yield from walk.render_or_fail(node.until, scope, node.key, step))) if node.until else ""
        return None, _moment(written, walk.program.timezone).isoformat()
    except ValueError as error:
        walk.raise_failed(node.key, "invalid_time", str(error))


def _moment(written: str, timezone: str) -> dt.datetime:
    """The time that a text names, in UTC. Raises ValueError."""
    try:
        moment = dt.datetime.fromisoformat(written)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=ZoneInfo(timezone))
        return moment.astimezone(dt.UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(
            text("%(value)s is not a date and time such as 2026-12-24T18:00.", value=repr(written))
        ) from error


def approval(walk: StepContext, node: ApprovalNode, path: str, scope: Scope) -> StepGenerator:
    """Ask people for an approval and run the steps of their decision."""
    step, entered = yield from walk.enter(path, node.key)
    with walk.container(step, node, scope):
        if entered or (step.status == StepStatus.RUNNING and step.output is None):
            asks = yield from walk.render_or_fail(node.asks, scope, node.key, step)
            step.input = walk.encode_or_fail(asks, node.key)
            if node.decision is not None:
                _take_test_decision(walk, node, step, node.decision)
            else:
                outcome = yield Effect(step, node, asks)
                walk.logs.extend(outcome.logs)
                if outcome.error is not None:
                    walk.raise_failed(node.key, outcome.error.code, outcome.error.message)
                yield from _open_approval(walk, node, step, scope, asks, msgspec.json.decode(outcome.output or b"{}"))
        if step.status == StepStatus.WAITING:
            answer = yield from walk.wait_until_resolved(path)
            step.output = encode_output(answer.outcome or {"outcome": "timeout"})
            step.resume()
            walk.mark_changed(step)
        inside = scope.nested(f"{path}/")
        decided = yield from _after_timeout(walk, node, node.on_timeout, step, inside)
        if decided in node.outcomes:
            scope.bind(node.key, step)
            yield from walk.sequence(node.outcomes[decided][1], inside)


def _take_test_decision(walk: StepContext, node: ApprovalNode, step: StepRecord, decision: dict[str, Any]) -> None:
    """Return the outcome that the test run was given. No wait is opened and no one is asked."""
    walk.logs.append(LogRecord(step.path, step.attempt, "info", node.note))
    step.output = encode_output(decision)
    walk.mark_changed(step)


def _open_approval(
    walk: StepContext, node: ApprovalNode, step: StepRecord, scope: Scope, asks: dict[str, Any], people: dict[str, Any]
) -> StepGenerator:
    """Open the wait that assignees see."""
    try:
        due_in = parse_duration((yield from walk.render_or_fail(node.span, scope, node.key, step)))
        remind_in = None
        if node.remind_after:
            remind_in = parse_duration((yield from walk.render_or_fail(node.remind_after, scope, node.key, step)))
    except ValueError as error:
        walk.raise_failed(node.key, "invalid_time", str(error))
    data = {
        "name": node.name,
        "message": asks["message"],
        "context": [{"label": str(label), "value": value} for label, value in asks["context"].items()],
        "delegate": node.delegate,
        "form": with_defaults(node.form, asks.get("defaults", {})),
        "outcomes": [{"key": key, "name": name} for key, (name, _) in node.outcomes.items()],
    }
    step.wait()
    walk.mark_changed(step)
    walk.waits.append(WaitRecord(step.path, Wait.Kind.APPROVAL, due_in, remind_in=remind_in, data=data, people=people))


def _after_timeout(
    walk: StepContext, node: WaitNode | ApprovalNode, on_timeout: Nodes | None, step: StepRecord, inside: Scope
) -> StepGenerator:
    """Returns the outcome; after a timeout, runs the timeout steps or fails the step."""
    outcome = walk.output_document(step, node.key).get("outcome")
    if outcome == "timeout":
        if on_timeout is None:
            walk.raise_failed(node.key, "timed_out", text("No response before the deadline."))
        try:
            yield from walk.sequence(on_timeout, inside)
        except RunStoppedError as stopped:
            if stopped.error["message"] == STOPPED:  # without words of its own
                stopped.error["message"] = text("Stopped because no one answered in time.")
            raise
    return outcome


def workflow(walk: StepContext, node: WorkflowNode, path: str, scope: Scope) -> StepGenerator:
    """Start another workflow, and wait for its end if the step says so."""
    step, entered = yield from walk.enter(path, node.key)
    with walk.container(step, node, scope):
        if entered or (step.status == StepStatus.RUNNING and step.output is None):
            if walk.run.depth >= MAX_DEPTH:
                walk.raise_failed(
                    node.key,
                    "too_deep",
                    text("Workflows start each other more than %(maximum)s levels deep.", maximum=MAX_DEPTH),
                )
            asks = walk.encode_or_fail((yield from walk.render_or_fail(node.payload, scope, node.key, step)), node.key)
            step.input = asks
            if len(asks) > walk.max_inline_bytes:
                step.input, step.input_file = artifacts.put(walk.redact(asks))
            outcome = yield Effect(step, node, None)
            if outcome.error is not None:
                walk.raise_failed(node.key, outcome.error.code, outcome.error.message)
            call = CallRecord(path, node.workflow, asks, waits=node.waits)
            walk.calls.append(call)
            if not node.waits:
                step.output = encode_output({"event": str(call.event_id)})
                return
            step.wait()
            walk.mark_changed(step)
            data = {"workflow": node.workflow, "event": str(call.event_id)}
            walk.waits.append(WaitRecord(path, Wait.Kind.CHILD, data=data))
        if step.status == StepStatus.WAITING:
            answer = yield from walk.wait_until_resolved(path)
            if walk.apply_skip(step, answer):
                return
            outcome = answer.outcome or {}
            if outcome.get("status") != "succeeded":
                walk.raise_failed(node.key, "workflow_failed", _sub_run_failure(node.workflow, outcome))
            step.output = walk.encode_or_fail(outcome, node.key)


def _sub_run_failure(workflow: str, outcome: dict[str, Any]) -> str:
    """The reason why a called workflow failed."""
    error = outcome.get("error") or {}
    if error.get("message"):
        reason = restored(error.get("text"), error["message"])
        return text("The workflow %(workflow)s failed: %(reason)s", workflow=workflow, reason=reason)
    if outcome.get("status") == "cancelled":
        return text("The run of the workflow %(workflow)s was cancelled.", workflow=workflow)
    return text("The workflow %(workflow)s failed.", workflow=workflow)

"""Actions: attempt after attempt, with waits between them, until one ends well or nothing more is to be tried."""

from __future__ import annotations

from typing import Any

import msgspec

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.health import NEEDS_RECONNECT
from automate_connectors.invocation import encode_output
from automate_core import artifacts
from automate_core.engine.outcomes import StepFailedError, error_document, plugin_error_document
from automate_core.engine.program import ActionNode, PureNode
from automate_core.engine.records import LogRecord, StepRecord, WaitRecord, WaitState
from automate_core.engine.scheduler import Effect, StepGenerator, WaitFor
from automate_core.engine.scope import Scope
from automate_core.engine.step_context import StepContext
from automate_core.expressions.json_path import TemplateError
from automate_core.models import Wait
from automate_core.states import StepStatus

PURE_BYTES = 50_000  #: of inputs that a pure action works on where others wait

# Errors after which nobody knows whether the attempt took effect.
IN_DOUBT = frozenset(
    {
        "timeout",
        "connection_failed",
        "response_too_large",
        "unexpected_error",
        "invalid_output",
        "output_too_large",
        "internal_error",
        "http_408",
        "http_500",
        "http_502",
        "http_504",
    }
)


def action(walk: StepContext, node: ActionNode, path: str, scope: Scope) -> StepGenerator:
    """Call a connector, with what the author wants in its place when it fails for good."""
    try:
        scope.bind(node.key, (yield from _attempts(walk, node, path, scope)))
    except StepFailedError as failure:
        scope.set_output(node.key, (yield from _instead(walk, node, path, scope, failure)))
    if node.save_as:
        scope.vars[node.save_as] = walk.step_output(scope, node.key)


def _attempts(walk: StepContext, node: ActionNode, path: str, scope: Scope) -> StepGenerator:
    """Attempt after attempt until one ends well; gives it."""
    step = yield from walk.recorded_step(path)
    goes_on = False
    if step is not None and step.status == StepStatus.WAITING:
        walk.resume_step(step)
        answer = walk.known_waits.get(path)
        goes_on = answer is not None and answer.kind == Wait.Kind.RECONNECT
        yield from _reconnected(walk, node, step) if goes_on else _review(walk, node, step)
    elif step is not None and step.status == StepStatus.RUNNING:
        if node.at_most_once:
            walk.resume_step(step)
            yield from _review(walk, node, step)
        else:
            step.interrupt()
            walk.mark_changed(step)
    elif step is not None and (answer := _retry(walk, path)) is not None:
        if answer.is_open:
            walk.resume_step(step)
            answer = yield WaitFor(path)
        step = _passed_over(walk, step, answer)
    while step is None or not step.done:
        if step is not None and step.error is not None and not _repeats(node, step):
            raise StepFailedError({**step.error, "step": node.key}, step)
        if step is None or not goes_on:
            step = walk.begin_attempt(path, step)
        goes_on = False
        yield from _attempt(walk, node, step, scope)
        if step.error is not None and _repeats(node, step):
            delay = node.retry.delay(step.failures, step.error.get("retry_after"))
            walk.waits.append(WaitRecord(path, Wait.Kind.RETRY, delay))
            step = _passed_over(walk, step, (yield WaitFor(path)))
    return step


def _retry(walk: StepContext, path: str) -> WaitState | None:
    """The wait before the next attempt, if there is one. What was waited for before an attempt is over."""
    answer = walk.known_waits.get(path)
    if answer is None or answer.kind != Wait.Kind.RETRY:
        return None
    return walk.known_waits.pop(path)


def _attempt(walk: StepContext, node: ActionNode, step: StepRecord, scope: Scope) -> StepGenerator:
    try:
        if node.adapter is None or node.action is None:
            raise ConnectorError(node.missing, code="connector_not_found")
        params = yield from walk.render(node.inputs, scope, step)
        walk.mark_changed(step)
        step.input = encode_output(params)
        walk.count_bytes(step.input)
        params = msgspec.json.decode(step.input)  # the adapter's own: it may do with it what it likes
        if len(step.input) > walk.max_inline_bytes and step.input_file is None:
            step.input, step.input_file = artifacts.put(walk.redact(step.input))
        if node.pure:
            walk.succeed(step, (yield from _computed(walk, node, step, params)))
            return
    except TemplateError as error:
        walk.fail(step, error_document("template_error", str(error)))
        return
    except ConnectorError as error:
        walk.fail(step, plugin_error_document(error))
        return
    outcome = yield Effect(step, node, params)
    while node.connection and outcome.error is not None and outcome.error.code == NEEDS_RECONNECT:
        walk.logs.extend(outcome.logs)
        yield from _reconnected(walk, node, step)
        if step.done:
            return
        outcome = yield Effect(step, node, params)
    if node.at_most_once and outcome.error is not None and outcome.error.code in IN_DOUBT:
        walk.logs.extend(outcome.logs)
        yield from _review(walk, node, step)
    else:
        walk.record_outcome(step, outcome)


def _computed(walk: StepContext, node: ActionNode, step: StepRecord, params: dict[str, Any]) -> StepGenerator:
    """Gives the output of a pure action, computed here unless it has much to work on. Raises ConnectorError."""
    logs: list[LogRecord] = []
    pure = PureNode(node, walk.context(step, logs), node.timeout)
    try:
        if len(step.input or b"") <= PURE_BYTES and step.input_file is None:
            return pure.output(params)
        return (yield from walk.compute(pure, params, step))
    finally:
        walk.logs.extend(logs)


def _reconnected(walk: StepContext, node: ActionNode, step: StepRecord) -> StepGenerator:
    """Wait until the connection works again. Nothing was done yet: the same attempt goes on."""
    if step.status != StepStatus.WAITING:
        walk.known_waits.pop(step.path, None)  # what ended an earlier wait
        step.wait()
        walk.mark_changed(step)
        walk.waits.append(WaitRecord(step.path, Wait.Kind.RECONNECT, data={"connection": node.connection}))
    answer = yield from walk.wait_until_resolved(step.path)
    if not walk.apply_skip(step, answer):
        step.resume()
        walk.mark_changed(step)


def _review(walk: StepContext, node: ActionNode, step: StepRecord) -> StepGenerator:
    """Nobody knows whether the attempt took effect, and it must not be made twice: ask a person."""
    if step.status != StepStatus.WAITING:
        walk.known_waits.pop(step.path, None)  # what was said of an earlier attempt
        step.wait()
        walk.mark_changed(step)
        data = {"action": f"{node.adapter.code}.{node.action.name}" if node.adapter and node.action else node.key}
        walk.waits.append(WaitRecord(step.path, Wait.Kind.REVIEW, data=data))
    answer = yield from walk.wait_until_resolved(step.path)
    outcome = answer.outcome or {}
    if walk.apply_skip(step, answer):
        return
    if outcome.get("outcome") == "succeeded":
        walk.succeed(step, encode_output(outcome.get("output")))
    else:
        again = outcome.get("outcome") == "again"
        message = "It did not take effect: made again." if again else "A person said that it did not take effect."
        walk.fail(step, {**error_document("did_not_happen", message), "retryable": again, "again": again})


def _passed_over(walk: StepContext, step: StepRecord, answer: WaitState) -> StepRecord:
    """The same attempt, which failed; or the next one, when a person had it passed over instead of made."""
    if (answer.outcome or {}).get("outcome") != StepStatus.SKIPPED:
        return step
    skipped = walk.begin_attempt(step.path, step)
    walk.apply_skip(skipped, answer)
    return skipped


def _repeats(node: ActionNode, step: StepRecord) -> bool:
    error = step.error or {}
    return bool(error.get("again")) or node.retry.repeats(step.failures, retryable=bool(error.get("retryable")))


def _instead(walk: StepContext, node: ActionNode, path: str, scope: Scope, failure: StepFailedError) -> StepGenerator:
    """What the author wants in place of the output of an action that failed for good."""
    if node.default is not None:
        record = failure.record or StepRecord(path, 1)
        if record.output is None:  # rendered once, and kept with the attempt that failed
            value = yield from walk.render_or_fail(
                node.default, scope.with_names(error=failure.error), node.key, record
            )
            record.output = walk.redact(walk.encode_or_fail(value, node.key))
            walk.mark_changed(record)
        return msgspec.json.decode(record.output)
    if node.on_error is None:
        raise failure
    yield from walk.sequence(node.on_error, scope.with_names(error=failure.error).nested(f"{path}/"))
    return None

"""Actions: attempts with waits between them, until one succeeds or the retry policy is exhausted."""

from __future__ import annotations

import logging
from typing import Any

import msgspec

from automate_connectors.adapters.base import NEEDS_RECONNECT, ConnectorError
from automate_connectors.invocation import encode_output
from automate_connectors.limits.calls import WAITS_FOR_LIMIT
from automate_core import artifacts
from automate_core.engine.journal import clean_error
from automate_core.engine.outcomes import (
    MARKED_NOT_EXECUTED,
    EffectOutcome,
    StepFailedError,
    error_document,
    error_for_expressions,
    is_in_doubt,
    plugin_error_document,
    read_outcome,
)
from automate_core.engine.program import ActionNode, PureNode
from automate_core.engine.records import HandOutRecord, LogRecord, StepRecord, WaitRecord, WaitState
from automate_core.engine.scheduler import Effect, StepGenerator, WaitFor
from automate_core.engine.scope import Scope
from automate_core.engine.step_context import StepContext
from automate_core.expressions.json_path import TemplateError
from automate_core.models import Wait
from automate_core.states import StepStatus
from automate_governance.redaction.json_logs import LogIds
from automate_plugins import text

log = logging.getLogger(__name__)

MOST_CLAIMS = 3  #: by performers of a pool; after that many without an outcome the attempt has failed
_LOST = error_document(StepStatus.INTERRUPTED, text("The worker stopped during the attempt."))
PURE_BYTES = 50_000  #: of inputs that a pure action may work on in the database thread


def action(walk: StepContext, node: ActionNode, path: str, scope: Scope) -> StepGenerator:
    """Call a connector; when its last attempt fails, return the default output or run the error steps."""
    try:
        scope.bind(node.key, (yield from _attempts(walk, node, path, scope)))
    except StepFailedError as failure:
        scope.set_output(node.key, (yield from _handle_failure(walk, node, path, scope, failure)))
    if node.save_as:
        scope.vars[node.save_as] = walk.step_output(scope, node.key)


def _attempts(walk: StepContext, node: ActionNode, path: str, scope: Scope) -> StepGenerator:
    """Make attempts until one succeeds or is skipped; returns it."""
    step = yield from walk.recorded_step(path)
    continues_attempt = False
    outcome: EffectOutcome | None = None
    if step is not None and step.status == StepStatus.WAITING:
        walk.resume_step(step)
        answer = walk.known_waits.get(path)
        if answer is not None and answer.kind == Wait.Kind.POOL:
            continues_attempt = True
            outcome = yield from _wait_for_outcome(walk, step)
        elif answer is not None and answer.kind in {Wait.Kind.RECONNECT, Wait.Kind.LIMIT}:
            continues_attempt = True
            yield from _wait_for_connection(walk, node, step)
        else:
            yield from _ask_for_review(walk, node, step)
    elif step is not None and step.status == StepStatus.RUNNING:
        if node.at_most_once:
            walk.resume_step(step)
            yield from _ask_for_review(walk, node, step)
        else:
            step.interrupt()
            walk.mark_changed(step)
    elif step is not None and (answer := _take_retry_wait(walk, path)) is not None:
        if answer.is_open:
            walk.resume_step(step)
            answer = yield WaitFor(path)
        step = _failed_or_skipped(walk, step, answer)
    while step is None or not step.done:
        if step is not None and step.error is not None and not _is_retried(node, step):
            raise StepFailedError({**step.error, "step": node.key}, step)
        if step is None or not continues_attempt:
            step = walk.begin_attempt(path, step)
        continues_attempt = False
        yield from _attempt(walk, node, step, scope, outcome)
        outcome = None
        if step.error is not None and _is_retried(node, step):
            delay = node.retry.delay(step.failures, step.error.get("retry_after"))
            _log_attempt(walk, step, logging.INFO, f"attempt {step.attempt + 1} follows in {delay:.0f} s")
            walk.waits.append(WaitRecord(path, Wait.Kind.RETRY, delay))
            step = _failed_or_skipped(walk, step, (yield WaitFor(path)))
        elif step.error is not None and step.attempt > 1:
            _log_attempt(walk, step, logging.WARNING, "no further attempt follows")
    return step


def _log_attempt(walk: StepContext, step: StepRecord, level: int, what_follows: str) -> None:
    """One line without the error's message, which may hold values of payloads."""
    code = (step.error or {}).get("code")
    with LogIds({"step": step.path, "attempt": step.attempt}):
        log.log(
            level, "run %s: attempt %d of %s failed: %s; %s", walk.run.id, step.attempt, step.path, code, what_follows
        )


def _take_retry_wait(walk: StepContext, path: str) -> WaitState | None:
    """Take the retry wait of the path, if the journal has one."""
    answer = walk.known_waits.get(path)
    return walk.known_waits.pop(path) if answer is not None and answer.kind == Wait.Kind.RETRY else None


def _attempt(
    walk: StepContext, node: ActionNode, step: StepRecord, scope: Scope, outcome: EffectOutcome | None = None
) -> StepGenerator:
    """Make one attempt and record how it ended. With an `outcome`, a pool has made it before this walk."""
    params: dict[str, Any] | None = None
    while True:
        if outcome is None:
            if params is None:
                params = yield from _render_inputs(walk, node, step, scope)
            if step.ended:
                return
            outcome = yield from _perform(walk, node, step, params)
        if step.done:
            return
        error = outcome.error
        if not node.connection or error is None or error.code not in {NEEDS_RECONNECT, WAITS_FOR_LIMIT}:
            break
        walk.logs.extend(outcome.logs)
        yield from _wait_for_connection(walk, node, step, error)
        if step.done:
            return
        outcome = None
    if node.at_most_once and outcome.error is not None and is_in_doubt(outcome.error):
        walk.logs.extend(outcome.logs)
        yield from _ask_for_review(walk, node, step, error_document(outcome.error.code, outcome.error.message))
    else:
        walk.record_outcome(step, outcome)


def _render_inputs(walk: StepContext, node: ActionNode, step: StepRecord, scope: Scope) -> StepGenerator:
    """Returns the inputs of an attempt; where it needs no effect, or fails before it, the attempt has ended."""
    try:
        if node.adapter is None or node.action is None:
            raise ConnectorError(node.missing, code="connector_not_found")
        params = yield from walk.render(node.inputs, scope, step)
        walk.mark_changed(step)
        step.input = encode_output(params)
        if step.attempt == 1 and not step.is_stored:
            walk.inherit_key(step)
        walk.count_bytes(step.input)
        params = msgspec.json.decode(step.input)  # a copy of the adapter's own, which it may change
        if len(step.input) > walk.max_inline_bytes and step.input_file is None:
            step.input, step.input_file = artifacts.put(walk.redact(step.input))
        if node.pure:
            walk.succeed(step, (yield from _compute_pure(walk, node, step, params)))
        return params
    except TemplateError as error:
        walk.fail(step, error_document("template_error", str(error)))
    except ConnectorError as error:
        walk.fail(step, plugin_error_document(error))
    return {}


def _perform(walk: StepContext, node: ActionNode, step: StepRecord, params: dict[str, Any]) -> StepGenerator:
    """Returns the outcome of an effect: of a thread of this worker, or of the pool that the step runs on."""
    try:
        pool = walk.remote_pool(node)
    except ConnectorError as error:
        return EffectOutcome(error=error)
    if pool is None:
        return (yield Effect(step, node, params))
    walk.known_waits.pop(step.path, None)  # the end of an earlier wait
    step.wait()
    walk.mark_changed(step)
    wait = WaitRecord(step.path, Wait.Kind.POOL, data={"pool": pool})
    walk.waits.append(wait)
    claims = 1 if node.at_most_once else MOST_CLAIMS
    walk.handed_out.append(
        HandOutRecord(wait.id, step.path, step.attempt, pool, encode_output(params), node.timeout, claims)
    )
    return (yield from _wait_for_outcome(walk, step))


def _wait_for_outcome(walk: StepContext, step: StepRecord) -> StepGenerator:
    """Returns the outcome of a handed-out attempt; an empty one when a person skipped the step."""
    answer = yield from walk.wait_until_resolved(step.path)
    if walk.apply_skip(step, answer):
        return EffectOutcome()
    step.resume()
    walk.mark_changed(step)
    return read_outcome(answer.outcome)


def _compute_pure(walk: StepContext, node: ActionNode, step: StepRecord, params: dict[str, Any]) -> StepGenerator:
    """Returns the output of a pure action, computed in place unless its inputs are large. Raises ConnectorError."""
    logs: list[LogRecord] = []
    pure = PureNode(node, walk.context(step, logs), node.timeout)
    try:
        if len(step.input or b"") <= PURE_BYTES and step.input_file is None:
            return pure.output(params)
        return (yield from walk.compute(pure, params, step))
    finally:
        walk.logs.extend(logs)


def _wait_for_connection(
    walk: StepContext, node: ActionNode, step: StepRecord, error: ConnectorError | None = None
) -> StepGenerator:
    """Wait until the connection works again, or its rate limit has room. The attempt had no effect yet, and goes on."""
    if step.status != StepStatus.WAITING:
        walk.known_waits.pop(step.path, None)  # the end of an earlier wait
        step.wait()
        walk.mark_changed(step)
        kind, due = Wait.Kind.RECONNECT, None
        if error is not None and error.code == WAITS_FOR_LIMIT:
            kind, due = Wait.Kind.LIMIT, error.retry_after
        walk.waits.append(WaitRecord(step.path, kind, due, data={"connection": node.connection}))
    answer = yield from walk.wait_until_resolved(step.path)
    if not walk.apply_skip(step, answer):
        step.resume()
        walk.mark_changed(step)


def _ask_for_review(
    walk: StepContext, node: ActionNode, step: StepRecord, error: dict[str, Any] | None = None
) -> StepGenerator:
    """Ask a person whether an attempt took effect that must not be made twice.

    Without an `error` its worker died. The wait says so, since nothing worked on the step until the review.
    """
    if step.status != StepStatus.WAITING:
        walk.known_waits.pop(step.path, None)  # the review of an earlier attempt
        step.wait()
        walk.mark_changed(step)
        action = f"{node.adapter.code}.{node.action.name}" if node.adapter and node.action else node.key
        data: dict[str, Any] = {"action": action, "error": clean_error(error or _LOST, walk.run.redactor)}
        data |= {StepStatus.INTERRUPTED.value: True} if error is None else {}
        walk.waits.append(WaitRecord(step.path, Wait.Kind.REVIEW, data=data))
    answer = yield from walk.wait_until_resolved(step.path)
    outcome = answer.outcome or {}
    if walk.apply_skip(step, answer):
        return
    if outcome.get("outcome") == "succeeded":
        walk.succeed(step, encode_output(outcome.get("output")))
    else:
        again = outcome.get("outcome") == "again"
        message = text("Marked as not executed, retried.") if again else text("Marked as not executed.")
        walk.fail(step, {**error_document(MARKED_NOT_EXECUTED, message), "retryable": again, "again": again})


def _failed_or_skipped(walk: StepContext, step: StepRecord, answer: WaitState) -> StepRecord:
    """The failed attempt, or a skipped further one, when a person skipped the step while it waited."""
    if (answer.outcome or {}).get("outcome") != StepStatus.SKIPPED:
        return step
    skipped = walk.begin_attempt(step.path, step)
    walk.apply_skip(skipped, answer)
    return skipped


def _is_retried(node: ActionNode, step: StepRecord) -> bool:
    error = step.error or {}
    return bool(error.get("again")) or node.retry.allows_retry(step.failures, retryable=bool(error.get("retryable")))


def _handle_failure(
    walk: StepContext, node: ActionNode, path: str, scope: Scope, failure: StepFailedError
) -> StepGenerator:
    """Return the default output of an action whose last attempt failed, or run its error steps."""
    error = error_for_expressions(failure.error)
    if node.default is not None:
        record = failure.record or StepRecord(path, 1)
        if record.output is None:  # rendered once, and kept with the attempt that failed
            value = yield from walk.render_or_fail(node.default, scope.with_names(error=error), node.key, record)
            record.output = walk.redact(walk.encode_or_fail(value, node.key))
            walk.mark_changed(record)
        return msgspec.json.decode(record.output)
    if node.on_error is None:
        raise failure
    yield from walk.sequence(node.on_error, scope.with_names(error=error).nested(f"{path}/"))
    return None

"""Walk: goes through a run's steps as far as it can, deciding from the journal alone what is still to do.

Each kind of step is a generator that a `Scheduler` runs: it yields what it needs and gets the answer back. A walk that
is made anew from the journal goes the same way again, and takes what is recorded as done instead of doing it, so that
it does not matter whether it is the same worker, or the same day.
"""

from __future__ import annotations

import datetime as dt
import logging
import math
import threading
from dataclasses import dataclass, field
from typing import Any, NoReturn
from zoneinfo import ZoneInfo

import msgspec

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.health import NEEDS_RECONNECT
from automate_connectors.invocation import MAX_OUTPUT_BYTES, encode_output, invoke
from automate_core import callbacks, documents
from automate_core.definition import OTHERWISE
from automate_core.engine.journal import (
    CallRecord,
    Checkpoint,
    EffectRecord,
    LogRecord,
    Outcome,
    RunRecord,
    StepRecord,
    StoredRun,
    WaitAnswer,
    WaitRecord,
    clean_error,
    idempotency_key,
)
from automate_core.engine.program import (
    ActionNode,
    ApprovalNode,
    BranchNode,
    ForEachNode,
    LoopBody,
    Node,
    Nodes,
    ParallelNode,
    Program,
    RenderNode,
    RepeatNode,
    StopNode,
    TryNode,
    WaitNode,
    WorkflowNode,
)
from automate_core.engine.sandbox import Sandbox
from automate_core.engine.strands import Effect, Fork, Parked, Rendering, Scheduler, Steps, Strand
from automate_core.lookups import ABSENT, Deferred, TemplateError, part_of
from automate_core.models import Wait
from automate_core.outbox import ClaimedJob
from automate_core.rules import Rule, RuleError
from automate_core.spans import seconds
from automate_core.states import FINAL_RUN_STATES, RunStatus, StepStatus
from automate_core.templating import Template
from automate_governance.redaction import redact_json

log = logging.getLogger(__name__)

_SANDBOXES = threading.Lock()  # arms of a parallel step may want theirs at once

BREATH = 500
MAX_BYTES = 8_000_000
MAX_ITEMS = 10_000
NOT_BEGUN = "not_begun"  #: the code of an effect that was withdrawn before a thread took it
MAX_DEPTH = 10
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


@dataclass(slots=True)
class EffectOutcome:
    """How an effect ended: its output as a JSON document, or its error, and what it logged.

    With `output_file` the output is redacted and kept in that file, and `output` its preview.
    """

    output: bytes | None = None
    output_file: str | None = None
    error: ConnectorError | None = None
    logs: list[LogRecord] = field(default_factory=list)
    effects: list[dict[str, Any]] = field(default_factory=list)  # what a dry run of it would have done


class StepFailedError(Exception):
    """A step failed for good. `record` is its last attempt, where it made one."""

    def __init__(self, error: dict[str, Any], record: StepRecord | None = None) -> None:
        super().__init__(error["message"])
        self.error = error
        self.record = record


class RunStoppedError(Exception):
    """A stop step was reached."""

    def __init__(self, *, succeeded: bool, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.succeeded = succeeded
        self.error = error


class Frame:
    """What expressions see at a place: the whole run's, or an iteration's of a loop. `prefix` begins its paths."""

    __slots__ = ("prefix", "scope", "steps", "vars")

    def __init__(self, prefix: str, scope: dict[str, Any]) -> None:
        self.prefix = prefix
        self.scope = scope
        self.steps: dict[str, Any] = scope["steps"]
        self.vars: dict[str, Any] = scope["vars"]

    def at(self, prefix: str) -> Frame:
        """The same, further down the tree."""
        return Frame(prefix, self.scope)

    def seeing(self, **names: Any) -> Frame:
        """The same with further names."""
        return Frame(self.prefix, {**self.scope, **names})

    def apart(self, prefix: str, **names: Any) -> Frame:
        """One whose variables stay inside."""
        return Frame(prefix, {**self.scope, "vars": dict(self.vars), **names})

    def remember(self, key: str, output: Any) -> None:
        """Later steps see the output."""
        self.steps[key] = {"output": output}

    def keep(self, key: str, step: StepRecord) -> None:
        """Later steps see what is recorded of a step: of a file when they look into it."""
        file = step.output_file
        if file is None:
            self.remember(key, msgspec.json.decode(step.output or b"null"))
        else:
            self.steps[key] = Deferred(lambda: {"output": documents.value_of(file)})

    def output(self, key: str) -> Any:
        """What they see; None where the step gave nothing. Raises DocumentError."""
        value = part_of(part_of(self.steps, key), "output")
        return None if value is ABSENT else value


@dataclass(slots=True)
class _Results:
    """What the items of a loop gave, and how many bytes that is."""

    outputs: list[bytes | None]
    size: int = 0

    def add(self, index: int, output: bytes) -> int:
        self.outputs[index] = output
        self.size += len(output)
        return self.size


class Walk:
    """One walk of one run under one lease. Documents of more bytes than `most_bytes` are kept as files."""

    def __init__(
        self,
        job: ClaimedJob,
        run: RunRecord,
        program: Program,
        event: dict[str, Any],
        stored: StoredRun | None = None,
        *,
        most_bytes: float = math.inf,
    ) -> None:
        self.job = job
        self.run = run
        self.program = program
        self.starting: list[Effect] = []
        self.cancelled = False
        self._steps = stored.steps if stored else {}
        self._answers = stored.waits if stored else {}
        self._changed: dict[int, StepRecord] = {}
        self._waits: list[WaitRecord] = []
        self._withdrawn: list[str] = []
        self._calls: list[CallRecord] = []
        self._bytes = 0
        self._most_bytes = most_bytes
        self._logs: list[LogRecord] = []
        self._effects: list[EffectRecord] = []
        self._sandbox: Sandbox | None = None
        self.ids = {"id": run.id, "trace_id": run.trace_id, "workflow": program.workflow}
        scope = {"event": event, "steps": {}, "run": self.ids, "vars": {**program.vars, **(run.vars or {})}}
        if program.terms is not None:
            scope |= {**program.terms.given, "steps": dict(program.terms.given.get("steps", {}))}
        frame = Frame("", {**scope, "callbacks": self._callbacks(program.body, "")})
        self._strands = Scheduler(self._whole_run(frame), self._give_up, breath=BREATH)

    # --- from outside -------------------------------------------------------------------------------------------------

    @property
    def resting(self) -> bool:
        """Whether it stopped to take breath, and has more to do at once."""
        return self._strands.resting and not self.cancelled

    @property
    def awaited(self) -> set[Effect]:
        """The effects whose outcomes it has yet to hear."""
        return set(self._strands.asked)

    def answer(self, effect: Effect, outcome: EffectOutcome) -> None:
        """An effect has ended. `proceed` goes on from there."""
        if not self.cancelled:
            self._strands.answer(effect, outcome)
            return
        self._strands.asked.pop(effect)
        if not isinstance(effect, Rendering):
            self._conclude(effect.step, outcome)
        elif effect.is_withheld:
            self._note(effect.step)

    def resolve(self, answers: dict[str, WaitAnswer]) -> bool:
        """Waits that somebody else has ended: whether that concerns a strand of this walk."""
        found = [path for path, answer in answers.items() if path in self._strands.parked and not answer.is_open]
        for path in found:
            self._strands.resolve(path, answers[path])
        return bool(found)

    def cancel(self) -> None:
        """The run has ended: nothing more begins, and the outcomes of what runs are recorded as they come."""
        self.cancelled = True
        for effect in self.starting:
            self._strands.asked.pop(effect, None)
        self.starting = []

    def sandbox(self) -> Sandbox:
        """Where the transactional actions of a dry run happen. For effects, which come one after the other here."""
        with _SANDBOXES:
            self._sandbox = self._sandbox or Sandbox()
            return self._sandbox

    def close(self) -> None:
        """Nobody goes on with this walk: what its dry run has changed is rolled back."""
        if self._sandbox is not None:
            self._sandbox.close()

    def proceed(self) -> Checkpoint:
        """Go on until every strand waits for something, the walk needs breath, or the end."""
        if not self.cancelled:
            self.starting.extend(self._strands.run())
        busy = bool(self._strands.asked) or self.resting
        ended = self.run.status in FINAL_RUN_STATES or self.cancelled
        if not busy and not ended:
            self.run.park()
        outcome = Outcome.HOLD if busy else Outcome.COMPLETE if ended else Outcome.PARK
        checkpoint = Checkpoint(
            self.job,
            outcome,
            self.run,
            list(self._changed.values()),
            self._waits,
            self._logs,
            withdrawn=self._withdrawn,
            calls=self._calls,
            effects=self._effects,
        )
        self._changed, self._waits, self._withdrawn, self._calls, self._logs = {}, [], [], [], []
        self._effects = []
        self._bytes = 0
        return checkpoint

    # --- the whole run ------------------------------------------------------------------------------------------------

    def _whole_run(self, frame: Frame) -> Steps:
        if self.run.status != RunStatus.RUNNING:
            self.run.start()
        try:
            last = yield from self._sequence(self.program.body.nodes, frame)
            if self.run.parent_id is not None:
                self.run.output = self._output(frame, last)
            self.run.succeed()
        except StepFailedError as failure:
            self.run.fail(failure.error)
        except RunStoppedError as stop:
            if stop.succeeded:
                self.run.succeed()
            else:
                self.run.fail(stop.error)
        except Exception:
            log.exception("run %s: the walk failed", self.run.id)
            self._give_up(self._strands.root)
            self.run.fail({"code": "internal_error", "message": "The engine failed; the server's log says more."})

    def _sequence(self, nodes: Nodes, frame: Frame) -> Steps:
        """Steps one after the other; gives the last one's key, empty when there is none."""
        for node in nodes:
            yield from self._step(node, f"{frame.prefix}{node.key}", frame)
        return nodes[-1].key if nodes else ""

    def _step(self, node: Node, path: str, frame: Frame) -> Steps:
        match node:
            case ActionNode():
                yield from self._action(node, path, frame)
            case BranchNode():
                yield from self._branch(node, path, frame)
            case ParallelNode():
                yield from self._parallel(node, path, frame)
            case ForEachNode():
                yield from self._for_each(node, path, frame)
            case RepeatNode():
                yield from self._repeat(node, path, frame)
            case WaitNode():
                yield from self._wait(node, path, frame)
            case ApprovalNode():
                yield from self._approval(node, path, frame)
            case WorkflowNode():
                yield from self._workflow(node, path, frame)
            case TryNode():
                yield from self._try(node, path, frame)
            case StopNode():
                yield from self._stop(node, path, frame)

    # --- actions ------------------------------------------------------------------------------------------------------

    def _action(self, node: ActionNode, path: str, frame: Frame) -> Steps:
        try:
            frame.keep(node.key, (yield from self._attempts(node, path, frame)))
        except StepFailedError as failure:
            frame.remember(node.key, (yield from self._instead(node, path, frame, failure)))
        if node.save_as:
            frame.vars[node.save_as] = self._output(frame, node.key)

    def _attempts(self, node: ActionNode, path: str, frame: Frame) -> Steps:
        """Attempt after attempt until one ends well; gives it."""
        step = yield from self._found(path)
        goes_on = False
        if step is not None and step.status == StepStatus.WAITING:
            self._strands.begin(step)
            answer = self._answers.get(path)
            goes_on = answer is not None and answer.kind == Wait.Kind.RECONNECT
            yield from self._reconnected(node, step) if goes_on else self._review(node, step)
        elif step is not None and step.status == StepStatus.RUNNING:
            if node.at_most_once:
                self._strands.begin(step)
                yield from self._review(node, step)
            else:
                step.interrupt()
                self._note(step)
        elif step is not None and (answer := self._retry(path)) is not None:
            if answer.is_open:
                self._strands.begin(step)
                answer = yield Parked(path)
            step = self._passed_over(step, answer)
        while step is None or not step.done:
            if step is not None and step.error is not None and not self._repeats(node, step):
                raise StepFailedError({**step.error, "step": node.key}, step)
            if step is None or not goes_on:
                step = self._begin(path, step)
            goes_on = False
            yield from self._attempt(node, step, frame)
            if step.error is not None and self._repeats(node, step):
                delay = node.retry.delay(step.failures, step.error.get("retry_after"))
                self._waits.append(WaitRecord(path, Wait.Kind.RETRY, delay))
                step = self._passed_over(step, (yield Parked(path)))
        return step

    def _retry(self, path: str) -> WaitAnswer | None:
        """The wait before the next attempt, if there is one. What was waited for before an attempt is over."""
        answer = self._answers.get(path)
        if answer is None or answer.kind != Wait.Kind.RETRY:
            return None
        return self._answers.pop(path)

    def _attempt(self, node: ActionNode, step: StepRecord, frame: Frame) -> Steps:
        try:
            if node.adapter is None or node.action is None:
                raise ConnectorError(node.missing, code="connector_not_found")
            params = yield from self._render(node.inputs, frame, step)
            self._note(step)
            step.input = encode_output(params)
            self._weigh(step.input)
            params = msgspec.json.decode(step.input)  # the adapter's own: it may do with it what it likes
            if len(step.input) > self._most_bytes and step.input_file is None:
                step.input, step.input_file = documents.put(redact_json(step.input.decode()).encode())
            if node.pure:
                self._succeed(step, invoke(node.adapter, node.action, params, self._context(step)))
                return
        except TemplateError as error:
            self._fail(step, _error("template_error", str(error)))
            return
        except ConnectorError as error:
            self._fail(step, _error_of(error))
            return
        outcome = yield Effect(step, node, params)
        while node.connection and outcome.error is not None and outcome.error.code == NEEDS_RECONNECT:
            self._logs.extend(outcome.logs)
            yield from self._reconnected(node, step)
            if step.done:
                return
            outcome = yield Effect(step, node, params)
        if node.at_most_once and outcome.error is not None and outcome.error.code in IN_DOUBT:
            self._logs.extend(outcome.logs)
            yield from self._review(node, step)
        else:
            self._conclude(step, outcome)

    def _conclude(self, step: StepRecord, outcome: EffectOutcome) -> None:
        """Record how an effect ended."""
        self._logs.extend(outcome.logs)
        if outcome.effects:
            self._effects.append(EffectRecord(step.path, step.attempt, outcome.effects))
        if outcome.error is not None and outcome.error.code == NOT_BEGUN:
            step.cancel()
            self._note(step)
        elif outcome.error is not None:
            self._fail(step, _error_of(outcome.error))
        else:
            self._succeed(step, outcome.output or b"null", outcome.output_file)

    def _reconnected(self, node: ActionNode, step: StepRecord) -> Steps:
        """Wait until the connection works again. Nothing was done yet: the same attempt goes on."""
        if step.status != StepStatus.WAITING:
            self._answers.pop(step.path, None)  # what ended an earlier wait
            step.wait()
            self._note(step)
            self._waits.append(WaitRecord(step.path, Wait.Kind.RECONNECT, data={"connection": node.connection}))
        answer = yield from self._answer(step.path)
        if not self._skips(step, answer):
            step.proceed()
            self._note(step)

    def _review(self, node: ActionNode, step: StepRecord) -> Steps:
        """Nobody knows whether the attempt took effect, and it must not be made twice: ask a person."""
        if step.status != StepStatus.WAITING:
            self._answers.pop(step.path, None)  # what was said of an earlier attempt
            step.wait()
            self._note(step)
            data = {"action": f"{node.adapter.code}.{node.action.name}" if node.adapter and node.action else node.key}
            self._waits.append(WaitRecord(step.path, Wait.Kind.REVIEW, data=data))
        answer = yield from self._answer(step.path)
        outcome = answer.outcome or {}
        if self._skips(step, answer):
            return
        if outcome.get("outcome") == "succeeded":
            self._succeed(step, encode_output(outcome.get("output")))
        else:
            again = outcome.get("outcome") == "again"
            message = "It did not take effect: made again." if again else "A person said that it did not take effect."
            self._fail(step, {**_error("did_not_happen", message), "retryable": again, "again": again})

    def _passed_over(self, step: StepRecord, answer: WaitAnswer) -> StepRecord:
        """The same attempt, which failed; or the next one, when a person had it passed over instead of made."""
        if (answer.outcome or {}).get("outcome") != StepStatus.SKIPPED:
            return step
        skipped = self._begin(step.path, step)
        self._skips(skipped, answer)
        return skipped

    def _skips(self, step: StepRecord, answer: WaitAnswer | None = None) -> bool:
        """Whether a person had the step passed over, now or earlier: its output is what they gave for it."""
        outcome = (answer.outcome if answer else None) or {}
        if outcome.get("outcome") == StepStatus.SKIPPED:
            step.skip(redact_json(encode_output(outcome.get("output")).decode()).encode())
            self._note(step)
            self._strands.settle(step)
        return step.status == StepStatus.SKIPPED

    def _repeats(self, node: ActionNode, step: StepRecord) -> bool:
        error = step.error or {}
        return bool(error.get("again")) or node.retry.repeats(step.failures, retryable=bool(error.get("retryable")))

    def _instead(self, node: ActionNode, path: str, frame: Frame, failure: StepFailedError) -> Steps:
        """What the author wants in place of the output of an action that failed for good."""
        if node.default is not None:
            record = failure.record or StepRecord(path, 1)
            if record.output is None:  # rendered once, and kept with the attempt that failed
                value = yield from self._rendered(node.default, frame.seeing(error=failure.error), node.key, record)
                record.output = redact_json(self._encoded(value, node.key).decode()).encode()
                self._note(record)
            return msgspec.json.decode(record.output)
        if node.on_error is None:
            raise failure
        yield from self._sequence(node.on_error, frame.seeing(error=failure.error).at(f"{path}/"))
        return None

    # --- routes -------------------------------------------------------------------------------------------------------

    def _branch(self, node: BranchNode, path: str, frame: Frame) -> Steps:
        step, entered = yield from self._enter(path, node.key)
        with self._container(step, node, frame):
            if entered:
                holding = [route.key for route in node.routes if self._holds(route.when, frame, node.key)]
                routes = (holding if node.all else holding[:1]) or [OTHERWISE]
                step.output = encode_output({"routes": routes} if node.all else {"route": routes[0]})
            taken = msgspec.json.decode(step.output or b"{}")
            for route in taken.get("routes") or [taken["route"]]:
                yield from self._sequence(node.nodes_of(route), frame.at(f"{path}/"))

    def _parallel(self, node: ParallelNode, path: str, frame: Frame) -> Steps:
        step, _ = yield from self._enter(path, node.key)
        with self._container(step, node, frame):
            arms = (self._sequence(arm, frame.apart(f"{path}/")) for arm in node.arms)
            yield Fork(arms, node.limit)

    def _try(self, node: TryNode, path: str, frame: Frame) -> Steps:
        step, _ = yield from self._enter(path, node.key)
        with self._container(step, node, frame):
            inside = frame.at(f"{path}/")
            caught: dict[str, Any] | None = None
            try:
                try:
                    yield from self._sequence(node.nodes, inside)
                except StepFailedError as failure:
                    caught = failure.error
                    if not node.on_error:
                        raise
                    yield from self._sequence(node.on_error, inside.seeing(error=caught))
            except (StepFailedError, RunStoppedError):
                yield from self._sequence(node.always, inside.seeing(error=caught))
                raise
            yield from self._sequence(node.always, inside.seeing(error=caught))
            step.output = encode_output({"error": caught})

    def _stop(self, node: StopNode, path: str, frame: Frame) -> Steps:
        step = self._steps.pop(path, None) or self._begin(path, None)
        if not step.ended:
            self._note(step)
            try:
                message = str((yield from self._render(node.message, frame, step)))
            except TemplateError as error:
                self._fail(step, _error("template_error", str(error)))
            except ConnectorError as error:
                self._fail(step, _error_of(error))
            else:
                self._succeed(step, encode_output({"message": message}))
        if step.error is not None:
            raise StepFailedError({**step.error, "step": node.key})
        message = msgspec.json.decode(step.output or b"{}")["message"] or "Stopped by the workflow."
        raise RunStoppedError(succeeded=node.succeeded, error={"code": "stopped", "message": message, "step": node.key})

    # --- loops --------------------------------------------------------------------------------------------------------

    def _for_each(self, node: ForEachNode, path: str, frame: Frame) -> Steps:
        step, _ = yield from self._enter(path, node.key)
        if step.done:
            frame.keep(node.key, step)
            return
        with self._container(step, node, frame):
            items = yield from self._items(node, step, frame)
            results = _Results([None] * len(items))
            iterations = (self._iteration(node, path, frame, index, item, results) for index, item in enumerate(items))
            yield Fork(iterations, node.concurrency)
            step.output = self._encoded([msgspec.Raw(result or b"null") for result in results.outputs], node.key)

    def _items(self, node: ForEachNode, step: StepRecord, frame: Frame) -> Steps:
        """The list to go through, as it was when the loop began."""
        if step.input is None:
            items = yield from self._rendered(node.items, frame, node.key, step)
            if not isinstance(items, list):
                kind = "null" if items is None else type(items).__name__
                self._give(node.key, "not_a_list", f"For each needs a list, and this is {kind}: mend its items")
            if self.program.terms is not None and self.program.terms.scope == "step":
                items = items[:1]  # one step is tested on one item
            if len(items) > MAX_ITEMS:
                self._give(node.key, "too_many_items", f"a loop takes at most {MAX_ITEMS:,} items, not {len(items):,}")
            document = redact_json(self._encoded(items, node.key).decode()).encode()
            step.input = document
            if len(document) > self._most_bytes:
                step.input, step.input_file = documents.put(document)
            self._note(step)
        elif step.input_file is not None:
            document = self._read(step.input_file, node.key)
        else:
            document = step.input
        found: list[Any] = msgspec.json.decode(document)
        return found

    def _iteration(self, node: ForEachNode, path: str, frame: Frame, index: int, item: Any, results: _Results) -> Steps:
        prefix = f"{path}[{index}]/"
        names = {"item": item, "index": index, "steps": dict(frame.steps)}
        inside = self._inside(node.body, frame, prefix, **names)
        try:
            last = self._output(inside, (yield from self._sequence(node.body.nodes, inside)))
        except StepFailedError as failure:
            if node.on_item_error == "stop":
                raise
            last = {"error": failure.error} if node.on_item_error == "collect" else None
        if results.add(index, self._encoded(last, node.key)) > MAX_OUTPUT_BYTES:
            self._give(node.key, "output_too_large", f"its outputs are larger than {MAX_OUTPUT_BYTES:,} bytes")

    def _repeat(self, node: RepeatNode, path: str, frame: Frame) -> Steps:
        step, _ = yield from self._enter(path, node.key)
        with self._container(step, node, frame):
            for index in range(node.maximum):
                prefix = f"{path}[{index}]/"
                inside = self._inside(node.body, frame, prefix, index=index, steps=dict(frame.steps), vars=frame.vars)
                last = yield from self._sequence(node.body.nodes, inside)
                if self._holds(node.until, inside, node.key):
                    given = {"count": index + 1, "last": self._output(inside, last)}
                    step.output = self._encoded(given, node.key)
                    return
            self._give(node.key, "not_reached", f"its condition did not hold after {node.maximum} times")

    def _inside(self, body: LoopBody, frame: Frame, prefix: str, **names: Any) -> Frame:
        if body.callbacks:
            names["callbacks"] = {**frame.scope["callbacks"], **self._callbacks(body, prefix)}
        return frame.apart(prefix, **names)

    def _callbacks(self, body: LoopBody, prefix: str) -> dict[str, str]:
        return {key: callbacks.url(self.run.id, f"{prefix}{path}") for key, path in body.callbacks}

    # --- waiting ------------------------------------------------------------------------------------------------------

    def _wait(self, node: WaitNode, path: str, frame: Frame) -> Steps:
        step, entered = yield from self._enter(path, node.key)
        with self._container(step, node, frame):
            if entered:
                due_in, due_at = yield from self._due(node, step, frame)
                step.wait()
                self._note(step)
                kind = Wait.Kind.CALLBACK if node.callback else Wait.Kind.TIMER
                if path not in self._answers:  # a callback may come before the run does
                    self._waits.append(WaitRecord(path, kind, due_in, due_at=due_at))
            if step.status == StepStatus.WAITING:
                answer = yield from self._answer(path)
                if self._skips(step, answer):
                    return
                if node.callback:
                    step.output = encode_output(answer.outcome or {"outcome": "timeout"})
                    self._withdrawn.append(path)  # what was opened beside an answer that came before
                step.proceed()
                self._note(step)
            if node.callback and not self._skips(step):
                yield from self._after_timeout(node, node.on_timeout, step, frame.at(f"{path}/"))

    def _due(self, node: WaitNode, step: StepRecord, frame: Frame) -> Steps:
        """Gives (seconds from now, or a time in UTC) at which the wait is over."""
        try:
            if node.span is not None:
                return seconds((yield from self._rendered(node.span, frame, node.key, step))), None
            text = str((yield from self._rendered(node.until, frame, node.key, step))) if node.until else ""
            moment = dt.datetime.fromisoformat(text)
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=ZoneInfo(self.program.timezone))
            return None, moment.astimezone(dt.UTC).isoformat()
        except (ValueError, OverflowError) as error:
            self._give(node.key, "invalid_time", str(error))

    def _approval(self, node: ApprovalNode, path: str, frame: Frame) -> Steps:
        step, entered = yield from self._enter(path, node.key)
        with self._container(step, node, frame):
            if entered or (step.status == StepStatus.RUNNING and step.output is None):
                asks = yield from self._rendered(node.asks, frame, node.key, step)
                step.input = self._encoded(asks, node.key)
                outcome = yield Effect(step, node, asks)
                if outcome.error is not None:
                    self._give(node.key, outcome.error.code, outcome.error.message)
                yield from self._ask(node, step, frame, asks, msgspec.json.decode(outcome.output or b"{}"))
            if step.status == StepStatus.WAITING:
                answer = yield from self._answer(path)
                step.output = encode_output(answer.outcome or {"outcome": "timeout"})
                step.proceed()
                self._note(step)
            inside = frame.at(f"{path}/")
            decided = yield from self._after_timeout(node, node.on_timeout, step, inside)
            if decided in node.outcomes:
                frame.keep(node.key, step)
                yield from self._sequence(node.outcomes[decided][1], inside)

    def _ask(
        self, node: ApprovalNode, step: StepRecord, frame: Frame, asks: dict[str, Any], people: dict[str, Any]
    ) -> Steps:
        """Open the wait that assignees see."""
        try:
            due_in = seconds((yield from self._rendered(node.span, frame, node.key, step)))
            remind_in = None
            if node.remind_after:
                remind_in = seconds((yield from self._rendered(node.remind_after, frame, node.key, step)))
        except ValueError as error:
            self._give(node.key, "invalid_time", str(error))
        data = {
            "name": node.name,
            "message": asks["message"],
            "context": [{"label": str(label), "value": value} for label, value in asks["context"].items()],
            "delegate": node.delegate,
            "form": node.form,
            "outcomes": [{"key": key, "name": name} for key, (name, _) in node.outcomes.items()],
        }
        step.wait()
        self._note(step)
        self._waits.append(
            WaitRecord(step.path, Wait.Kind.APPROVAL, due_in, remind_in=remind_in, data=data, people=people)
        )

    def _after_timeout(
        self, node: WaitNode | ApprovalNode, on_timeout: Nodes | None, step: StepRecord, inside: Frame
    ) -> Steps:
        """Gives the outcome; when nobody answered in time, the author's steps run or the step fails."""
        outcome = self._recorded(step, node.key).get("outcome")
        if outcome == "timeout":
            if on_timeout is None:
                self._give(node.key, "timed_out", "nobody answered in time")
            yield from self._sequence(on_timeout, inside)
        return outcome

    def _workflow(self, node: WorkflowNode, path: str, frame: Frame) -> Steps:
        step, entered = yield from self._enter(path, node.key)
        with self._container(step, node, frame):
            if entered or (step.status == StepStatus.RUNNING and step.output is None):
                if self.run.depth >= MAX_DEPTH:
                    self._give(node.key, "too_deep", f"workflows call each other more than {MAX_DEPTH} deep")
                asks = self._encoded((yield from self._rendered(node.payload, frame, node.key, step)), node.key)
                step.input = asks
                if len(asks) > self._most_bytes:
                    step.input, step.input_file = documents.put(redact_json(asks.decode()).encode())
                outcome = yield Effect(step, node, None)
                if outcome.error is not None:
                    self._give(node.key, outcome.error.code, outcome.error.message)
                call = CallRecord(path, node.workflow, asks, waits=node.waits)
                self._calls.append(call)
                if not node.waits:
                    step.output = encode_output({"event": str(call.event_id)})
                    return
                step.wait()
                self._note(step)
                data = {"workflow": node.workflow, "event": str(call.event_id)}
                self._waits.append(WaitRecord(path, Wait.Kind.CHILD, data=data))
            if step.status == StepStatus.WAITING:
                answer = yield from self._answer(path)
                if self._skips(step, answer):
                    return
                outcome = answer.outcome or {}
                if outcome.get("status") != "succeeded":
                    reason = (outcome.get("error") or {}).get("message") or f"it was {outcome.get('status')}"
                    self._give(node.key, "workflow_failed", f"the workflow {node.workflow} did not succeed: {reason}")
                step.output = self._encoded(outcome, node.key)

    def _answer(self, path: str) -> Steps:
        """What ended the wait at `path`: known from the journal, or to come."""
        answer = self._answers.pop(path, None)
        if answer is None or answer.is_open:
            answer = yield Parked(path)
        return answer

    # --- records ------------------------------------------------------------------------------------------------------

    def _begin(self, path: str, last: StepRecord | None) -> StepRecord:
        step = StepRecord(path, last.attempt + 1, failures=last.failures) if last else StepRecord(path, 1)
        self._strands.begin(step)
        return step

    def _found(self, path: str) -> Steps:
        """What is recorded of a step, or None. One that was cancelled goes no further: a sibling's failure follows."""
        step = self._steps.pop(path, None)
        if step is not None and step.status == StepStatus.CANCELLED:
            yield Parked(path)
        return step

    def _enter(self, path: str, key: str) -> Steps:
        """(the record of a step that holds others or waits, whether it begins now).

        Raises StepFailedError when it is recorded as failed.
        """
        step = yield from self._found(path)
        if step is None:
            step = self._begin(path, None)
            self._note(step)
            return step, True
        if step.status == StepStatus.FAILED:
            raise StepFailedError({**(step.error or {}), "step": (step.error or {}).get("step", key)})
        if not step.ended:
            self._strands.begin(step)
        return step, False

    def _container(self, step: StepRecord, node: Node, frame: Frame) -> _Container:
        return _Container(self, step, node, frame)

    def _succeed(self, step: StepRecord, output: bytes, file: str | None = None) -> None:
        """Record an output; later steps see what is recorded, so that a resumed walk sees the same."""
        if file is None:
            output = redact_json(output.decode()).encode()
            if len(output) > self._most_bytes:
                output, file = documents.put(output)
        step.succeed(output, file)
        self._weigh(output)
        self._note(step)
        self._strands.settle(step)

    def _fail(self, step: StepRecord, error: dict[str, Any]) -> None:
        step.fail(clean_error(error))
        self._note(step)

    def _weigh(self, document: bytes) -> None:
        """Take breath when the next checkpoint grows heavy."""
        self._bytes += len(document)
        if self._bytes > MAX_BYTES:
            self._strands.rest()

    def _encoded(self, value: Any, key: str) -> bytes:
        """A value as a document. Raises StepFailedError when it is none, or too large."""
        try:
            return encode_output(value)
        except ConnectorError as error:
            self._give(key, error.code, error.message)

    def _output(self, frame: Frame, key: str) -> Any:
        """What the step of that key gave. Raises StepFailedError when its file cannot be read."""
        try:
            return frame.output(key)
        except documents.DocumentError as error:
            self._give(key, error.code, error.message)

    def _recorded(self, step: StepRecord, key: str) -> dict[str, Any]:
        document = self._read(step.output_file, key) if step.output_file else step.output
        found: dict[str, Any] = msgspec.json.decode(document or b"{}")
        return found

    def _read(self, file: str, key: str) -> bytes:
        """A document that was put aside. Raises StepFailedError."""
        try:
            return documents.read(file)
        except documents.DocumentError as error:
            self._give(key, error.code, error.message)

    def _note(self, step: StepRecord) -> None:
        self._changed[id(step)] = step

    def _give_up(self, strand: Strand) -> None:
        """A strand was withdrawn: what it had begun is cancelled, and so are its waits."""
        paths = {step.path for step in strand.begun}
        for step in strand.begun:
            if not step.ended:
                step.cancel()
                self._note(step)
        self._withdrawn.extend(paths)
        self._waits = [wait for wait in self._waits if wait.path not in paths]
        self._calls = [call for call in self._calls if call.path not in paths]

    def _rendered(self, template: Template, frame: Frame, key: str, step: StepRecord) -> Steps:
        """Gives the value. Raises StepFailedError when it cannot be rendered."""
        try:
            return (yield from self._render(template, frame, step))
        except TemplateError as error:
            self._give(key, "template_error", str(error))
        except ConnectorError as error:
            self._give(key, error.code, error.message)

    def _render(self, template: Template, frame: Frame, step: StepRecord) -> Steps:
        """Gives the value, by a render worker if that may take its time. Raises TemplateError and ConnectorError."""
        if template.is_light:
            return template.render(frame.scope)
        is_withheld = self._changed.pop(id(step), None) is not None
        outcome = yield Rendering(step, RenderNode(template), frame.scope, is_withheld=is_withheld)
        if is_withheld:
            self._note(step)
        self._strands.check()
        if outcome.error is not None:
            raise outcome.error
        return msgspec.json.decode(outcome.output)

    def _holds(self, rule: Rule, frame: Frame, key: str) -> bool:
        """Raises StepFailedError when deciding it costs too much."""
        try:
            return rule.holds(frame.scope)
        except RuleError as error:
            self._give(key, "condition_error", str(error))
        except documents.DocumentError as error:
            self._give(key, error.code, error.message)

    def _give(self, key: str, code: str, message: str) -> NoReturn:
        raise StepFailedError(clean_error({**_error(code, message), "step": key}))

    def _context(self, step: StepRecord) -> dict[str, Any]:
        """What a pure action gets: ids and a log, nothing that reaches outside."""

        def write(message: str, level: str = "info") -> None:
            self._logs.append(LogRecord(step.path, step.attempt, level, message))

        return {
            "run": self.ids,
            "step": {"path": step.path, "attempt": step.attempt},
            "idempotency_key": idempotency_key(self.run.id, step.path),
            "log": write,
            "cancelled": lambda: False,
        }


class _Container:
    """A step that holds others ends as they do: succeeded, or failed with the reason of the one that failed."""

    def __init__(self, walk: Walk, step: StepRecord, node: Node, frame: Frame) -> None:
        self._walk, self._step, self._node, self._frame = walk, step, node, frame

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        step, walk = self._step, self._walk
        if isinstance(error, StepFailedError):
            if not step.ended:
                walk._fail(step, error.error)
            return
        if error is None or isinstance(error, RunStoppedError):
            if not step.ended:
                walk._succeed(step, step.output or b"null")
            self._frame.keep(self._node.key, step)


def _error(code: str, message: str) -> dict[str, Any]:
    return {"code": code, "message": message, "retryable": False}


def _error_of(error: ConnectorError) -> dict[str, Any]:
    """A plug-in's error as it is recorded: JSON, whatever the plug-in put into it."""
    described: dict[str, Any] = {
        "code": str(error.code),
        "message": str(error.message),
        "retryable": bool(error.retryable),
    }
    if error.retry_after is not None and math.isfinite(error.retry_after):
        described["retry_after"] = float(error.retry_after)
    if error.details:
        try:
            described["details"] = msgspec.json.decode(encode_output(error.details))
        except ConnectorError as reason:
            described["details"] = {"left_out": reason.message}
    return described

"""Walk: goes through a run's steps as far as it can, deciding from the journal alone what is still to do.

Each kind of step is a generator (`steps`) that a `Scheduler` runs: it yields requests, is sent their outcomes, and
leaves its records here. README.md has the protocol. A walk that resumes from the journal takes the same way again and
uses what is recorded instead of doing it, so that it may be another worker, and another day.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any, NoReturn

import msgspec

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.invocation import encode_output
from automate_core import artifacts
from automate_core.engine import steps
from automate_core.engine.effects.executor_pools import PoolRouter
from automate_core.engine.journal import clean_error
from automate_core.engine.outcomes import (
    NOT_BEGUN,
    EffectOutcome,
    RunStoppedError,
    StepFailedError,
    error_document,
    plugin_error_document,
)
from automate_core.engine.program import (
    ActionNode,
    DecideNode,
    LoopBody,
    Node,
    Nodes,
    Program,
    PureNode,
    RefreshSecretsNode,
    RenderNode,
)
from automate_core.engine.records import (
    CallRecord,
    Checkpoint,
    EffectRecord,
    HandOutRecord,
    JobDisposition,
    LogRecord,
    ReplyRecord,
    RunRecord,
    StepRecord,
    StoredRun,
    WaitRecord,
    WaitState,
    attempt_key,
    input_digest,
)
from automate_core.engine.sandbox import Sandbox
from automate_core.engine.scheduler import Computation, Effect, Pause, Scheduler, StepGenerator, Task, WaitFor
from automate_core.engine.scope import Scope
from automate_core.expressions.json_logic import Rule
from automate_core.expressions.json_path import TemplateError
from automate_core.expressions.templating import NotAtOnceError, Template
from automate_core.outbox.store import ClaimedJob
from automate_core.states import FINAL_RUN_STATES, RunStatus, StepStatus
from automate_core.webhooks.callback_urls import callback_url, form_page_url
from automate_governance.redaction import json_logs
from automate_governance.redaction.json_logs import LogIds
from automate_plugins import text

log = logging.getLogger(__name__)

_sandbox_lock = threading.Lock()  # branches of a parallel step may ask for the sandbox at once

_NO_IDS = nullcontext()

MAX_STEPS_PER_SLICE = 500
SECONDS_PER_SLICE = 0.05
MAX_CHECKPOINT_BYTES = 8_000_000
_ADDRESSES = {"callback": callback_url, "form": form_page_url}  #: of what a wait is answered by


class Walk:
    """One walk of one run under one lease. Documents larger than `max_inline_bytes` are kept as files.

    Without a `router` no step is handed out to a pool.
    """

    def __init__(
        self,
        job: ClaimedJob,
        run: RunRecord,
        program: Program,
        event: dict[str, Any],
        stored: StoredRun | None = None,
        *,
        max_inline_bytes: float = math.inf,
        router: PoolRouter | None = None,
    ) -> None:
        self.job = job
        self.run = run
        self.program = program
        run.redactor = program.secrets.redactor
        self._is_resumed = stored is not None
        self.effects_to_start: list[Effect] = []
        self.held_back: list[Effect] = []
        self.cancelled = False
        self.steps = stored.steps if stored else {}
        self.known_waits = stored.waits if stored else {}
        self._changed: dict[int, StepRecord] = {}
        self.waits: list[WaitRecord] = []
        self.cancelled_waits: list[str] = []
        self.calls: list[CallRecord] = []
        self._checkpoint_bytes = 0
        self.max_inline_bytes = max_inline_bytes
        self.logs: list[LogRecord] = []
        self.effects: list[EffectRecord] = []
        self.replies: list[ReplyRecord] = []
        self.handed_out: list[HandOutRecord] = []
        self._router = router
        self._sandbox: Sandbox | None = None
        self.run_info = {"id": run.id, "trace_id": run.trace_id, "workflow": program.workflow}
        self.log_ids = {"run": run.id, "workflow": program.workflow, "trace": run.trace_id}
        names = {"event": event, "steps": {}, "run": self.run_info, "vars": {**program.vars, **(run.vars or {})}}
        if program.test_options is not None:
            names |= {**program.test_options.given, "steps": dict(program.test_options.given.get("steps", {}))}
        scope = Scope("", {**names, "callbacks": self.callbacks(program.body, "")})
        self.scheduler = Scheduler(
            self._run_program(scope),
            self._on_cancelled,
            max_steps_per_run=MAX_STEPS_PER_SLICE,
            max_seconds_per_run=SECONDS_PER_SLICE,
        )

    # --- from outside -------------------------------------------------------------------------------------------------

    @property
    def is_paused(self) -> bool:
        """Whether its time slice ended, and it has more to do at once."""
        return self.scheduler.has_ready_tasks and not self.cancelled

    @property
    def pending_effects(self) -> set[Effect]:
        """The effects that were requested and have not ended."""
        return set(self.scheduler.pending_effects)

    def deliver_result(self, effect: Effect, outcome: EffectOutcome) -> None:
        """Take the outcome of an effect. `proceed` goes on from there.

        In a cancelled walk no task is resumed: the outcome is only recorded.
        """
        if not self.cancelled:
            self.scheduler.set_result(effect, outcome)
            return
        self.scheduler.pending_effects.pop(effect)
        if not isinstance(effect, Computation):
            self.record_outcome(effect.step, outcome)
        elif effect.holds_record:
            self.mark_changed(effect.step)

    def resolve_waits(self, waits: dict[str, WaitState]) -> bool:
        """Make the tasks ready whose waits were resolved elsewhere: whether there are any."""
        tasks = self.scheduler.waiting_tasks
        resolved = [path for path, wait in waits.items() if path in tasks and not wait.is_open]
        for path in resolved:
            self.scheduler.resolve_wait(path, waits[path])
        return bool(resolved)

    def cancel(self) -> None:
        """Begin nothing more, because the run has ended; outcomes of running effects are recorded as they come."""
        self.cancelled = True
        self.drop_effects()

    def hold_back(self, effects: list[Effect], records: list[StepRecord]) -> list[StepRecord]:
        """Start these effects later. Gives the records without theirs, which the next checkpoint is to write."""
        kept = {id(effect.step) for effect in effects}
        for record in records:
            if id(record) in kept:
                self.mark_changed(record)
        self.held_back = effects
        return [record for record in records if id(record) not in kept]

    def drop_effects(self) -> None:
        """Forget the effects that were requested and not started, and the records of those that were held back."""
        for effect in self.effects_to_start + self.held_back:
            self.scheduler.pending_effects.pop(effect, None)
        for effect in self.held_back:
            self._changed.pop(id(effect.step), None)
        self.effects_to_start, self.held_back = [], []

    def sandbox(self) -> Sandbox:
        """The sandbox for the transactional actions of a dry run, one at a time. For the threads of effects."""
        with _sandbox_lock:
            self._sandbox = self._sandbox or Sandbox()
            return self._sandbox

    def close(self) -> None:
        """Roll back what a dry run has changed: this walk is over."""
        if self._sandbox is not None:
            self._sandbox.close()

    def proceed(self) -> Checkpoint:
        """Go on until every task waits for something, the time slice is used, or the run has ended."""
        if not self.cancelled:
            with LogIds(self.log_ids) if json_logs.is_used else _NO_IDS:
                self.effects_to_start += [*self.held_back, *self.scheduler.run()]
                self.held_back = []
        busy = bool(self.scheduler.pending_effects) or self.is_paused
        ended = self.run.status in FINAL_RUN_STATES or self.cancelled
        if not busy and not ended:
            self.run.park()
        outcome = JobDisposition.HOLD if busy else JobDisposition.COMPLETE if ended else JobDisposition.PARK
        checkpoint = Checkpoint(
            self.job,
            outcome,
            self.run,
            list(self._changed.values()),
            self.waits,
            self.logs,
            cancelled_waits=self.cancelled_waits,
            calls=self.calls,
            effects=self.effects,
            replies=self.replies,
            handed_out=self.handed_out,
        )
        self._changed, self.waits, self.cancelled_waits, self.calls, self.logs = {}, [], [], [], []
        self.effects, self.replies, self.handed_out = [], [], []
        self._checkpoint_bytes = 0
        return checkpoint

    # --- the whole run ------------------------------------------------------------------------------------------------

    def _run_program(self, scope: Scope) -> StepGenerator:
        if self.run.status != RunStatus.RUNNING:
            self.run.start()
        if self._is_resumed and self.program.secrets.is_stale and not self.program.is_simulated:
            yield Computation(StepRecord("", 0), RefreshSecretsNode(), None)
        try:
            last = yield from self.sequence(self.program.body.nodes, scope)
            if self.run.parent_id is not None:
                self.run.output = self.step_output(scope, last)
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
            self._on_cancelled(self.scheduler.root)
            self.run.fail(
                {"code": "internal_error", "message": text("Internal error. The server log has the details.")}
            )

    def sequence(self, nodes: Nodes, scope: Scope) -> StepGenerator:
        """Walk steps one after the other. Returns the key of the last one, empty when there is none."""
        for node in nodes:
            if self.scheduler.is_slice_used:
                yield Pause()
                self.scheduler.check_cancelled()  # a task beside it may have failed meanwhile
            yield from steps.start_step(self, node, f"{scope.prefix}{node.key}", scope)
        return nodes[-1].key if nodes else ""

    # --- records ------------------------------------------------------------------------------------------------------

    def record_outcome(self, step: StepRecord, outcome: EffectOutcome) -> None:
        """Record how an effect ended: its output or error, and what it logged."""
        self.logs.extend(outcome.logs)
        if outcome.effects:
            self.effects.append(EffectRecord(step.path, step.attempt, outcome.effects))
        if outcome.error is not None and outcome.error.code == NOT_BEGUN:
            step.cancel()
            self.mark_changed(step)
        elif outcome.error is not None:
            self.fail(step, plugin_error_document(outcome.error))
        else:
            self.succeed(step, outcome.output or b"null", outcome.output_file)

    def apply_skip(self, step: StepRecord, answer: WaitState | None = None) -> bool:
        """Whether a person skipped the step, by this answer or earlier; its output is what they gave."""
        outcome = (answer.outcome if answer else None) or {}
        if outcome.get("outcome") == StepStatus.SKIPPED:
            step.skip(self.redact(encode_output(outcome.get("output"))))
            self.mark_changed(step)
            self.scheduler.close_step(step)
        return step.status == StepStatus.SKIPPED

    def callbacks(self, body: LoopBody, prefix: str) -> dict[str, str]:
        """The URLs that resolve the body's waits for a callback or a form, by step key."""
        return {key: _ADDRESSES[kind](self.run.id, f"{prefix}{path}") for key, path, kind in body.callbacks}

    def wait_until_resolved(self, path: str) -> StepGenerator:
        """Returns the resolved wait at `path`: known from the journal, or when it comes."""
        answer = self.known_waits.pop(path, None)
        if answer is None or answer.is_open:
            answer = yield WaitFor(path)
        return answer

    def begin_attempt(self, path: str, last: StepRecord | None) -> StepRecord:
        """The record of the next attempt. Raises TaskCancelledError."""
        if last is None:
            step = StepRecord(path, 1)
        else:
            step = StepRecord(path, last.attempt + 1, failures=last.failures, key=last.key)
        self.scheduler.begin_step(step)
        return step

    def inherit_key(self, step: StepRecord) -> None:
        """In a re-run, take the key of the attempt in doubt that the first attempt repeats, if its input is the same.

        So a service that saw the earlier attempt recognises this one.
        """
        kept = (self.run.inherited_keys or {}).get(step.path)
        if kept is not None and kept["input"] == input_digest(msgspec.json.decode(self.redact(step.input or b"null"))):
            step.key = kept["key"]

    def resume_step(self, step: StepRecord) -> None:
        """Go on with an attempt that the journal holds as open. Raises TaskCancelledError."""
        self.scheduler.begin_step(step)

    def recorded_step(self, path: str) -> StepGenerator:
        """Returns the recorded attempt, or None. A cancelled one goes no further: a sibling's failure follows."""
        step = self.steps.pop(path, None)
        if step is not None and step.status == StepStatus.CANCELLED:
            yield WaitFor(path)
        return step

    def enter(self, path: str, key: str) -> StepGenerator:
        """Returns (the record of a container or waiting step, whether it begins now).

        Raises StepFailedError when it is recorded as failed.
        """
        step = yield from self.recorded_step(path)
        if step is None:
            step = self.begin_attempt(path, None)
            self.mark_changed(step)
            return step, True
        if step.status == StepStatus.FAILED:
            raise StepFailedError({**(step.error or {}), "step": (step.error or {}).get("step", key)})
        if not step.ended:
            self.scheduler.begin_step(step)
        return step, False

    def container(self, step: StepRecord, node: Node, scope: Scope) -> _Container:
        """A block for what happens inside a container or waiting step: at its end the step is recorded as ended."""
        return _Container(self, step, node, scope)

    def succeed(self, step: StepRecord, output: bytes, file: str | None = None) -> None:
        """Record an output, redacted. Later steps see what is recorded, so that a resumed walk sees the same."""
        if file is None:
            output = self.redact(output)
            if len(output) > self.max_inline_bytes:
                output, file = artifacts.put(output)
        step.succeed(output, file)
        self.count_bytes(output)
        self.mark_changed(step)
        self.scheduler.close_step(step)

    def fail(self, step: StepRecord, error: dict[str, Any]) -> None:
        """Record the error of an attempt."""
        step.fail(clean_error(error, self.run.redactor))
        self.mark_changed(step)

    def remote_pool(self, node: ActionNode) -> str | None:
        """The pool that the step is handed out to; None for the threads of this worker. Raises ConnectorError."""
        return None if self._router is None else self._router.remote_pool(node, self.program)

    def redact(self, document: bytes) -> bytes:
        """A document without the secrets of the run's connections."""
        return self.run.redactor.document(document.decode()).encode()

    def count_bytes(self, document: bytes) -> None:
        """Add to the size of the next checkpoint; the walk pauses to write one that grows large."""
        self._checkpoint_bytes += len(document)
        if self._checkpoint_bytes > MAX_CHECKPOINT_BYTES:
            self.scheduler.pause()

    def encode_or_fail(self, value: Any, key: str) -> bytes:
        """A value as a JSON document. Raises StepFailedError when it is no JSON, or too large."""
        try:
            return encode_output(value)
        except ConnectorError as error:
            self.raise_failed(key, error.code, error.message)

    def step_output(self, scope: Scope, key: str) -> Any:
        """The output of the step with that key. Raises StepFailedError when its file cannot be read."""
        try:
            return scope.output(key)
        except artifacts.ArtifactError as error:
            self.raise_failed(key, error.code, error.message)

    def output_document(self, step: StepRecord, key: str) -> dict[str, Any]:
        """The recorded output of a step, decoded; {} when there is none. Raises StepFailedError."""
        document = self.read_artifact(step.output_file, key) if step.output_file else step.output
        found: dict[str, Any] = msgspec.json.decode(document or b"{}")
        return found

    def read_artifact(self, file: str, key: str) -> bytes:
        """A document that is kept as a file. Raises StepFailedError."""
        try:
            return artifacts.read(file)
        except artifacts.ArtifactError as error:
            self.raise_failed(key, error.code, error.message)

    def mark_changed(self, step: StepRecord) -> None:
        """Have the next checkpoint write the record."""
        self._changed[id(step)] = step

    def _on_cancelled(self, task: Task) -> None:
        """Cancel the steps that a cancelled task has open, their waits and their calls."""
        paths = {step.path for step in task.open_steps}
        for step in task.open_steps:
            if not step.ended:
                step.cancel()
                self.mark_changed(step)
        self.cancelled_waits.extend(paths)
        self.waits = [wait for wait in self.waits if wait.path not in paths]
        self.calls = [call for call in self.calls if call.path not in paths]
        self.handed_out = [each for each in self.handed_out if each.path not in paths]

    def render_or_fail(self, template: Template, scope: Scope, key: str, step: StepRecord) -> StepGenerator:
        """Returns the rendered value. Raises StepFailedError."""
        try:
            return (yield from self.render(template, scope, step))
        except TemplateError as error:
            self.raise_failed(key, "template_error", str(error))
        except ConnectorError as error:
            self.raise_failed(key, error.code, error.message)

    def render(self, template: Template, scope: Scope, step: StepRecord) -> StepGenerator:
        """Returns the rendered value, by a render worker if it may take long. Raises TemplateError, ConnectorError."""
        try:
            return template.render_at_once(scope.names)
        except NotAtOnceError:
            return msgspec.json.decode((yield from self.compute(RenderNode(template), scope.names, step)))

    def holds(self, rule: Rule, scope: Scope, key: str, step: StepRecord) -> StepGenerator:
        """Returns whether the rule holds. Raises StepFailedError when deciding it costs too much."""
        try:
            if not self.scheduler.is_slice_used and (held := rule.holds_at_once(scope.names)) is not None:
                return held
            return msgspec.json.decode((yield from self.compute(DecideNode(rule), scope.snapshot(), step)))
        except ConnectorError as error:
            self.raise_failed(key, error.code, error.message)

    def compute(
        self, node: RenderNode | DecideNode | PureNode, names: Mapping[str, Any], step: StepRecord
    ) -> StepGenerator:
        """Returns the document that a thread of the effect pool computes. Raises ConnectorError."""
        holds_record = self._changed.pop(id(step), None) is not None  # a half-made record is not written
        outcome = yield Computation(step, node, names, holds_record=holds_record)
        if holds_record:
            self.mark_changed(step)
        self.scheduler.check_cancelled()
        if outcome.error is not None:
            raise outcome.error
        return outcome.output

    def raise_failed(self, key: str, code: str, message: str) -> NoReturn:
        """Raises StepFailedError with an error that is not retryable."""
        raise StepFailedError(clean_error({**error_document(code, message), "step": key}, self.run.redactor))

    def context(self, step: StepRecord, logs: list[LogRecord]) -> dict[str, Any]:
        """The context of a pure action: ids and a log, nothing that reaches outside."""

        def write(message: str, level: str = "info") -> None:
            logs.append(LogRecord(step.path, step.attempt, level, message))

        return {
            "run": self.run_info,
            "step": {"path": step.path, "attempt": step.attempt},
            "idempotency_key": attempt_key(self.run.id, step),
            "log": write,
            "cancelled": lambda: False,
        }


class _Container:
    """The end of a container: succeeded as its steps did, or failed with the error of the one that failed."""

    def __init__(self, walk: Walk, step: StepRecord, node: Node, scope: Scope) -> None:
        self._walk, self._step, self._node, self._scope = walk, step, node, scope

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        step, walk = self._step, self._walk
        if isinstance(error, StepFailedError):
            if not step.ended:
                walk.fail(step, error.error)
            return
        if error is None or isinstance(error, RunStoppedError):
            if not step.ended:
                walk.succeed(step, step.output or b"null")
            self._scope.bind(self._node.key, step)

"""Walk: goes through a run's steps as far as it can, deciding from the journal alone what is still to do.

Each kind of step is a generator. It yields an `Effect` when something must happen outside, and gets its outcome back;
it yields `PARK` when the run has to wait. A walk that is made anew from the journal skips what is recorded as done, so
that it does not matter whether it is the same worker, or the same day.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.invocation import encode_output, invoke
from automate_core.definition import OTHERWISE
from automate_core.engine.journal import (
    Checkpoint,
    LogRecord,
    Outcome,
    RunRecord,
    StepRecord,
    StoredRun,
    WaitRecord,
    idempotency_key,
)
from automate_core.engine.program import ActionNode, BranchNode, Node, Program, StopNode
from automate_core.lookups import TemplateError
from automate_core.models import Wait
from automate_core.outbox import ClaimedJob
from automate_core.states import FINAL_RUN_STATES, RunStatus, StepStatus
from automate_governance.redaction import redact_json

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Effect:
    """An attempt that reaches outside: its row is committed as running before it starts."""

    step: StepRecord
    node: ActionNode
    params: dict[str, Any]


@dataclass(slots=True)
class EffectOutcome:
    """How an effect ended: its output as a JSON document, or its error, and what it logged."""

    output: bytes | None = None
    error: ConnectorError | None = None
    logs: list[LogRecord] = field(default_factory=list)


class Park:
    """The run waits; whatever resolves the wait makes a new walk."""


PARK = Park()

type Steps = Generator[Effect | Park, EffectOutcome, None]


class StepFailedError(Exception):
    """A step failed for good."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.error = error


class RunStoppedError(Exception):
    """A stop step was reached."""

    def __init__(self, *, succeeded: bool, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.succeeded = succeeded
        self.error = error


class Walk:
    """One walk of one run under one lease."""

    def __init__(
        self,
        job: ClaimedJob,
        run: RunRecord,
        program: Program,
        event: dict[str, Any],
        stored: StoredRun | None = None,
    ) -> None:
        self.job = job
        self.run = run
        self.program = program
        self.pending: Effect | None = None
        self._steps = stored.steps if stored else {}
        self._waiting = set(stored.waiting) if stored else set()
        self._outputs: dict[str, Any] = {}
        self.scope = {
            "event": event,
            "steps": self._outputs,
            "run": {"id": run.id, "trace_id": run.trace_id, "workflow": program.workflow},
        }
        for path, step in self._steps.items():
            if step.output is not None:
                self._remember(path, step.output)
        self._changed: dict[int, StepRecord] = {}
        self._waits: list[WaitRecord] = []
        self._logs: list[LogRecord] = []
        self._walker = self._whole_run()

    def proceed(self, outcome: EffectOutcome | None = None) -> Checkpoint:
        """Go on, with the outcome of the pending effect, until the next effect, a wait, or the end."""
        try:
            asked = next(self._walker) if outcome is None else self._walker.send(outcome)
        except StopIteration:
            asked = None
        self.pending = asked if isinstance(asked, Effect) else None
        if isinstance(asked, Park):
            self.run.park()
        ended = self.run.status in FINAL_RUN_STATES
        return self._checkpoint(Outcome.HOLD if self.pending else Outcome.COMPLETE if ended else Outcome.PARK)

    def _checkpoint(self, outcome: Outcome) -> Checkpoint:
        checkpoint = Checkpoint(self.job, outcome, self.run, list(self._changed.values()), self._waits, self._logs)
        self._changed, self._waits, self._logs = {}, [], []
        return checkpoint

    # --- the kinds of steps -------------------------------------------------------------------------------------------

    def _whole_run(self) -> Steps:
        if self.run.status != RunStatus.RUNNING:
            self.run.start()
        try:
            yield from self._sequence(self.program.nodes, "")
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
            self.run.fail({"code": "internal_error", "message": "The engine failed; the server's log says more."})

    def _sequence(self, nodes: tuple[Node, ...], prefix: str) -> Steps:
        for node in nodes:
            path = f"{prefix}{node.key}"
            match node:
                case ActionNode():
                    yield from self._action(node, path)
                case BranchNode():
                    yield from self._branch(node, path)
                case StopNode():
                    self._stop(node, path)

    def _action(self, node: ActionNode, path: str) -> Steps:
        step = self._steps.get(path)
        if step is not None and step.done:
            return
        if path in self._waiting:
            yield PARK
        if step is not None and step.status == StepStatus.RUNNING:
            step.interrupt()
            self._note(step)
        while step is None or not step.done:
            if step is not None and step.error is not None and not self._repeats(node, step):
                raise StepFailedError({**step.error, "step": node.key})
            step = self._begin(path, step)
            yield from self._attempt(node, step)
            if step.error is not None and self._repeats(node, step):
                delay = node.retry.delay(step.failures, step.error.get("retry_after"))
                self._waits.append(WaitRecord(path, Wait.Kind.RETRY, delay))
                yield PARK

    def _attempt(self, node: ActionNode, step: StepRecord) -> Steps:
        self._note(step)
        try:
            if node.adapter is None or node.action is None:
                raise ConnectorError(node.missing, code="connector_not_found")
            params = node.inputs.render(self.scope)
            step.input = _document(params)
            params = msgspec.json.decode(step.input)  # the adapter's own: it may do with it what it likes
            if node.pure:
                output = invoke(node.adapter, node.action, params, self._context(step))
            else:
                outcome = yield Effect(step, node, params)
                self._note(step)
                self._logs.extend(outcome.logs)
                if outcome.error is not None:
                    raise outcome.error
                output = outcome.output or b"null"
        except TemplateError as error:
            step.fail(_error("template_error", str(error)))
        except ConnectorError as error:
            step.fail(_error_of(error))
        else:
            self._succeed(step, output)

    def _branch(self, node: BranchNode, path: str) -> Steps:
        step = self._steps.get(path)
        if step is None:
            step = self._begin(path, None)
            route = next((route.key for route in node.routes if route.when.holds(self.scope)), OTHERWISE)
            step.output = _document({"route": route})
            self._note(step)
        if step.done:
            return
        route = msgspec.json.decode(step.output or b"{}")["route"]
        try:
            yield from self._sequence(node.nodes_of(route), f"{path}/")
        except StepFailedError as failure:
            step.fail(_error("step_failed", failure.error["message"]))
            self._note(step)
            raise
        except RunStoppedError:
            self._succeed(step, step.output or b"null")
            raise
        self._succeed(step, step.output or b"null")

    def _stop(self, node: StopNode, path: str) -> None:
        step = self._begin(path, None)
        self._note(step)
        try:
            message = str(node.message.render(self.scope))
        except TemplateError as error:
            step.fail(_error("template_error", str(error)))
            raise StepFailedError({**_error("template_error", str(error)), "step": node.key}) from error
        self._succeed(step, _document({"message": message}))
        reason = {"code": "stopped", "message": message or "Stopped by the workflow.", "step": node.key}
        raise RunStoppedError(succeeded=node.succeeded, error=reason)

    # --- records ------------------------------------------------------------------------------------------------------

    def _begin(self, path: str, last: StepRecord | None) -> StepRecord:
        step = StepRecord(path, last.attempt + 1, failures=last.failures) if last else StepRecord(path, 1)
        self._steps[path] = step
        return step

    def _succeed(self, step: StepRecord, output: bytes) -> None:
        """Record an output; later steps see what is recorded, so that a resumed walk sees the same."""
        masked = redact_json(output.decode()).encode()
        step.succeed(masked)
        self._note(step)
        self._remember(step.path, masked)

    def _remember(self, path: str, output: bytes) -> None:
        self._outputs[path.rpartition("/")[2]] = {"output": msgspec.json.decode(output)}

    def _note(self, step: StepRecord) -> None:
        self._changed[id(step)] = step

    def _repeats(self, node: ActionNode, step: StepRecord) -> bool:
        return node.retry.repeats(step.failures, retryable=bool(step.error and step.error.get("retryable")))

    def _context(self, step: StepRecord) -> dict[str, Any]:
        """What a pure action gets: ids and a log, nothing that reaches outside."""

        def write(message: str, level: str = "info") -> None:
            self._logs.append(LogRecord(step.path, step.attempt, level, message))

        return {
            "run": self.scope["run"],
            "idempotency_key": idempotency_key(self.run.id, step.path),
            "log": write,
            "cancelled": lambda: False,
        }


def _document(value: Any) -> bytes:
    return encode_output(value)


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

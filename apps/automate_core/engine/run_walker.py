"""Walk: goes through a run's steps as far as it can, deciding from the journal alone what is still to do.

Each kind of step is a generator (`kinds`) that a `Scheduler` runs: it yields what it needs, gets the answer back, and
leaves its records here. A walk that is made anew from the journal goes the same way again, and takes what is recorded
as done instead of doing it, so that it does not matter whether it is the same worker, or the same day.
"""

from __future__ import annotations

import logging
import math
import threading
from typing import Any, NoReturn

import msgspec

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.invocation import encode_output
from automate_core import artifacts
from automate_core.engine import steps
from automate_core.engine.journal import clean_error
from automate_core.engine.outcomes import (
    NOT_BEGUN,
    EffectOutcome,
    RunStoppedError,
    StepFailedError,
    error_document,
    error_of,
)
from automate_core.engine.program import DecideNode, LoopBody, Node, Nodes, Program, PureNode, RenderNode, SecrecyNode
from automate_core.engine.records import (
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
    idempotency_key,
)
from automate_core.engine.sandbox import Sandbox
from automate_core.engine.scheduler import Breath, Effect, Parked, Rendering, Scheduler, Steps, Strand
from automate_core.engine.scope import Frame
from automate_core.expressions.json_logic import Rule
from automate_core.expressions.json_path import Scope, TemplateError
from automate_core.expressions.templating import NotAtOnceError, Template
from automate_core.outbox.store import ClaimedJob
from automate_core.states import FINAL_RUN_STATES, RunStatus, StepStatus
from automate_core.webhooks.callback_urls import callback_url

log = logging.getLogger(__name__)

_SANDBOXES = threading.Lock()  # arms of a parallel step may want theirs at once

BREATH = 500
BREATH_SECONDS = 0.05
MAX_BYTES = 8_000_000


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
        run.redactor = program.secrecy.redactor
        self._is_taken_up = stored is not None
        self.starting: list[Effect] = []
        self.cancelled = False
        self.steps = stored.steps if stored else {}
        self.answers = stored.waits if stored else {}
        self._changed: dict[int, StepRecord] = {}
        self.waits: list[WaitRecord] = []
        self.withdrawn: list[str] = []
        self.calls: list[CallRecord] = []
        self._bytes = 0
        self.most_bytes = most_bytes
        self.logs: list[LogRecord] = []
        self.effects: list[EffectRecord] = []
        self._sandbox: Sandbox | None = None
        self.ids = {"id": run.id, "trace_id": run.trace_id, "workflow": program.workflow}
        scope = {"event": event, "steps": {}, "run": self.ids, "vars": {**program.vars, **(run.vars or {})}}
        if program.terms is not None:
            scope |= {**program.terms.given, "steps": dict(program.terms.given.get("steps", {}))}
        frame = Frame("", {**scope, "callbacks": self.callbacks(program.body, "")})
        self.strands = Scheduler(self._whole_run(frame), self._give_up, breath=BREATH, seconds=BREATH_SECONDS)

    # --- from outside -------------------------------------------------------------------------------------------------

    @property
    def resting(self) -> bool:
        """Whether it stopped to take breath, and has more to do at once."""
        return self.strands.resting and not self.cancelled

    @property
    def awaited(self) -> set[Effect]:
        """The effects whose outcomes it has yet to hear."""
        return set(self.strands.asked)

    def answer(self, effect: Effect, outcome: EffectOutcome) -> None:
        """An effect has ended. `proceed` goes on from there."""
        if not self.cancelled:
            self.strands.answer(effect, outcome)
            return
        self.strands.asked.pop(effect)
        if not isinstance(effect, Rendering):
            self.conclude(effect.step, outcome)
        elif effect.is_withheld:
            self.note(effect.step)

    def resolve(self, answers: dict[str, WaitAnswer]) -> bool:
        """Waits that somebody else has ended: whether that concerns a strand of this walk."""
        found = [path for path, answer in answers.items() if path in self.strands.parked and not answer.is_open]
        for path in found:
            self.strands.resolve(path, answers[path])
        return bool(found)

    def cancel(self) -> None:
        """The run has ended: nothing more begins, and the outcomes of what runs are recorded as they come."""
        self.cancelled = True
        for effect in self.starting:
            self.strands.asked.pop(effect, None)
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
            self.starting.extend(self.strands.run())
        busy = bool(self.strands.asked) or self.resting
        ended = self.run.status in FINAL_RUN_STATES or self.cancelled
        if not busy and not ended:
            self.run.park()
        outcome = Outcome.HOLD if busy else Outcome.COMPLETE if ended else Outcome.PARK
        checkpoint = Checkpoint(
            self.job,
            outcome,
            self.run,
            list(self._changed.values()),
            self.waits,
            self.logs,
            withdrawn=self.withdrawn,
            calls=self.calls,
            effects=self.effects,
        )
        self._changed, self.waits, self.withdrawn, self.calls, self.logs = {}, [], [], [], []
        self.effects = []
        self._bytes = 0
        return checkpoint

    # --- the whole run ------------------------------------------------------------------------------------------------

    def _whole_run(self, frame: Frame) -> Steps:
        if self.run.status != RunStatus.RUNNING:
            self.run.start()
        if self._is_taken_up and self.program.secrecy.is_due and not self.program.is_rehearsed:
            yield Rendering(StepRecord("", 0), SecrecyNode(), None)
        try:
            last = yield from self.sequence(self.program.body.nodes, frame)
            if self.run.parent_id is not None:
                self.run.output = self.output(frame, last)
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
            self._give_up(self.strands.root)
            self.run.fail({"code": "internal_error", "message": "The engine failed; the server's log says more."})

    def sequence(self, nodes: Nodes, frame: Frame) -> Steps:
        """Steps one after the other; gives the last one's key, empty when there is none."""
        for node in nodes:
            if self.strands.is_spent:
                yield Breath()
                self.strands.check()
            yield from steps.step(self, node, f"{frame.prefix}{node.key}", frame)
        return nodes[-1].key if nodes else ""

    # --- records ------------------------------------------------------------------------------------------------------

    def conclude(self, step: StepRecord, outcome: EffectOutcome) -> None:
        """Record how an effect ended."""
        self.logs.extend(outcome.logs)
        if outcome.effects:
            self.effects.append(EffectRecord(step.path, step.attempt, outcome.effects))
        if outcome.error is not None and outcome.error.code == NOT_BEGUN:
            step.cancel()
            self.note(step)
        elif outcome.error is not None:
            self.fail(step, error_of(outcome.error))
        else:
            self.succeed(step, outcome.output or b"null", outcome.output_file)

    def skips(self, step: StepRecord, answer: WaitAnswer | None = None) -> bool:
        """Whether a person had the step passed over, now or earlier: its output is what they gave for it."""
        outcome = (answer.outcome if answer else None) or {}
        if outcome.get("outcome") == StepStatus.SKIPPED:
            step.skip(self.redacted(encode_output(outcome.get("output"))))
            self.note(step)
            self.strands.settle(step)
        return step.status == StepStatus.SKIPPED

    def callbacks(self, body: LoopBody, prefix: str) -> dict[str, str]:
        """The addresses that end its waits for a callback, by the step's key."""
        return {key: callback_url(self.run.id, f"{prefix}{path}") for key, path in body.callbacks}

    def ended_wait(self, path: str) -> Steps:
        """What ended the wait at `path`: known from the journal, or to come."""
        answer = self.answers.pop(path, None)
        if answer is None or answer.is_open:
            answer = yield Parked(path)
        return answer

    def begin(self, path: str, last: StepRecord | None) -> StepRecord:
        """The record of a next attempt, after the last one that was made."""
        step = StepRecord(path, last.attempt + 1, failures=last.failures) if last else StepRecord(path, 1)
        self.strands.begin(step)
        return step

    def found(self, path: str) -> Steps:
        """What is recorded of a step, or None. One that was cancelled goes no further: a sibling's failure follows."""
        step = self.steps.pop(path, None)
        if step is not None and step.status == StepStatus.CANCELLED:
            yield Parked(path)
        return step

    def enter(self, path: str, key: str) -> Steps:
        """(the record of a step that holds others or waits, whether it begins now).

        Raises StepFailedError when it is recorded as failed.
        """
        step = yield from self.found(path)
        if step is None:
            step = self.begin(path, None)
            self.note(step)
            return step, True
        if step.status == StepStatus.FAILED:
            raise StepFailedError({**(step.error or {}), "step": (step.error or {}).get("step", key)})
        if not step.ended:
            self.strands.begin(step)
        return step, False

    def container(self, step: StepRecord, node: Node, frame: Frame) -> _Container:
        """A block at whose end a step that holds others has ended as well."""
        return _Container(self, step, node, frame)

    def succeed(self, step: StepRecord, output: bytes, file: str | None = None) -> None:
        """Record an output; later steps see what is recorded, so that a resumed walk sees the same."""
        if file is None:
            output = self.redacted(output)
            if len(output) > self.most_bytes:
                output, file = artifacts.put(output)
        step.succeed(output, file)
        self.weigh(output)
        self.note(step)
        self.strands.settle(step)

    def fail(self, step: StepRecord, error: dict[str, Any]) -> None:
        """Record why an attempt came to nothing."""
        step.fail(clean_error(error, self.run.redactor))
        self.note(step)

    def redacted(self, document: bytes) -> bytes:
        """A document as it may be stored and seen."""
        return self.run.redactor.document(document.decode()).encode()

    def weigh(self, document: bytes) -> None:
        """Take breath when the next checkpoint grows heavy."""
        self._bytes += len(document)
        if self._bytes > MAX_BYTES:
            self.strands.rest()

    def encoded(self, value: Any, key: str) -> bytes:
        """A value as a document. Raises StepFailedError when it is none, or too large."""
        try:
            return encode_output(value)
        except ConnectorError as error:
            self.refuse(key, error.code, error.message)

    def output(self, frame: Frame, key: str) -> Any:
        """What the step of that key gave. Raises StepFailedError when its file cannot be read."""
        try:
            return frame.output(key)
        except artifacts.DocumentError as error:
            self.refuse(key, error.code, error.message)

    def recorded(self, step: StepRecord, key: str) -> dict[str, Any]:
        document = self.read(step.output_file, key) if step.output_file else step.output
        found: dict[str, Any] = msgspec.json.decode(document or b"{}")
        return found

    def read(self, file: str, key: str) -> bytes:
        """A document that was put aside. Raises StepFailedError."""
        try:
            return artifacts.read(file)
        except artifacts.DocumentError as error:
            self.refuse(key, error.code, error.message)

    def note(self, step: StepRecord) -> None:
        """The next checkpoint writes the record."""
        self._changed[id(step)] = step

    def _give_up(self, strand: Strand) -> None:
        """A strand was withdrawn: what it had begun is cancelled, and so are its waits."""
        paths = {step.path for step in strand.begun}
        for step in strand.begun:
            if not step.ended:
                step.cancel()
                self.note(step)
        self.withdrawn.extend(paths)
        self.waits = [wait for wait in self.waits if wait.path not in paths]
        self.calls = [call for call in self.calls if call.path not in paths]

    def rendered(self, template: Template, frame: Frame, key: str, step: StepRecord) -> Steps:
        """Gives the value. Raises StepFailedError when it cannot be rendered."""
        try:
            return (yield from self.render(template, frame, step))
        except TemplateError as error:
            self.refuse(key, "template_error", str(error))
        except ConnectorError as error:
            self.refuse(key, error.code, error.message)

    def render(self, template: Template, frame: Frame, step: StepRecord) -> Steps:
        """Gives the value, by a render worker if that may take its time. Raises TemplateError and ConnectorError."""
        try:
            return template.render_at_once(frame.scope)
        except NotAtOnceError:
            return msgspec.json.decode((yield from self.beside(RenderNode(template), frame.scope, step)))

    def holds(self, rule: Rule, frame: Frame, key: str, step: StepRecord) -> Steps:
        """Whether the rule holds here. Raises StepFailedError when deciding it costs too much."""
        try:
            if not self.strands.is_spent and (held := rule.holds_at_once(frame.scope)) is not None:
                return held
            return msgspec.json.decode((yield from self.beside(DecideNode(rule), frame.still(), step)))
        except ConnectorError as error:
            self.refuse(key, error.code, error.message)

    def beside(self, node: RenderNode | DecideNode | PureNode, given: Scope, step: StepRecord) -> Steps:
        """Gives the document that a thread beside the walk comes to. Raises ConnectorError."""
        is_withheld = self._changed.pop(id(step), None) is not None
        outcome = yield Rendering(step, node, given, is_withheld=is_withheld)
        if is_withheld:
            self.note(step)
        self.strands.check()
        if outcome.error is not None:
            raise outcome.error
        return outcome.output

    def refuse(self, key: str, code: str, message: str) -> NoReturn:
        """Raises StepFailedError with an error that trying again would not mend."""
        raise StepFailedError(clean_error({**error_document(code, message), "step": key}, self.run.redactor))

    def context(self, step: StepRecord, logs: list[LogRecord]) -> dict[str, Any]:
        """What a pure action gets: ids and a log, nothing that reaches outside."""

        def write(message: str, level: str = "info") -> None:
            logs.append(LogRecord(step.path, step.attempt, level, message))

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
                walk.fail(step, error.error)
            return
        if error is None or isinstance(error, RunStoppedError):
            if not step.ended:
                walk.succeed(step, step.output or b"null")
            self._frame.keep(self._node.key, step)

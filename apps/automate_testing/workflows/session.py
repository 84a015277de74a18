"""A run in a test: the engine, the journal and the queue of a worker in other surroundings.

Effects are performed in the calling thread, so that they see the test's transaction, and the clock that the database
keeps is moved to the next due time instead of waiting for it.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import uuid
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import psycopg
from django.db import DatabaseError, transaction
from django.db.models import Min, QuerySet

from automate_connectors.adapters.base import ConnectorError, Effect
from automate_core import database
from automate_core.definition import form_validation
from automate_core.definition.step_paths import key_of
from automate_core.engine.child_nodes import with_children, with_nodes
from automate_core.engine.effects.performer import Call, perform
from automate_core.engine.execution import ExecutionEngine
from automate_core.engine.journal import Journal
from automate_core.engine.outcomes import NOT_BEGUN, EffectOutcome
from automate_core.engine.program import ActionNode, ApprovalNode, Node, Program, WaitNode, WorkflowNode
from automate_core.events.matching import RuleEngine
from automate_core.models import Event, ExecutionRun, Wait, Workflow
from automate_core.outbox.store import OutboxStore
from automate_core.runs import concurrency, control
from automate_core.runs.waits import sub_run_outcomes
from automate_core.runs.waits.approvals import decide_approval
from automate_core.runs.waits.callbacks import receive_callback
from automate_core.states import FINAL_RUN_STATES, WaitStatus
from automate_core.triggers import host_events
from automate_governance.people.names import sign_in_name
from automate_governance.permissions import Person
from automate_operations.runs.form_pages import answer_page
from automate_plugins.typed_values import write_moment
from automate_testing.workflows.database_session import (
    kept_connections,
    read_clock_shift,
    read_timeouts,
    restore_timeouts,
    set_clock_shift,
)
from automate_testing.workflows.mocks import MockSet, reference, refusing

MOST_TURNS = 1_000
BATCH = 10
TIMEOUT = "timeout"  #: the outcome of an approval whose deadline passes
_TIMED = (Wait.Kind.RETRY, Wait.Kind.TIMER)


class UnmockedActionError(AssertionError):
    """The run called an action that reaches outside and has no mock."""


class MoveTimeError(ValueError):
    """Time can only be moved forward."""


@dataclass(frozen=True, kw_only=True)
class Approval:
    """An answer to an approval. Without `by`, no one is asked: the step takes the outcome.

    With `by`, the step asks its approvers, and that person decides, by the rule of the screens. The outcome `timeout`
    lets the deadline pass.
    """

    outcome: str
    form: Mapping[str, Any] = field(default_factory=dict)
    by: Person | None = None


class WorkflowSession:
    """One run in a test, and all that it starts, worked on by the test's thread."""

    def __init__(
        self,
        workflow: Workflow,
        *,
        mocks: MockSet,
        answers: Mapping[str, Approval],
        callbacks: Mapping[str, Any],
        real: Collection[str],
        skip_waits: bool,
    ) -> None:
        self.workflow = workflow
        self.mocks = mocks
        self.run_id = uuid.UUID(int=0)
        self._answers, self._callbacks, self._real = answers, callbacks, set(real)
        self._skip_waits = skip_waits
        self._trace_id = ""
        self._shift = read_clock_shift()
        self._used: set[str] = set()
        self._steps: dict[str, str] = {}
        self._unmocked: list[tuple[str, str]] = []
        self._faults: list[Exception] = []
        self._calls: list[Call] = []
        worker = f"test-{uuid.uuid4().hex[:8]}"
        self._outbox = OutboxStore(worker=worker)
        self._engine = ExecutionEngine(
            Journal(None, worker=worker), RuleEngine(), self._calls.append, adapt=self._adapt
        )

    def begin(self, event: Event) -> None:
        """Create the run of an event, and work on it."""
        version = self.workflow.published
        made = ExecutionRun(
            workflow=self.workflow,
            version=version,
            event=event,
            origin=host_events.trigger_kind(event.source),
            trace_id=event.trace_id,
        )
        with transaction.atomic():
            self.run_id, self._trace_id = control.create_run(made).pk, event.trace_id
        self.work()

    def work(self) -> None:
        """Go on until the run has ended or waits for the test. Raises as `run_workflow`."""
        with self._moved_clock():
            for _ in range(MOST_TURNS):
                self._drain()
                self._raise_faults()
                if not (self._answer_waits() or self._start_waiting() or self._resolve_sub_runs() or self._wake_due()):
                    return
        raise AssertionError(f"The run did not come to rest in {MOST_TURNS} turns.")

    def decide(self, step: str, outcome: str, *, by: Person, form: Mapping[str, Any]) -> None:
        """Decide an open approval of the run, or of one that it started."""
        with self._moved_clock():
            decide_approval(self._open_wait([Wait.Kind.APPROVAL], step), by=by, outcome=outcome, form=dict(form))

    def answer_callback(self, step: str, payload: Any) -> None:
        """Answer an open wait for a callback, or a page of a form."""
        with self._moved_clock():
            self._take_callback(self._open_wait([Wait.Kind.CALLBACK, Wait.Kind.FORM], step), payload)

    def pass_time(self, by: dt.timedelta) -> None:
        """Move the clock. Raises MoveTimeError."""
        if by < dt.timedelta():
            raise MoveTimeError("Time can only be moved forward.")
        self._shift += by

    def check_names(self) -> None:
        """Raise AssertionError for a mock or an answer that fits no step of the workflows that ran."""
        given = {
            "mocks": self.mocks.names - self.mocks.used,
            "approvals": set(self._answers) - self._used,
            "callbacks": set(self._callbacks) - self._used,
            "real": self._real - self._used,
        }
        for argument, unused in given.items():
            for name in sorted(unused):
                raise AssertionError(self._fits_no_step(argument, name))

    def _fits_no_step(self, argument: str, name: str) -> str:
        steps = ", ".join(f"{key} ({what})" if what else key for key, what in self._steps.items())
        return f"{argument}: {name!r} fits no step. Steps: {steps}."

    # --- the engine ---------------------------------------------------------------------------------------------------

    def _drain(self) -> None:
        """Run all jobs that are ready, each effect in this thread."""
        settings = read_timeouts()
        while jobs := self._outbox.claim_batch(BATCH):
            self._engine.run_once(jobs)
            while self._calls or self._engine.has_more:
                if self._calls:
                    call = self._calls.pop(0)
                    with kept_connections():
                        outcome = perform(call) if call.is_wanted else _not_begun()
                    restore_timeouts(settings)
                    self._engine.deliver_results([(call, outcome)])
                self._engine.run_once([])

    def _raise_faults(self) -> None:
        for fault in [*self.mocks.failures, *self._faults]:
            raise fault
        if self._unmocked:
            key, action = self._unmocked[0]
            known = {*self._steps, *self._steps.values()}  # a misspelt mock is the likely reason
            said = [self._fits_no_step("mocks", name) for name in sorted(self.mocks.names - known)]
            said.append(
                f"The step {key!r} calls {action}, which reaches outside. Add a mock for {key!r} or {action!r},"
                f" or let it run by real=[{key!r}]."
            )
            raise UnmockedActionError(" ".join(said))

    def _adapt(self, program: Program) -> Program:
        try:
            return with_nodes(program, self._changed)
        except Exception as fault:
            self._faults.append(fault)
            raise

    def _changed(self, node: Node) -> Node:
        self._steps[node.key] = reference(node) if isinstance(node, ActionNode) else ""
        match node:
            case ActionNode():
                node = self._changed_action(node)
            case WorkflowNode():
                return self.mocks.mocked_call(node) or node
            case ApprovalNode() if node.key in self._answers:
                self._used.add(node.key)
                node = self._decided(node, self._answers[node.key])
            case WaitNode() if node.is_answered and node.key in self._callbacks:
                self._used.add(node.key)
        return with_children(node, self._changed)

    def _changed_action(self, node: ActionNode) -> ActionNode:
        if (mocked := self.mocks.mocked(node)) is not None:
            return mocked
        names = {node.key, reference(node)} & self._real
        self._used |= names
        reaches_outside = node.action is not None and node.action.effect is Effect.EFFECTFUL
        return refusing(node, self._unmocked) if reaches_outside and not names else node

    def _decided(self, node: ApprovalNode, answer: Approval) -> ApprovalNode:
        """The approval with its outcome; one for a person asks as ever. Raises AssertionError, AnswersError."""
        if answer.by is not None:
            return node
        if answer.outcome == TIMEOUT:
            return replace(node, decision={"outcome": TIMEOUT}, note="The deadline passed in this test.")
        if answer.outcome not in node.outcomes:
            known = ", ".join(node.outcomes)
            raise AssertionError(f"The approval {node.key!r} has no outcome {answer.outcome!r}. Available: {known}.")
        is_approved = answer.outcome == next(iter(node.outcomes))
        form = form_validation.check_answers(node.form, answer.form, complete=is_approved)
        by = sign_in_name(self.workflow.published.run_as) if self.workflow.published else ""
        decision = {"outcome": answer.outcome, "form": form, "by": by, "at": write_moment(database.now())}
        return replace(node, decision=decision, note="Decided by the test.")

    # --- waits --------------------------------------------------------------------------------------------------------

    def _open_waits(self) -> QuerySet[Wait]:
        """The open waits of the run and of those that it started."""
        waits = Wait.objects.filter(run__trace_id=self._trace_id, status=WaitStatus.OPEN)
        return waits.exclude(run__status__in=FINAL_RUN_STATES).order_by("id")

    def _open_wait(self, kinds: list[Wait.Kind], step: str) -> Wait:
        """The open wait of a step, of one of these kinds. Raises AssertionError."""
        there = list(self._open_waits())
        found = [wait for wait in there if wait.kind in kinds and step in {wait.path, key_of(wait.path)}]
        if len(found) != 1:
            waits = ", ".join(f"{wait.kind} {wait.path}" for wait in there) or "nothing"
            raise AssertionError(f"The run waits for {len(found)} {kinds[0]}s at {step!r}. It waits for: {waits}.")
        return found[0]

    def _answer_waits(self) -> bool:
        """Answer one open wait that the test has an answer for: whether there was one."""
        for wait in self._open_waits().filter(kind__in=[Wait.Kind.APPROVAL, Wait.Kind.CALLBACK, Wait.Kind.FORM]):
            key = key_of(wait.path)
            if wait.kind != Wait.Kind.APPROVAL and key in self._callbacks:
                self._take_callback(wait, self._callbacks[key])
                return True
            answer = self._answers.get(key) if wait.kind == Wait.Kind.APPROVAL else None
            if answer is not None and answer.by is not None:
                if answer.outcome == TIMEOUT and wait.due_at is not None:
                    self._move_to(wait.due_at)
                    self._outbox.wake_due()
                else:
                    decide_approval(wait, by=answer.by, outcome=answer.outcome, form=dict(answer.form))
                return True
        return False

    def _take_callback(self, wait: Wait, payload: Any) -> None:
        if wait.kind == Wait.Kind.FORM:
            answer_page(wait.pk, payload)
            return
        answer = receive_callback(wait.run_id, wait.path, msgspec.json.decode(host_events.as_json(payload)))
        if answer.status >= 400:
            raise AssertionError(f"The callback at {wait.path!r} was rejected: {answer.body['error']}")

    def _start_waiting(self) -> bool:
        """Start runs that wait for a free slot: whether there were any."""
        there = Wait.objects.filter(status=WaitStatus.OPEN, kind=Wait.Kind.SLOT)
        before = there.count()
        if before:
            concurrency.admit_all()
        return there.count() < before

    def _resolve_sub_runs(self) -> bool:
        """Wake runs whose sub-runs have ended: whether there were any."""
        there = Wait.objects.filter(status=WaitStatus.OPEN, kind=Wait.Kind.CHILD)
        before = there.count()
        if before:
            sub_run_outcomes.resolve_waits()
        return there.count() < before

    def _wake_due(self) -> bool:
        """Move the clock to the first timer or retry, and wake what is due: whether there was anything."""
        if self._outbox.wake_due()[0]:
            return True
        due = self._open_waits().filter(kind__in=_TIMED).aggregate(at=Min("due_at"))["at"]
        if due is None or not self._skip_waits:
            return False
        self._move_to(due)
        return bool(self._outbox.wake_due()[0])

    # --- time ---------------------------------------------------------------------------------------------------------

    def _move_to(self, moment: dt.datetime) -> None:
        self._shift += max(moment - database.now(), dt.timedelta()) + dt.timedelta(milliseconds=1)
        set_clock_shift(self._shift)

    @contextlib.contextmanager
    def _moved_clock(self) -> Iterator[None]:
        """Let `automate_now()` give the session's time on the test's connection, in this block."""
        before = read_clock_shift()
        set_clock_shift(self._shift)
        try:
            yield
        finally:
            with contextlib.suppress(DatabaseError, psycopg.Error):  # an aborted transaction forgets it by itself
                set_clock_shift(before)


def _not_begun() -> EffectOutcome:
    return EffectOutcome(error=ConnectorError("Cancelled before it started.", code=NOT_BEGUN))

"""The result of a run in a test: its steps by key, their attempts, and failures that say what happened."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from automate_core import artifacts
from automate_core.definition.step_paths import key_of
from automate_core.models import RunLog, StepRun, Wait
from automate_core.runs.description import RunDescription, RunError, describe_run
from automate_core.states import RunStatus, StepStatus, WaitStatus

if TYPE_CHECKING:
    from automate_governance.permissions import Person
    from automate_testing.workflows.mocks import MockCall
    from automate_testing.workflows.session import WorkflowSession


class StepNotReachedError(AssertionError):
    """The run has no such step, or several: the message lists the steps that it reached."""


@dataclass(frozen=True, kw_only=True)
class AttemptResult:
    """One attempt of a step."""

    number: int
    status: StepStatus
    input: Any
    output: Any
    error: RunError | None


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """A step of the run. Its status, input, output and error are those of its last attempt.

    A large output is read from its file.
    """

    path: str
    attempts: tuple[AttemptResult, ...]

    @property
    def key(self) -> str:
        """The step's key."""
        return key_of(self.path)

    @property
    def status(self) -> StepStatus:
        """The state of the last attempt."""
        return self.attempts[-1].status

    @property
    def input(self) -> Any:
        """The rendered inputs."""
        return self.attempts[-1].input

    @property
    def output(self) -> Any:
        """The output; None while there is none."""
        return self.attempts[-1].output

    @property
    def error(self) -> RunError | None:
        """The error of the last attempt."""
        return self.attempts[-1].error


class Steps:
    """The steps that a run reached, by key, or by path inside a loop: `steps["each[0]/note"]`."""

    def __init__(self, steps: list[StepResult]) -> None:
        self._steps = {step.path: step for step in steps}

    def __getitem__(self, name: str) -> StepResult:
        """The step. Raises StepNotReachedError."""
        if name in self._steps:
            return self._steps[name]
        found = self.all(name)
        if len(found) == 1:
            return found[0]
        if found:
            paths = ", ".join(step.path for step in found)
            raise StepNotReachedError(
                f"The run reached the step {name!r} several times: {paths}. Use one of the paths."
            )
        reached = ", ".join(self._steps) or "none"
        raise StepNotReachedError(f"The run did not reach the step {name!r}. Steps that it reached: {reached}.")

    def all(self, key: str) -> list[StepResult]:
        """All steps with that key, in order: one for each item of a loop."""
        return [step for step in self._steps.values() if step.key == key]

    def __contains__(self, name: object) -> bool:
        return name in self._steps or any(step.key == name for step in self._steps.values())

    def __iter__(self) -> Iterator[str]:
        """The paths, in the order of their beginning."""
        return iter(self._steps)

    def __len__(self) -> int:
        return len(self._steps)


class WorkflowResult:
    """A run in a test, as it is when it ended or waits for something that the test has to answer."""

    def __init__(self, session: WorkflowSession) -> None:
        self._session = session
        self._read()

    def _read(self) -> None:
        self.run: RunDescription = describe_run(self._session.run_id)
        self.steps = Steps(_read_steps(self._session.run_id))

    @property
    def status(self) -> RunStatus:
        """The status of the run."""
        return self.run.status

    @property
    def error(self) -> RunError | None:
        """The error of the run."""
        return self.run.error

    @property
    def outputs(self) -> dict[str, Any]:
        """The outputs of the steps by key, as `automate_core.api.run` gives them."""
        return dict(self.run.outputs)

    @property
    def calls(self) -> list[MockCall]:
        """All calls of mocks, in order."""
        return list(self._session.mocks.calls)

    def calls_of(self, name: str) -> list[MockCall]:
        """The calls of the mock of a step key or a `connector.action`."""
        return [call for call in self.calls if name in {call.step, call.path, call.action}]

    @property
    def logs(self) -> list[str]:
        """The lines of the run's log."""
        lines = RunLog.objects.filter(run=self._session.run_id).order_by("id")
        return list(lines.values_list("message", flat=True))

    @property
    def waiting_for(self) -> list[str]:
        """What the run waits for, as `kind path`: `approval ask`."""
        waits = Wait.objects.filter(run=self._session.run_id, status=WaitStatus.OPEN).order_by("id")
        return [f"{kind} {path}".strip() for kind, path in waits.values_list("kind", "path")]

    # --- going on -----------------------------------------------------------------------------------------------------

    def decide(self, step: str, outcome: str, *, by: Person, form: dict[str, Any] | None = None) -> WorkflowResult:
        """Decide an open approval and let the run go on. Raises what `automate_core.api.decide` raises."""
        self._session.decide(step, outcome, by=by, form=form or {})
        return self._refreshed()

    def answer_callback(self, step: str, payload: Any) -> WorkflowResult:
        """Answer an open wait for a callback, by key or path, and let the run go on. Raises AssertionError."""
        self._session.answer_callback(step, payload)
        return self._refreshed()

    def move_time(self, by: dt.timedelta) -> WorkflowResult:
        """Let time pass for the run: timers, retries and deadlines come due. Only forward."""
        self._session.pass_time(by)
        return self._refreshed()

    def _refreshed(self) -> WorkflowResult:
        self._session.work()
        self._read()
        return self

    # --- asserts ------------------------------------------------------------------------------------------------------

    def assert_succeeded(self) -> WorkflowResult:
        """Raises AssertionError with a report of the run unless it succeeded."""
        return self._assert_status(RunStatus.SUCCEEDED)

    def assert_failed(self, *, step: str = "", code: str = "") -> WorkflowResult:
        """Raises AssertionError unless the run failed, at that step and with that code if they are given."""
        self._assert_status(RunStatus.FAILED)
        error = self.error or RunError(code="", message="")
        if (step and error.step != step) or (code and error.code != code):
            expected = " ".join(filter(None, [f"at {step!r}" if step else "", f"with {code!r}" if code else ""]))
            raise AssertionError(f"The run should have failed {expected}.\n{self.report()}")
        return self

    def assert_waiting(self) -> WorkflowResult:
        """Raises AssertionError unless the run waits for an answer."""
        return self._assert_status(RunStatus.WAITING)

    def _assert_status(self, wanted: RunStatus) -> WorkflowResult:
        if self.status != wanted:
            raise AssertionError(f"The run should have {_HAVE[wanted]}, but it is {self.status}.\n{self.report()}")
        return self

    def report(self) -> str:
        """The run in lines: its error, what it waits for, and every attempt."""
        lines = [f"{self.run.workflow}: {self.status}"]
        if self.error:
            at = f" at {self.error.step}" if self.error.step else ""
            lines.append(f"  error{at}: {self.error.code}: {self.error.message}")
        lines += [f"  waits for: {each}" for each in self.waiting_for]
        for path in self.steps:
            for attempt in self.steps[path].attempts:
                why = f" {attempt.error.code}: {attempt.error.message}" if attempt.error else ""
                lines.append(f"  {path} #{attempt.number} {attempt.status}{why}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<WorkflowResult {self.report()}>"


_HAVE = {RunStatus.SUCCEEDED: "succeeded", RunStatus.FAILED: "failed", RunStatus.WAITING: "waited for an answer"}


def _read_steps(run_id: Any) -> list[StepResult]:
    attempts: dict[str, list[AttemptResult]] = {}
    for row in StepRun.objects.filter(run=run_id).order_by("started_at", "id"):
        attempts.setdefault(row.path, []).append(
            AttemptResult(
                number=row.attempt,
                status=StepStatus(row.status),
                input=artifacts.read_value(row.input_file) if row.input_file else row.input,
                output=artifacts.read_value(row.output_file) if row.output_file else row.output,
                error=_error(row.error, key_of(row.path)),
            )
        )
    in_order = {path: sorted(found, key=lambda attempt: attempt.number) for path, found in attempts.items()}
    return [StepResult(path=path, attempts=tuple(found)) for path, found in in_order.items()]


def _error(document: Any, key: str) -> RunError | None:
    if not document:
        return None
    step = str(document.get("step") or key)
    return RunError(code=str(document.get("code", "")), message=str(document.get("message", "")), step=step)

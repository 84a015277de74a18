"""`run_workflow`: a workflow through the real engine, in the test's thread and on its database connection."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from automate_governance.permissions import Person
from automate_testing.workflows.events import store_event
from automate_testing.workflows.mocks import MockSet
from automate_testing.workflows.results import WorkflowResult
from automate_testing.workflows.session import Approval, WorkflowSession
from automate_testing.workflows.sources import Source, load_workflow


def run_workflow(
    workflow: Source,
    inputs: Any = None,
    *,
    run_as: Person | None = None,
    trigger: str = "",
    event_type: str | None = None,
    headers: Mapping[str, str] | None = None,
    mocks: Mapping[str, Any] | None = None,
    approvals: Mapping[str, Approval | str] | None = None,
    callbacks: Mapping[str, Any] | None = None,
    real: Collection[str] = (),
    skip_waits: bool = True,
) -> WorkflowResult:
    """Run a workflow by the engine, in the test's transaction, until it ends or waits for the test.

    `workflow` is the slug of a published workflow, the path of a YAML file, a YAML text, a document or a definition.
    All but the slug are published for `run_as` first; connections and endpoints that they name may be missing, and so
    may the approvers of approvals that `approvals` decides without `by`. Call it outside of `atomic()` blocks of your
    own.

    `inputs` is the event's payload: for a manual trigger the answers to its fields, else any JSON value. `trigger` is
    the key of the trigger, by default the first; its filter has to accept the event. `event_type` and `headers` are
    those of the event.

    `mocks` stand in for actions, by step key or `connector.action`: a value is the output, an exception is raised, a
    function gets the rendered inputs and returns the output, `in_order` answers call by call. A mock of a step that
    calls another workflow is that step's output. Actions that write through the ORM or only compute run for real; an
    action that reaches outside has to be mocked, or named in `real`, by step key or `connector.action`.

    `approvals` are answers by step key: an outcome, or an `Approval`. `callbacks` are payloads by step key. Where the
    run waits for anything else, the result has the status `waiting`, and its methods go on. Timers and retries are due
    at once: the database's clock is moved to them, unless `skip_waits` is off.

    Raises UnmockedActionError, AssertionError for a name in `mocks`, `approvals`, `callbacks` or `real` that fits no
    step and for a filter that rejects the event, AnswersError for wrong inputs or answers, assertion errors of mocks,
    LookupError for an unknown workflow or trigger, and DefinitionError for a workflow with faults.
    """
    found = load_workflow(workflow, run_as)
    answers = {
        key: Approval(outcome=each) if isinstance(each, str) else each for key, each in (approvals or {}).items()
    }
    session = WorkflowSession(
        found, mocks=MockSet(mocks or {}), answers=answers, callbacks=callbacks or {}, real=real, skip_waits=skip_waits
    )
    session.begin(store_event(found, inputs, trigger, event_type, headers or {}))
    session.check_names()
    return WorkflowResult(session)

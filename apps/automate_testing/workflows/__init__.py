"""Tests of workflows in a project's own suite: `run_workflow` runs one to its end, without a worker process."""

from automate_testing.workflows.mocks import MockCall, in_order
from automate_testing.workflows.results import StepNotReachedError, StepResult, WorkflowResult
from automate_testing.workflows.running import run_workflow
from automate_testing.workflows.session import Approval, MoveTimeError, UnmockedActionError

__all__ = [
    "Approval",
    "MockCall",
    "MoveTimeError",
    "StepNotReachedError",
    "StepResult",
    "UnmockedActionError",
    "WorkflowResult",
    "in_order",
    "run_workflow",
]

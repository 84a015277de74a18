"""Mocks of actions: what stands in for the call of a connector, and what it was called with.

A mocked action is still the engine's: inputs are rendered and checked, attempts, retries and error steps happen.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from automate_connectors.adapters.base import Action, ConnectorAdapter, ConnectorError, Effect
from automate_core.engine.program import ActionNode, WorkflowNode
from automate_core.engine.retry import RetryPolicy
from automate_core.expressions.templating import compile_value

NOT_MOCKED = "not_mocked"  #: the code of the error of an action that reaches outside and has no mock


@dataclass(frozen=True, kw_only=True)
class MockCall:
    """A call of a mock: the step's key and path, the action, its rendered inputs, and the number of the attempt."""

    step: str
    path: str
    action: str
    inputs: dict[str, Any]
    attempt: int
    idempotency_key: str


class AnswersInOrder:
    """Answers of a mock, one a call, the last one repeatedly."""

    def __init__(self, answers: Sequence[Any]) -> None:
        self._answers = list(answers)

    def next_answer(self) -> Any:
        """The answer of the next call."""
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


def in_order(first: Any, *further: Any) -> AnswersInOrder:
    """A mock that answers call by call, with the last answer repeatedly: `in_order(ConnectorError("Away"), {"id": 7})`.

    An answer may be all that a mock may be.
    """
    return AnswersInOrder([first, *further])


class MockSet:
    """The mocks of a test, by step key or `connector.action`, and their calls in order."""

    def __init__(self, mocks: Mapping[str, Any]) -> None:
        self._mocks = dict(mocks)
        self.calls: list[MockCall] = []
        self.used: set[str] = set()
        self.failures: list[AssertionError] = []  #: of assertions in mocks, which a connector could not raise

    @property
    def names(self) -> set[str]:
        """The names of the mocks."""
        return set(self._mocks)

    def mocked(self, node: ActionNode) -> ActionNode | None:
        """The node with its mock in place of its connector; None when there is none. A step key goes first."""
        action = reference(node)
        name = next((each for each in (node.key, action) if each in self._mocks), None)
        if name is None:
            return None
        self.used.add(name)
        return self._with_mock(node, node.key, action, self._mocks[name])

    def mocked_call(self, node: WorkflowNode) -> ActionNode | None:
        """A step that returns the mock in place of running another workflow; None when there is none."""
        if node.key not in self._mocks:
            return None
        self.used.add(node.key)
        bare = ActionNode(
            key=node.key,
            adapter=None,
            action=None,
            missing="",
            inputs=compile_value({"workflow": node.workflow, "payload": node.payload.source}),
            connection="",
            save_as="",
            retry=RetryPolicy(),
            timeout=node.timeout,
            default=None,
            on_error=None,
            at_most_once=False,
        )
        return self._with_mock(bare, node.key, "workflow", self._mocks[node.key])

    def _with_mock(self, node: ActionNode, key: str, action: str, answer: Any) -> ActionNode:
        mock = _MockConnector(self, key, action, answer)
        return replace(node, adapter=mock, action=_mocked_action(node), connection="")


class _MockConnector(ConnectorAdapter):
    """Answers a call with a value, by raising an exception, or with what a function of the inputs gives."""

    name = "Mock"

    def __init__(self, mocks: MockSet, step: str, action: str, answer: Any) -> None:
        self.code = action.partition(".")[0] or "mock"
        self._mocks, self._step, self._action, self._answer = mocks, step, action, answer

    def execute(self, action: str, params: dict[str, Any], context: Any) -> Any:
        """The answer. Raises what the mock raises."""
        self._mocks.calls.append(
            MockCall(
                step=self._step,
                path=context["step"]["path"],
                action=self._action,
                inputs=params,
                attempt=context["step"]["attempt"],
                idempotency_key=context["idempotency_key"],
            )
        )
        try:
            return _give(self._answer, params)
        except AssertionError as failure:
            self._mocks.failures.append(failure)
            raise


class RefusingConnector(ConnectorAdapter):
    """Stands in for an action that reaches outside and has no mock."""

    name = "Not mocked"

    def __init__(self, key: str, action: str, refused: list[tuple[str, str]]) -> None:
        self.code = action.partition(".")[0] or "mock"
        self._key, self._action, self._refused = key, action, refused

    def execute(self, action: str, params: dict[str, Any], context: Any) -> Any:
        """Raises ConnectorError."""
        self._refused.append((self._key, self._action))
        raise ConnectorError(f"{self._action} has no mock in this test", code=NOT_MOCKED)


def refusing(node: ActionNode, refused: list[tuple[str, str]]) -> ActionNode:
    """The node with its connector replaced by one that refuses, and notes (key, action) in `refused`."""
    return replace(node, adapter=RefusingConnector(node.key, reference(node), refused), connection="")


def reference(node: ActionNode) -> str:
    """`connector.action`; empty for a plug-in that is not installed."""
    return f"{node.adapter.code}.{node.action.name}" if node.adapter and node.action else ""


def _mocked_action(node: ActionNode) -> Action:
    """The action with the checks of its inputs. One that would write in a transaction of its own no longer does."""
    if node.action is None:
        return Action(name=node.key)
    is_transactional = node.action.effect is Effect.TRANSACTIONAL
    return replace(node.action, effect=Effect.EFFECTFUL) if is_transactional else node.action


def _give(answer: Any, inputs: dict[str, Any]) -> Any:
    if isinstance(answer, AnswersInOrder):
        return _give(answer.next_answer(), inputs)
    if isinstance(answer, BaseException) or (inspect.isclass(answer) and issubclass(answer, BaseException)):
        raise answer
    if callable(answer):
        return answer(inputs)
    return answer

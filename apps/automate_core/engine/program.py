"""A definition made ready to run: templates and rules compiled, connectors looked up."""

from __future__ import annotations

from dataclasses import dataclass

from automate_connectors.adapters.base import Action, ConnectorAdapter, Effect
from automate_connectors.registry import find_action
from automate_core.conf import setting
from automate_core.definition import ActionStep, BranchStep, Definition, Retry, Step, StopStep
from automate_core.engine.retry import RetryPolicy
from automate_core.rules import Rule, read
from automate_core.templating import Template, compile_value


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionNode:
    """Call a connector. `adapter` and `action` are None when the plug-in is gone: `missing` says which."""

    key: str
    adapter: ConnectorAdapter | None
    action: Action | None
    missing: str
    inputs: Template
    connection: str
    retry: RetryPolicy
    timeout: float

    @property
    def pure(self) -> bool:
        """Whether it runs in line and is journalled with the next checkpoint."""
        return self.action is not None and self.action.effect is Effect.PURE


@dataclass(frozen=True, slots=True)
class Route:
    """One arm of a branch."""

    key: str
    when: Rule
    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class BranchNode:
    """Take the first route whose rule holds, else `otherwise`."""

    key: str
    routes: tuple[Route, ...]
    otherwise: tuple[Node, ...]

    def nodes_of(self, route: str) -> tuple[Node, ...]:
        """The steps of the route with that key; of otherwise for any other key."""
        return next((candidate.nodes for candidate in self.routes if candidate.key == route), self.otherwise)


@dataclass(frozen=True, slots=True)
class StopNode:
    """End the run."""

    key: str
    succeeded: bool
    message: Template


type Node = ActionNode | BranchNode | StopNode


@dataclass(frozen=True, slots=True)
class Program:
    """A published version, ready to run."""

    workflow: str
    nodes: tuple[Node, ...]


def prepare(definition: Definition) -> Program:
    """The program of a definition. Raises TemplateError and RuleError where it can no longer be compiled."""
    return Program(definition.slug, _nodes(definition.steps))


def _nodes(steps: list[Step]) -> tuple[Node, ...]:
    return tuple(_node(step) for step in steps)


def _node(step: Step) -> Node:
    match step:
        case ActionStep():
            return _action(step)
        case BranchStep():
            routes = tuple(Route(arm.key, read(arm.when), _nodes(arm.steps)) for arm in step.arms)
            return BranchNode(step.key, routes, _nodes(step.otherwise))
        case StopStep():
            return StopNode(step.key, step.outcome == "succeeded", compile_value(step.message))


def _action(step: ActionStep) -> ActionNode:
    adapter: ConnectorAdapter | None = None
    action: Action | None = None
    missing = ""
    try:
        adapter, action = find_action(step.action)
    except LookupError as error:
        missing = str(error)
    policy = step.retry or Retry()
    return ActionNode(
        key=step.key,
        adapter=adapter,
        action=action,
        missing=missing,
        inputs=compile_value(step.inputs),
        connection=step.connection,
        retry=RetryPolicy(policy.attempts, policy.base, policy.factor, policy.cap),
        timeout=step.timeout or setting("AUTOMATE_STEP_TIMEOUT_SECONDS"),
    )

"""The kinds of steps: each is a generator that yields requests and leaves its records with the walk (../README.md)."""

from __future__ import annotations

from typing import assert_never

from automate_core.engine.program import (
    ActionNode,
    ApprovalNode,
    BranchNode,
    ForEachNode,
    Node,
    ParallelNode,
    RepeatNode,
    ReplyNode,
    StopNode,
    TryNode,
    WaitNode,
    WorkflowNode,
)
from automate_core.engine.scheduler import StepGenerator
from automate_core.engine.scope import Scope
from automate_core.engine.step_context import StepContext
from automate_core.engine.steps import actions, loops, replies, routes, waits


def start_step(walk: StepContext, node: Node, path: str, scope: Scope) -> StepGenerator:
    """The generator of a node. Resuming it raises StepFailedError and RunStoppedError."""
    match node:
        case ActionNode():
            return actions.action(walk, node, path, scope)
        case BranchNode():
            return routes.branch(walk, node, path, scope)
        case ParallelNode():
            return routes.parallel(walk, node, path, scope)
        case TryNode():
            return routes.catch_errors(walk, node, path, scope)
        case StopNode():
            return routes.stop(walk, node, path, scope)
        case ReplyNode():
            return replies.reply(walk, node, path, scope)
        case ForEachNode():
            return loops.for_each(walk, node, path, scope)
        case RepeatNode():
            return loops.repeat(walk, node, path, scope)
        case WaitNode():
            return waits.wait(walk, node, path, scope)
        case ApprovalNode():
            return waits.approval(walk, node, path, scope)
        case WorkflowNode():
            return waits.workflow(walk, node, path, scope)
        case _:
            assert_never(node)

"""What each kind of step does: a generator that yields what it needs, and leaves its records with the walk."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from automate_core.engine.program import (
    ActionNode,
    ApprovalNode,
    BranchNode,
    ForEachNode,
    Node,
    ParallelNode,
    RepeatNode,
    StopNode,
    TryNode,
    WaitNode,
    WorkflowNode,
)
from automate_core.engine.scheduler import Steps
from automate_core.engine.scope import Frame
from automate_core.engine.steps import actions, loops, routes, waits

if TYPE_CHECKING:
    from automate_core.engine.run_walker import Walk


def step(walk: Walk, node: Node, path: str, frame: Frame) -> Steps:
    """The steps of that node. Raises StepFailedError and RunStoppedError while they are gone through."""
    match node:
        case ActionNode():
            return actions.action(walk, node, path, frame)
        case BranchNode():
            return routes.branch(walk, node, path, frame)
        case ParallelNode():
            return routes.parallel(walk, node, path, frame)
        case TryNode():
            return routes.catch_errors(walk, node, path, frame)
        case StopNode():
            return routes.stop(walk, node, path, frame)
        case ForEachNode():
            return loops.for_each(walk, node, path, frame)
        case RepeatNode():
            return loops.repeat(walk, node, path, frame)
        case WaitNode():
            return waits.wait(walk, node, path, frame)
        case ApprovalNode():
            return waits.approval(walk, node, path, frame)
        case WorkflowNode():
            return waits.workflow(walk, node, path, frame)
        case _:
            assert_never(node)

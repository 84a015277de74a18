"""The nodes inside a node: replaced in one place, for all that change a compiled program."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from automate_core.engine.program import (
    ActionNode,
    ApprovalNode,
    BranchNode,
    ForEachNode,
    LoopBody,
    Node,
    Nodes,
    ParallelNode,
    Program,
    RepeatNode,
    TryNode,
    WaitNode,
)


def with_nodes(program: Program, change: Callable[[Node], Node]) -> Program:
    """The program with its outermost nodes changed; `change` goes on with `with_children`."""
    return replace(program, body=replace(program.body, nodes=tuple(map(change, program.body.nodes))))


def find_action_node(program: Program, key: str) -> ActionNode | None:
    """The action of that key; None when the program has none."""
    found: list[ActionNode] = []

    def visit(node: Node) -> Node:
        if isinstance(node, ActionNode) and node.key == key:
            found.append(node)
        return with_children(node, visit)

    with_nodes(program, visit)
    return found[0] if found else None


def with_children(node: Node, change: Callable[[Node], Node]) -> Node:
    """The same node with each of its child nodes changed."""

    def each(nodes: Nodes) -> Nodes:
        return tuple(change(inner) for inner in nodes)

    def some(nodes: Nodes | None) -> Nodes | None:
        return None if nodes is None else each(nodes)

    def body(loop: LoopBody) -> LoopBody:
        return replace(loop, nodes=each(loop.nodes))

    match node:
        case ActionNode():
            return replace(node, on_error=some(node.on_error))
        case BranchNode():
            routes = tuple(replace(route, nodes=each(route.nodes)) for route in node.routes)
            return replace(node, routes=routes, otherwise=each(node.otherwise))
        case ParallelNode():
            return replace(node, arms=tuple(each(arm) for arm in node.arms))
        case ForEachNode() | RepeatNode():
            return replace(node, body=body(node.body))
        case TryNode():
            return replace(node, nodes=each(node.nodes), on_error=each(node.on_error), always=each(node.always))
        case WaitNode():
            return replace(node, on_timeout=some(node.on_timeout))
        case ApprovalNode():
            outcomes = {key: (name, each(nodes)) for key, (name, nodes) in node.outcomes.items()}
            return replace(node, outcomes=outcomes, on_timeout=some(node.on_timeout))
    return node

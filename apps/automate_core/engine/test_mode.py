"""Test options: what a test run may do, applied to a program before the run begins.

A test runs in the same engine as any run. Only what its steps call differs, and that is decided here: the walker and
the step kinds need not know.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from automate_connectors.adapters.base import Action, ConnectorAdapter, Effect
from automate_core.engine.child_nodes import with_children, with_nodes
from automate_core.engine.program import ActionNode, ApprovalNode, Node, Program, WaitNode, WorkflowNode
from automate_core.engine.retry import RetryPolicy
from automate_core.engine.test_options import NOT_WAITED, TestOptions
from automate_core.expressions.templating import Template, compile_value
from automate_plugins import text


class StubConnector(ConnectorAdapter):
    """Gives an output in place of a step's own, and notes that in the run's log."""

    code = "stand_in"
    name = text("Mock")

    def __init__(self, output: Any, note: str) -> None:
        self._output = output
        self._note = note

    def execute(self, action: str, params: dict[str, Any], context: dict[str, Any]) -> Any:
        """The output."""
        context["log"](self._note)
        return self._output


def apply_test_options(program: Program, options: TestOptions) -> Program:
    """The program of a test run."""
    return replace(with_nodes(program, partial(_apply, options=options)), limit=None, test_options=options)


_ASKED_NOBODY = text("This kind of test does not send approvals.")
_CHOSEN = text("No approval was sent: the outcome was chosen for this test.")
_MOCKED = text("Mocked: the step did not run.")
_NOT_WAITED = text("This kind of test does not wait.")
_EXAMPLE = text("This kind of test does not wait. The payload is an example with the fields that other steps read.")
_NOT_STARTED = text("This kind of test does not start other workflows.")


def _apply(node: Node, options: TestOptions) -> Node:
    if isinstance(node, ApprovalNode) and (decided := _decided(node, options)) is not None:
        return with_children(decided, partial(_apply, options=options))
    if node.key in options.mocks:
        save_as = node.save_as if isinstance(node, ActionNode) else ""
        return _stub(node.key, compile_value({}), options.mocks[node.key], _MOCKED, save_as)
    if options.mode != "real":
        stub = options.stubs.get(node.key)
        match node:
            case WaitNode():
                inputs = compile_value({"for": _source(node.span), "until": _source(node.until)})
                note = _EXAMPLE if node.key in options.assumed else _NOT_WAITED
                return _stub(node.key, inputs, stub or NOT_WAITED, note)
            case WorkflowNode():
                inputs = compile_value({"workflow": node.workflow, "payload": node.payload.source})
                return _stub(node.key, inputs, stub, _NOT_STARTED)
    node = _without_effect(node, options) if isinstance(node, ActionNode) else node
    return with_children(node, partial(_apply, options=options))


def _decided(node: ApprovalNode, options: TestOptions) -> ApprovalNode | None:
    """The approval with its outcome; None when people are asked, or when its mock is no outcome."""
    if node.key in options.decisions:
        return replace(node, decision=options.decisions[node.key], note=_CHOSEN)
    if node.key in options.mocks:
        mock = options.mocks[node.key]
        return replace(node, decision=mock, note=_MOCKED) if isinstance(mock, dict) else None
    if options.mode == "real":
        return None
    known = options.stubs.get(node.key)
    decision = known if isinstance(known, dict) else {"outcome": next(iter(node.outcomes), "")}
    return replace(node, decision=decision, note=_ASKED_NOBODY)


def _without_effect(node: ActionNode, options: TestOptions) -> ActionNode:
    """The action without retries in a dry run; in a preview with a stub in its place unless it is pure."""
    if options.mode == "real" or node.action is None or node.pure:
        return node
    if options.mode == "dry":
        return replace(node, retry=RetryPolicy(), at_most_once=False)
    adapter = StubConnector(options.stubs.get(node.key), text("Preview only renders the inputs. The step did not run."))
    return replace(node, adapter=adapter, action=replace(node.action, effect=Effect.PURE), retry=RetryPolicy())


def _stub(key: str, inputs: Template, output: Any, note: str, save_as: str = "") -> ActionNode:
    return ActionNode(
        key=key,
        adapter=StubConnector(output, note),
        action=Action(name="give", effect=Effect.PURE),
        missing="",
        inputs=inputs,
        connection="",
        save_as=save_as,
        retry=RetryPolicy(),
        timeout=60.0,
        default=None,
        on_error=None,
        at_most_once=False,
    )


def _source(template: Template | None) -> Any:
    return None if template is None else template.source

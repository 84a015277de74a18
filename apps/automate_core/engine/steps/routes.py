"""Steps that hold routes, tracks or steps to fall back on; and the one that ends the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.invocation import encode_output
from automate_core.definition.document import OTHERWISE
from automate_core.engine.outcomes import RunStoppedError, StepFailedError, error_document, error_of
from automate_core.engine.program import BranchNode, ParallelNode, StopNode, TryNode
from automate_core.engine.records import StepRecord
from automate_core.engine.scheduler import Fork, Steps
from automate_core.engine.scope import Frame
from automate_core.expressions.json_path import TemplateError

if TYPE_CHECKING:
    from automate_core.engine.run_walker import Walk


def branch(walk: Walk, node: BranchNode, path: str, frame: Frame) -> Steps:
    """The first route that holds, or all of them."""
    step, entered = yield from walk.enter(path, node.key)
    with walk.container(step, node, frame):
        if entered or step.output is None:
            routes = (yield from _routes(walk, node, step, frame)) or [OTHERWISE]
            step.output = encode_output({"routes": routes} if node.all else {"route": routes[0]})
            walk.note(step)
        taken = msgspec.json.decode(step.output or b"{}")
        for route in taken.get("routes") or [taken["route"]]:
            yield from walk.sequence(node.nodes_of(route), frame.at(f"{path}/"))


def _routes(walk: Walk, node: BranchNode, step: StepRecord, frame: Frame) -> Steps:
    """Gives the keys of the routes to take."""
    holding: list[str] = []
    for route in node.routes:
        if (yield from walk.holds(route.when, frame, node.key, step)):
            holding.append(route.key)
            if not node.all:
                break
    return holding


def parallel(walk: Walk, node: ParallelNode, path: str, frame: Frame) -> Steps:
    """All tracks side by side."""
    step, _ = yield from walk.enter(path, node.key)
    with walk.container(step, node, frame):
        arms = (walk.sequence(arm, frame.apart(f"{path}/")) for arm in node.arms)
        yield Fork(arms, node.limit)


def catch_errors(walk: Walk, node: TryNode, path: str, frame: Frame) -> Steps:
    """Steps, what to do when one fails, and what to do always."""
    step, _ = yield from walk.enter(path, node.key)
    with walk.container(step, node, frame):
        inside = frame.at(f"{path}/")
        caught: dict[str, Any] | None = None
        try:
            try:
                yield from walk.sequence(node.nodes, inside)
            except StepFailedError as failure:
                caught = failure.error
                if not node.on_error:
                    raise
                yield from walk.sequence(node.on_error, inside.seeing(error=caught))
        except (StepFailedError, RunStoppedError):
            yield from walk.sequence(node.always, inside.seeing(error=caught))
            raise
        yield from walk.sequence(node.always, inside.seeing(error=caught))
        step.output = encode_output({"error": caught})


def stop(walk: Walk, node: StopNode, path: str, frame: Frame) -> Steps:
    """End the run."""
    step = walk.steps.pop(path, None) or walk.begin(path, None)
    if not step.ended:
        walk.note(step)
        try:
            message = str((yield from walk.render(node.message, frame, step)))
        except TemplateError as error:
            walk.fail(step, error_document("template_error", str(error)))
        except ConnectorError as error:
            walk.fail(step, error_of(error))
        else:
            walk.succeed(step, encode_output({"message": message}))
    if step.error is not None:
        raise StepFailedError({**step.error, "step": node.key})
    message = msgspec.json.decode(step.output or b"{}")["message"] or "Stopped by the workflow."
    raise RunStoppedError(succeeded=node.succeeded, error={"code": "stopped", "message": message, "step": node.key})

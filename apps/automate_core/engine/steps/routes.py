"""Branches, parallel branches, error handling, and the step that ends the run."""

from __future__ import annotations

from collections.abc import Sized
from typing import Any

import msgspec

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.invocation import encode_output
from automate_core import artifacts
from automate_core.definition.document import OTHERWISE
from automate_core.engine.outcomes import (
    RunStoppedError,
    StepFailedError,
    error_document,
    error_for_expressions,
    plugin_error_document,
)
from automate_core.engine.program import BranchNode, ParallelNode, StopNode, TryNode
from automate_core.engine.records import StepRecord
from automate_core.engine.scheduler import StepGenerator, TaskGroup
from automate_core.engine.scope import Scope
from automate_core.engine.step_context import StepContext
from automate_core.expressions.json_logic import Meter, Rule, Variable
from automate_core.expressions.json_path import TemplateError
from automate_plugins import text
from automate_plugins.texts import verbatim

MAX_VALUES, MAX_TEXT = 20, 500  #: of a condition that are recorded, and characters of each


def branch(walk: StepContext, node: BranchNode, path: str, scope: Scope) -> StepGenerator:
    """Run the first route whose condition holds, or all that do."""
    step, entered = yield from walk.enter(path, node.key)
    with walk.container(step, node, scope):
        if entered or step.output is None:
            routes = (yield from _routes(walk, node, step, scope)) or [OTHERWISE]
            step.output = encode_output({"routes": routes} if node.all else {"route": routes[0]})
            walk.mark_changed(step)
        taken = msgspec.json.decode(step.output or b"{}")
        for route in taken.get("routes") or [taken["route"]]:
            yield from walk.sequence(node.nodes_of(route), scope.nested(f"{path}/"))


def _routes(walk: StepContext, node: BranchNode, step: StepRecord, scope: Scope) -> StepGenerator:
    """Returns the keys of the routes to run. What decided each becomes the step's input, as the run page shows it."""
    holding: list[str] = []
    decided: list[dict[str, Any]] = []
    for route in node.routes:
        values = _decisive_values(route.when, scope)  # before it is decided: side branches may change variables then
        holds = yield from walk.holds(route.when, scope, node.key, step)
        decided.append({"route": route.key, "holds": holds, "values": values})
        if holds:
            holding.append(route.key)
            if not node.all:
                break
    if not step.is_stored:
        step.input = encode_output({"conditions": decided})
        walk.count_bytes(step.input)
    return holding


def _decisive_values(rule: Rule, scope: Scope) -> dict[str, Any]:
    """The values that a rule looks up, by path: short ones, since a cut one could hide a secret from redaction."""
    found: dict[str, Any] = {}
    for path in rule.paths[:MAX_VALUES]:
        try:
            value = Variable(tuple(path.split("."))).evaluate(scope.names, Meter())
        except artifacts.ArtifactError:
            continue
        is_short = len(value) <= MAX_TEXT if isinstance(value, str) else not value if isinstance(value, Sized) else True
        if path and is_short:
            found[path] = value
    return found


def parallel(walk: StepContext, node: ParallelNode, path: str, scope: Scope) -> StepGenerator:
    """Run all branches side by side."""
    step, _ = yield from walk.enter(path, node.key)
    with walk.container(step, node, scope):
        arms = (walk.sequence(arm, scope.isolated(f"{path}/")) for arm in node.arms)
        yield TaskGroup(arms, node.limit)


def catch_errors(walk: StepContext, node: TryNode, path: str, scope: Scope) -> StepGenerator:
    """Run steps; on a failure the error steps, and the final steps in any case."""
    step, _ = yield from walk.enter(path, node.key)
    with walk.container(step, node, scope):
        inside = scope.nested(f"{path}/")
        caught: dict[str, Any] | None = None
        try:
            try:
                yield from walk.sequence(node.nodes, inside)
            except StepFailedError as failure:
                caught = error_for_expressions(failure.error)
                if not node.on_error:
                    raise
                yield from walk.sequence(node.on_error, inside.with_names(error=caught))
        except (StepFailedError, RunStoppedError):
            yield from walk.sequence(node.always, inside.with_names(error=caught))
            raise
        yield from walk.sequence(node.always, inside.with_names(error=caught))
        step.output = encode_output({"error": caught})


STOPPED = text("Stopped by the workflow.")  #: the reason of a Stop step without a message


def stop(walk: StepContext, node: StopNode, path: str, scope: Scope) -> StepGenerator:
    """End the run."""
    step = walk.steps.pop(path, None) or walk.begin_attempt(path, None)
    if not step.ended:
        walk.mark_changed(step)
        try:
            message = str((yield from walk.render(node.message, scope, step)))
        except TemplateError as error:
            walk.fail(step, error_document("template_error", str(error)))
        except ConnectorError as error:
            walk.fail(step, plugin_error_document(error))
        else:
            walk.succeed(step, encode_output({"message": message}))
    if step.error is not None:
        raise StepFailedError({**step.error, "step": node.key})
    written = msgspec.json.decode(step.output or b"{}")["message"]
    message = verbatim(written) if written else STOPPED
    raise RunStoppedError(succeeded=node.succeeded, error={"code": "stopped", "message": message, "step": node.key})

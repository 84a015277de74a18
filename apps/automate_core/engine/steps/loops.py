"""Loops: for each and repeat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from automate_connectors.invocation import MAX_OUTPUT_BYTES
from automate_core import artifacts
from automate_core.engine.outcomes import StepFailedError, error_for_expressions
from automate_core.engine.program import ForEachNode, LoopBody, RepeatNode
from automate_core.engine.records import StepRecord
from automate_core.engine.scheduler import StepGenerator, TaskGroup
from automate_core.engine.scope import Scope
from automate_core.engine.step_context import StepContext
from automate_plugins import ntext, text

MAX_ITEMS = 10_000


@dataclass(slots=True)
class _Results:
    """The outputs of a loop's items, and their size in bytes."""

    outputs: list[bytes | None]
    size: int = 0

    def add(self, index: int, output: bytes) -> int:
        self.outputs[index] = output
        self.size += len(output)
        return self.size


def for_each(walk: StepContext, node: ForEachNode, path: str, scope: Scope) -> StepGenerator:
    """Run the body for each item of a list, up to `concurrency` at once."""
    step, _ = yield from walk.enter(path, node.key)
    if step.done:
        scope.bind(node.key, step)
        return
    with walk.container(step, node, scope):
        items = yield from _items(walk, node, step, scope)
        results = _Results([None] * len(items))
        iterations = (_iteration(walk, node, path, scope, index, item, results) for index, item in enumerate(items))
        yield TaskGroup(iterations, node.concurrency)
        step.output = walk.encode_or_fail([msgspec.Raw(result or b"null") for result in results.outputs], node.key)


def _items(walk: StepContext, node: ForEachNode, step: StepRecord, scope: Scope) -> StepGenerator:
    """Returns the list as it was when the loop began."""
    if step.input is None:
        items = yield from walk.render_or_fail(node.items, scope, node.key, step)
        if not isinstance(items, list):
            walk.raise_failed(
                node.key,
                "not_a_list",
                text("For each needs a list, not %(kind)s. Check the Items field.", kind=_kind_of(items)),
            )
        if walk.program.test_options is not None and walk.program.test_options.scope == "step":
            items = items[:1]  # one step is tested on one item
        if len(items) > MAX_ITEMS:
            walk.raise_failed(
                node.key,
                "too_many_items",
                text(
                    "A loop can process at most %(maximum)s items, not %(count)s.",
                    maximum=MAX_ITEMS,
                    count=len(items),
                ),
            )
        document = walk.redact(walk.encode_or_fail(items, node.key))
        step.input = document
        if len(document) > walk.max_inline_bytes:
            step.input, step.input_file = artifacts.put(document)
        walk.mark_changed(step)
    elif step.input_file is not None:
        document = walk.read_artifact(step.input_file, node.key)
    else:
        document = step.input
    found: list[Any] = msgspec.json.decode(document)
    return found


def _kind_of(value: Any) -> str:
    """The JSON type of a value that is not a list."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case str():
            return "string"
        case dict():
            return "object"
    return "number"


def _iteration(
    walk: StepContext, node: ForEachNode, path: str, scope: Scope, index: int, item: Any, results: _Results
) -> StepGenerator:
    prefix = f"{path}[{index}]/"
    names = {"item": item, "index": index, "steps": dict(scope.steps)}
    inside = _iteration_scope(walk, node.body, scope, prefix, **names)
    try:
        last = walk.step_output(inside, (yield from walk.sequence(node.body.nodes, inside)))
    except StepFailedError as failure:
        if node.on_item_error == "stop":
            raise
        last = {"error": error_for_expressions(failure.error)} if node.on_item_error == "collect" else None
    if results.add(index, walk.encode_or_fail(last, node.key)) > MAX_OUTPUT_BYTES:
        walk.raise_failed(
            node.key,
            "output_too_large",
            text("The outputs of the loop are larger than %(maximum)s bytes.", maximum=MAX_OUTPUT_BYTES),
        )


def repeat(walk: StepContext, node: RepeatNode, path: str, scope: Scope) -> StepGenerator:
    """Run the body until a condition holds."""
    step, _ = yield from walk.enter(path, node.key)
    with walk.container(step, node, scope):
        for index in range(node.maximum):
            prefix = f"{path}[{index}]/"
            inside = _iteration_scope(
                walk, node.body, scope, prefix, index=index, steps=dict(scope.steps), vars=scope.vars
            )
            last = yield from walk.sequence(node.body.nodes, inside)
            if (yield from walk.holds(node.until, inside, node.key, step)):
                given = {"count": index + 1, "last": walk.step_output(inside, last)}
                step.output = walk.encode_or_fail(given, node.key)
                return
        walk.raise_failed(
            node.key,
            "not_reached",
            ntext(
                "The condition was still false after %(count)s repetition.",
                "The condition was still false after %(count)s repetitions.",
                node.maximum,
            ),
        )


def _iteration_scope(walk: StepContext, body: LoopBody, scope: Scope, prefix: str, **names: Any) -> Scope:
    if body.callbacks:
        names["callbacks"] = {**scope.names["callbacks"], **walk.callbacks(body, prefix)}
    return scope.isolated(prefix, **names)

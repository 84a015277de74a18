"""Outputs of steps that only compute, for a simulation of an event before any run.

They are rendered and computed by what the engine uses for such steps; whatever takes long or depends on the time is
left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.invocation import encode_output
from automate_core.definition.document import ActionStep
from automate_core.engine.program import PureNode, compile_action
from automate_core.engine.steps.actions import PURE_BYTES
from automate_core.expressions.json_path import TemplateError
from automate_core.expressions.templating import NotAtOnceError

_NOW = re.compile(r"\bnow\s*\(")


class PureStep:
    """A step that only computes. `paths` are the values that its inputs look up."""

    def __init__(self, node: PureNode) -> None:
        self._node = node
        self.paths = tuple(".".join(map(str, path)) for path in node.node.inputs.paths)

    def output(self, scope: Mapping[str, Any]) -> Any:
        """Its output for the scope. Raises LookupError where it fails or takes long."""
        try:
            inputs = encode_output(self._node.node.inputs.render_at_once(scope))
            if len(inputs) > PURE_BYTES:
                raise LookupError
            return msgspec.json.decode(self._node.output(msgspec.json.decode(inputs)))
        except (TemplateError, NotAtOnceError, ConnectorError) as error:
            raise LookupError from error


def read_pure_step(step: ActionStep) -> PureStep | None:
    """The step ready to compute; None for one that reaches outside, that reads the time or that is not valid."""
    if step.connection or _NOW.search(json.dumps(step.inputs)):
        return None
    try:
        node = compile_action(step)
    except TemplateError:
        return None
    context = {"run": {}, "step": {}, "log": lambda _message, _level="info": None, "cancelled": lambda: False}
    return PureStep(PureNode(node, context, node.timeout)) if node.pure else None

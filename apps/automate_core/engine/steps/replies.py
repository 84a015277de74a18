"""The step that answers the caller who waits for the run."""

from __future__ import annotations

from typing import Any

from automate_core.definition import reply_rules
from automate_core.engine.program import ReplyNode
from automate_core.engine.records import ReplyRecord
from automate_core.engine.scheduler import StepGenerator
from automate_core.engine.scope import Scope
from automate_core.engine.step_context import StepContext
from automate_core.expressions.json_path import TemplateError, as_text
from automate_plugins import text


def reply(walk: StepContext, node: ReplyNode, path: str, scope: Scope) -> StepGenerator:
    """Record the reply; the checkpoint that holds the record tells the caller.

    The caller is given what is recorded, so that no reply shows a secret that the run's page masks. A test run has no
    caller.
    """
    step, _ = yield from walk.enter(path, node.key)
    was_recorded = step.ended
    with walk.container(step, node, scope):
        if not step.ended:
            parts = yield from walk.render_or_fail(node.parts, scope, node.key, step)
            try:
                output = _build_output(node, parts)
            except ValueError as error:
                walk.raise_failed(node.key, "invalid_reply", str(error))
            step.output = walk.encode_or_fail(output, node.key)
            if len(step.output) > reply_rules.MAX_BODY_BYTES:
                maximum = f"{reply_rules.MAX_BODY_BYTES // 1_000_000} MB"
                walk.raise_failed(
                    node.key, "reply_too_large", text("The reply is larger than %(maximum)s.", maximum=maximum)
                )
    if not was_recorded and walk.run.notifies_end:
        walk.replies.append(ReplyRecord(path, step.attempt))


def _build_output(node: ReplyNode, parts: dict[str, Any]) -> dict[str, Any]:
    """The reply as it is recorded. Raises ValueError with the reason why it cannot be sent."""
    status = reply_rules.read_status(parts["status"])
    headers = {name: _header(name, value) for name, value in parts["headers"].items()}
    if problem := reply_rules.location_problem(status, headers):
        raise ValueError(problem)
    output = {"status": status, "content_type": node.content_type, "headers": headers}
    if node.has_body and status not in reply_rules.WITHOUT_BODY:
        is_json = reply_rules.is_json_type(node.content_type)
        output["body"] = parts["body"] if is_json else _as_text(parts["body"])
    return output


def _header(name: str, value: Any) -> str:
    """Raises ValueError."""
    written = _as_text(value)
    if problem := reply_rules.header_name_problem(name) or reply_rules.header_value_problem(name, written):
        raise ValueError(problem)
    return written


def _as_text(value: Any) -> str:
    try:
        return as_text(value)
    except TemplateError as error:
        raise ValueError(str(error)) from error

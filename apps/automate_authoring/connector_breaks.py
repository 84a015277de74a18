"""Effects of a changed connector on published workflows: actions, triggers and fields that they use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from automate_authoring.references import workflows_of_connectors
from automate_connectors.adapters.base import Action, ConnectorAdapter
from automate_connectors.adapters.polls import Poll
from automate_connectors.adapters.webhooks import Webhook
from automate_connectors.stored.models import DeclaredConnector
from automate_core.definition.document import (
    CONNECTOR_TRIGGERS,
    ActionStep,
    Definition,
    DefinitionError,
    PollTrigger,
)
from automate_core.definition.published import published_definition
from automate_core.definition.slots import walk
from automate_core.models import Workflow
from automate_plugins import text
from automate_plugins.fields import FieldSpec

type Part = Action | Poll | Webhook


@dataclass(frozen=True, kw_only=True)
class ConnectorBreak:
    """A step or trigger of a published workflow that will not work any more, and why. `reason` is a marked text."""

    workflow: Workflow
    step: str
    reason: str


def find_breaks(
    connector: DeclaredConnector, before: ConnectorAdapter | None, after: ConnectorAdapter | None
) -> list[ConnectorBreak]:
    """Return what breaks when `after` replaces `before`, by workflow and step. None: there is no connector."""
    workflows = sorted({workflow for _, workflow in workflows_of_connectors([connector])}, key=lambda each: each.name)
    return [each for workflow in workflows for each in _in_workflow(workflow, connector.code, before, after)]


def _in_workflow(
    workflow: Workflow, code: str, before: ConnectorAdapter | None, after: ConnectorAdapter | None
) -> Iterator[ConnectorBreak]:
    try:
        definition = published_definition(workflow)
    except DefinitionError:  # it does not run anyway
        return
    for label, name, inputs, kind in _uses(definition, code) if definition else ():
        for reason in use_breaks(name, inputs, _part(before, name, kind), _part(after, name, kind)):
            yield ConnectorBreak(workflow=workflow, step=label, reason=reason)


def _uses(definition: Definition, code: str) -> Iterator[tuple[str, str, dict[str, Any], str]]:
    """Yield (label, name of the part, inputs, attribute of the connector that lists such parts) of each use of it."""
    for _, step in walk(definition.steps):
        if isinstance(step, ActionStep) and not step.disabled and step.action.partition(".")[0] == code:
            yield step.name or step.key, step.action.partition(".")[2], step.inputs, "actions"
    for trigger in definition.triggers:
        if isinstance(trigger, CONNECTOR_TRIGGERS) and trigger.reference.partition(".")[0] == code:
            kind = "polls" if isinstance(trigger, PollTrigger) else "webhooks"
            yield trigger.key, trigger.reference.partition(".")[2], trigger.inputs, kind


def _part(adapter: ConnectorAdapter | None, name: str, kind: str) -> Part | None:
    parts: Sequence[Part] = getattr(adapter, kind, ())
    return next((each for each in parts if each.name == name), None)


def use_breaks(name: str, inputs: dict[str, Any], before: Part | None, after: Part | None) -> Iterator[str]:
    """Yield why a step with these inputs does not work with `after` any more. Earlier faults do not count."""
    if after is None:
        if isinstance(before, Action):
            yield text("The action %(name)s is removed.", name=name)
        elif before is not None:
            yield text("The trigger %(name)s is removed.", name=name)
        return
    old = {field.name: field for field in (before.fields if before else None) or ()}
    new = {field.name: field for field in after.fields or ()}
    for field in inputs:
        if field in old and field not in new:
            yield text("The field %(name)s is removed.", name=field)
    for spec in new.values():
        if reason := _field_break(spec, old.get(spec.name), inputs):
            yield reason


def _field_break(spec: FieldSpec, before: FieldSpec | None, inputs: dict[str, Any]) -> str:
    if inputs.get(spec.name) is None:
        was_needed = before is not None and before.required and before.default is None
        needed = spec.required and spec.default is None and not was_needed
        return text("The field %(name)s is now required.", name=spec.name) if needed else ""
    if before is None:
        return ""
    value = inputs[spec.name]
    is_expression = isinstance(value, str) and "{{" in value
    fits = not is_expression and spec.problem(spec.taken(value)) is None
    if spec.kind is not before.kind and not fits:
        kinds = {"old": before.kind.value, "new": spec.kind.value}
        return text("The field %(name)s changes from %(old)s to %(new)s.", name=spec.name, **kinds)
    if fits or is_expression or before.problem(before.taken(value)) is not None:
        return ""
    return text("The field %(name)s no longer accepts its value.", name=spec.name)

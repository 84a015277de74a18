"""Fields whose type is known before any data: from inputs of triggers, forms of steps, and outputs of actions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from automate_connectors.registry import find_action
from automate_core.definition.document import (
    ActionStep,
    ApprovalStep,
    Definition,
    ForEachStep,
    FormField,
    FormTrigger,
    ManualTrigger,
    Step,
    WaitStep,
)
from automate_core.definition.slots import walk
from automate_plugins.fields import FieldKind


@dataclass(frozen=True)
class _KnownType:
    """A type by the kind of a form's field, by the kinds of outputs, and by a literal value."""

    in_forms: str
    kinds: frozenset[FieldKind]
    holds: Callable[[Any], bool]


_NUMBERS = _KnownType(
    "number",
    frozenset({FieldKind.NUMBER, FieldKind.INTEGER}),
    lambda value: isinstance(value, int | float) and not isinstance(value, bool),
)
_LISTS = _KnownType("choices", frozenset({FieldKind.LIST}), lambda value: isinstance(value, list))


def number_fields(definition: Definition) -> frozenset[str]:
    """The paths that hold numbers whichever trigger starts the run, such as `steps.ask.output.status`."""
    return frozenset(_known(definition, _NUMBERS) | {"index"})


def list_fields(definition: Definition) -> frozenset[str]:
    """The paths that hold lists whichever trigger starts the run, such as `steps.read.output.items`."""
    loops = {f"steps.{step.key}.output" for _, step in walk(definition.steps) if isinstance(step, ForEachStep)}
    return frozenset(_known(definition, _LISTS) | loops)


def _known(definition: Definition, wanted: _KnownType) -> set[str]:
    found = {f"event.payload.{name}" for name in _in_payload(definition, wanted)}
    saved = {step.save_as for _, step in walk(definition.steps) if isinstance(step, ActionStep)}
    found |= {f"vars.{name}" for name, value in definition.vars.items() if wanted.holds(value) and name not in saved}
    for _, step in walk(definition.steps):
        found |= {f"steps.{step.key}.output.{name}" for name in _in_output(step, wanted)}
    return found


def _in_payload(definition: Definition, wanted: _KnownType) -> set[str]:
    triggers = definition.enabled_triggers
    if not all(isinstance(each, ManualTrigger | FormTrigger) for each in triggers):
        return set()  # a sender may send anything
    fields = [field for each in triggers if isinstance(each, ManualTrigger | FormTrigger) for field in each.inputs]
    return _in_form(fields, wanted) - {field.name for field in fields if field.kind != wanted.in_forms}


def _in_form(form: list[FormField], wanted: _KnownType) -> set[str]:
    return {field.name for field in form if field.kind == wanted.in_forms}


def _in_output(step: Step, wanted: _KnownType) -> set[str]:
    match step:
        case ApprovalStep() | WaitStep():
            return {f"form.{name}" for name in _in_form(step.form, wanted)}
        case ActionStep(action="data.set"):
            return {name for name, value in step.inputs.items() if wanted.holds(value)}
        case ActionStep():
            try:
                _, action = find_action(step.action)
            except LookupError:
                return set()  # an error already
            return {spec.name for spec in action.outputs if spec.kind in wanted.kinds}
    return set()

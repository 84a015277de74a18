"""The output that agents expect of a workflow, compared with what its last step gives, as far as that is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from automate_authoring.drafts.problems import DraftProblem
from automate_connectors.registry import find_action
from automate_core.definition.document import ActionStep, ApprovalStep, Definition, ReplyStep, Step
from automate_core.definition.slots import walk
from automate_plugins import text
from automate_plugins.fields import FieldKind

FIELD = "agents.output"
_APPROVAL = {"at": "string", "by": "", "form": "object", "outcome": "string", "remark": "string"}
#: Types of JSON Schema by the kinds of fields. Of the other kinds they are not known.
_TYPES = {
    FieldKind.TEXT: "string",
    FieldKind.LONG_TEXT: "string",
    FieldKind.URL: "string",
    FieldKind.NUMBER: "number",
    FieldKind.INTEGER: "integer",
    FieldKind.BOOLEAN: "boolean",
    FieldKind.LIST: "array",
    FieldKind.MAPPING: "object",
}
_JSON_TYPES: tuple[tuple[type, str], ...] = (
    (bool, "boolean"),
    (int, "integer"),
    (float, "number"),
    (list, "array"),
    (dict, "object"),
)


def agent_output_warnings(definition: Definition) -> Iterator[DraftProblem]:
    """Warn of members of the declared output that the last step does not give, or gives as another type."""
    agents = definition.agents
    if agents is None or not agents.enabled or not agents.output or (last := _last_step(definition)) is None:
        return
    given, is_whole = _known_output(last)
    members = agents.output.get("properties")
    required = agents.output.get("required")
    for name in required if is_whole and isinstance(required, list) else ():
        if isinstance(name, str) and name not in given:
            reason = text("Agents expect %(name)s in the output, but the last step does not give it.", name=name)
            yield DraftProblem(level="warning", reason=reason, step=last.key, field=FIELD)
    for name, schema in members.items() if isinstance(members, Mapping) else ():
        kind = schema.get("type") if isinstance(schema, Mapping) else None
        if isinstance(kind, str) and not _fits(given.get(name, ""), kind):
            reason = text(
                "Agents expect %(name)s as %(expected)s, but the last step gives %(given)s.",
                name=name,
                expected=kind,
                given=given[name],
            )
            yield DraftProblem(level="warning", reason=reason, step=last.key, field=FIELD)


def _last_step(definition: Definition) -> Step | None:
    """The step whose output is that of a run; None for a workflow that replies, whose body counts."""
    if any(isinstance(step, ReplyStep) and not step.disabled for _, step in walk(definition.steps)):
        return None
    return next((step for step in reversed(definition.steps) if not step.disabled), None)


def _known_output(step: Step) -> tuple[dict[str, str], bool]:
    """(the types of its members, empty for an unknown one; whether it has no others)."""
    match step:
        case ApprovalStep():
            return _APPROVAL, True
        case ActionStep(action="data.set"):
            return {name: _type_of(value) for name, value in step.inputs.items()}, True
        case ActionStep():
            try:
                _, action = find_action(step.action)
            except LookupError:
                return {}, False
            return {each.name: _TYPES.get(each.kind, "") for each in action.outputs}, False
    return {}, False


def _type_of(value: Any) -> str:
    """The type of a value as it is written; empty where an expression decides it."""
    if isinstance(value, str):
        return "" if "{{" in value or "{%" in value else "string"
    return next((name for kind, name in _JSON_TYPES if isinstance(value, kind)), "")


def _fits(given: str, expected: str) -> bool:
    return not given or given == expected or {given, expected} == {"integer", "number"}

"""Types known before any data was seen: from triggers, actions and step kinds.

A shape is data in which each value is a `TypeOnly`: the type of the future value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from automate_authoring.definitions.scope import ERROR_NAMES, EVENT_NAMES
from automate_authoring.drafts.commands import DraftState
from automate_authoring.drafts.values import StepNode
from automate_authoring.test_runs.samples import connector_sample
from automate_connectors.adapters.base import Action
from automate_connectors.mail.message import SAMPLE
from automate_connectors.registry import find_action
from automate_core.definition.document import (
    FormTrigger,
    MailTrigger,
    ManualTrigger,
    ModelTrigger,
    PollTrigger,
    RunTrigger,
    ScheduleTrigger,
    ServiceTrigger,
    Trigger,
)
from automate_core.expressions.json_path import Path
from automate_core.triggers.model_registry import watched_models
from automate_plugins import text
from automate_plugins.fields import FieldKind, FieldSpec
from automate_studio.builder.panel.schema_table import LANGUAGE as SCHEMA_LANGUAGE
from automate_ui.json.expressions import A_FILE


@dataclass(frozen=True)
class TypeOnly:
    """A value of which only the type is known: glyph and words."""

    glyph: str
    words: str


TEXT = TypeOnly("abc", text("text"))
NUMBER = TypeOnly("123", text("a number"))
YES_NO = TypeOnly("t/f", text("true or false"))
LIST = TypeOnly("[ ]", text("a list"))
MAPPING = TypeOnly("{ }", text("a mapping"))
FILE = TypeOnly("{ }", A_FILE)
ANYTHING = TypeOnly("", text("any value"))
_KINDS = {
    FieldKind.NUMBER: NUMBER,
    FieldKind.INTEGER: NUMBER,
    FieldKind.BOOLEAN: YES_NO,
    FieldKind.LIST: LIST,
    FieldKind.MAPPING: MAPPING,
    FieldKind.JSON: ANYTHING,
    FieldKind.FILE: FILE,
}
_MODEL_FIELDS = {"Integer": NUMBER, "Float": NUMBER, "AutoField": NUMBER, "Boolean": YES_NO}
MAX_SCHEMA_DEPTH = 5
_EVENT = {"headers": MAPPING, "type": TEXT, "source": TEXT, "id": TEXT, "time": TEXT}
_ERROR = {"details": MAPPING, "retryable": YES_NO, "retry_after": NUMBER}


def declared_scope(state: DraftState) -> dict[str, Any]:
    """Shape of the scope, without the outputs of steps, which `declared_output` gives."""
    payload: Any = ANYTHING
    for trigger in reversed(state.parsed.definition.triggers):
        shape = _payload_shape(trigger)
        payload = {**payload, **shape} if isinstance(payload, dict) and shape else shape or payload
    return {
        "event": {name: payload if name == "payload" else _EVENT[name] for name in EVENT_NAMES},
        "error": {name: _ERROR.get(name, TEXT) for name in ERROR_NAMES},
        "run": {"id": TEXT, "trace_id": TEXT, "workflow": TEXT},
        "item": ANYTHING,
        "index": NUMBER,
    }


def _payload_shape(trigger: Trigger) -> dict[str, Any]:
    match trigger:
        case ManualTrigger(inputs=inputs) | FormTrigger(inputs=inputs):
            return {field.name: _form_type(field.kind) for field in inputs}
        case ScheduleTrigger():
            return {"scheduled_for": TEXT, "key": TEXT}
        case PollTrigger() | ServiceTrigger():
            return {name: _sample_type(value) for name, value in connector_sample(trigger).items()}
        case MailTrigger():
            return {name: _sample_type(value) for name, value in SAMPLE.items()}
        case RunTrigger():
            return {"run": TEXT, "workflow": TEXT, "status": TEXT, "error": MAPPING}
        case ModelTrigger(model=label):
            found = next((entry for entry in watched_models() if entry.label.lower() == label.lower()), None)
            fields = {field.attname: _column_type(field.get_internal_type()) for field in found.fields} if found else {}
            values = fields or MAPPING
            return {"model": TEXT, "pk": ANYTHING, "operation": TEXT, "before": values, "after": values,
                    "changed": MAPPING}  # fmt: skip
        case _:
            return {}


def _sample_type(value: Any) -> TypeOnly:
    """The type of a value in a sample, where null may be anything."""
    return type_of_value(value) if value is not None else ANYTHING


def _form_type(kind: str) -> TypeOnly:
    return _FORM_TYPES.get(kind, TEXT)


_FORM_TYPES = {"number": NUMBER, "boolean": YES_NO, "consent": YES_NO, "choices": LIST, "file": FILE}


def _column_type(kind: str) -> TypeOnly:
    return next((typed for part, typed in _MODEL_FIELDS.items() if part in kind), TEXT)


def declared_output(node: StepNode) -> Any:
    """Shape of a step's output."""
    match node.kind:
        case "action":
            return _action_output(node)
        case "approval":
            return {"outcome": TEXT, "by": TEXT, "at": TEXT, "remark": TEXT, "form": _answer_types(node) or MAPPING}
        case "wait" if node.settings.get("form"):
            return {"outcome": TEXT, "form": _answer_types(node) or MAPPING}
        case "wait" if node.settings.get("callback"):
            return {"outcome": TEXT, "payload": ANYTHING}
        case "workflow":
            return {"run": TEXT, "status": TEXT, "output": ANYTHING}
        case "reply":
            return {"status": NUMBER, "content_type": TEXT, "headers": MAPPING, "body": ANYTHING}
        case "for_each":
            return LIST
        case "repeat":
            return {"count": NUMBER, "last": ANYTHING}
        case _:
            return ANYTHING


def _answer_types(node: StepNode) -> dict[str, Any]:
    """The types of the answers to the form of an approval or a page, by name."""
    form = node.settings.get("form")
    fields = [field for field in form if isinstance(field, dict)] if isinstance(form, list) else []
    return {str(field.get("name", "")): _form_type(str(field.get("kind", ""))) for field in fields}


def _action_output(node: StepNode) -> Any:
    if node.action == "data.set":
        return {name: type_of_value(value) for name, value in node.inputs.items()}
    try:
        _, action = find_action(node.action)
    except LookupError:
        return ANYTHING
    return {spec.name: _output_type(spec, action, node) for spec in action.outputs} or ANYTHING


def _output_type(spec: FieldSpec, action: Action, node: StepNode) -> Any:
    """The type of an output; one in JSON Schema has the fields that the action's input of that language names."""
    if spec.language != SCHEMA_LANGUAGE:
        return type_of_spec(spec)
    names = [field.name for field in action.fields or () if field.language == SCHEMA_LANGUAGE]
    return _schema_shape(node.inputs.get(names[0])) if names else MAPPING


def _schema_shape(schema: Any, depth: int = 1) -> Any:
    """The shape of what a schema describes, as far as it is plain."""
    if not isinstance(schema, dict):
        return MAPPING if depth == 1 else ANYTHING
    properties = schema.get("properties")
    if isinstance(properties, dict) and properties and depth <= MAX_SCHEMA_DEPTH:
        return {str(name): _schema_shape(each, depth + 1) for name, each in properties.items()}
    return _SCHEMA_TYPES.get(str(schema.get("type")), MAPPING if depth == 1 else ANYTHING)


_SCHEMA_TYPES = {
    "string": TEXT,
    "number": NUMBER,
    "integer": NUMBER,
    "boolean": YES_NO,
    "array": LIST,
    "object": MAPPING,
}


def has_declared(shape: Any, path: Path) -> bool:
    """Whether a shape has that path or may have it: a value of any type may hold anything."""
    for part in path:
        if shape in (ANYTHING, MAPPING, LIST, FILE):
            return True
        if not isinstance(shape, dict) or part not in shape:
            return False
        shape = shape[part]
    return True


def type_of_spec(spec: FieldSpec) -> TypeOnly:
    """The type of a field's value."""
    return _KINDS.get(spec.kind, TEXT)


def type_of_value(value: Any) -> TypeOnly:
    """Type of the text in a field; an expression may give anything."""
    if isinstance(value, str):
        return ANYTHING if "{{" in value else TEXT
    types = {bool: YES_NO, int: NUMBER, float: NUMBER, list: LIST, dict: MAPPING}
    return types.get(type(value), ANYTHING)

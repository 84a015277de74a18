"""Steps in the builder: the path of a step's panel, and its fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from django.utils.translation import gettext as _

from automate_authoring.drafts.values import Draft, StepNode
from automate_connectors.models import Connection
from automate_connectors.registry import find_action
from automate_core.definition.reply_rules import CONTENT_TYPES, is_json_type
from automate_governance.permissions import User, permitted
from automate_plugins import text
from automate_plugins.fields import FieldKind, FieldSpec, with_choices_made
from automate_studio.builder.panel import fields as builder_fields
from automate_studio.builder.panel import generic_action, wait_fields
from automate_studio.builder.panel.forms import FreeInput, is_lone_expression
from automate_studio.builder.panel.generic_action import generic_field_specs
from automate_studio.builder.panel.pool_choice import FIELD, with_pool_choice

TEST = "~test"  #: the path of the panel that tests the whole workflow
SETTINGS = "~workflow"  #: the path of the workflow's own panel
_CONNECTION = FieldSpec(name="connection", label=text("Connection"), default="", shown=True)


def settings_field_specs(draft: Draft) -> tuple[FieldSpec, ...]:
    """The fields of the workflow's own settings."""
    return with_pool_choice(builder_fields.SETTINGS_FIELDS, draft.settings.runs_on)


def step_at(draft: Draft, path: str) -> StepNode | None:
    """Step of the panel at a path; None when there is none."""
    return draft.steps.get(path.rpartition("/")[2])


def path_of_step(draft: Draft, key: str) -> str:
    """The path of a step in the tree."""
    node, path = draft.steps[key], key
    while node.parent:
        node = draft.steps[node.parent]
        path = f"{node.key}/{path}"
    return path


def step_field_specs(
    node: StepNode,
    user: User | None = None,
    drawn: Mapping[str, FieldKind] | None = None,
    content_type: str = "",
) -> Iterator[tuple[tuple[FieldSpec, ...], dict[str, Any], str]]:
    """(fields, current values, name prefix) of a step: inputs, fields of its kind, policy, notes.

    Without a `user` no connections are offered, which costs no query. `drawn` are the kinds of free inputs as the
    form shows them, kept while a person types, whatever is stored meanwhile. `content_type` is the posted one of a
    reply.
    """
    base = {"name": node.name, "notes": node.notes}
    yield (builder_fields.NAME,), base, ""
    if node.kind == "action":
        if takes_connection(node):
            spec = _connection_spec(node, user) if user else _CONNECTION
            yield (spec,), {"connection": node.connection}, ""
        if generic_action.is_generic(node):
            yield from generic_field_specs(node)
        else:
            specs = _input_specs(node, drawn or {})
            yield specs, with_choices_made(specs, node.inputs), "inputs."
    if node.kind == "wait":
        yield wait_fields.wait_specs(node.settings), wait_fields.wait_values(node.settings), ""
    else:
        yield _kind_specs(node, content_type), node.settings, ""
    if node.kind == "action":
        yield with_pool_choice(builder_fields.POLICY_FIELDS, node.policy.get(FIELD)), node.policy, ""
    yield (builder_fields.NOTES,), base, ""


def _kind_specs(node: StepNode, content_type: str) -> tuple[FieldSpec, ...]:
    """Fields of the step's kind; the body of a reply is text where its content type is."""
    specs = builder_fields.STEP_FIELDS[node.kind]
    kept = str(node.settings.get("content_type", CONTENT_TYPES[0]))
    if node.kind != "reply" or is_json_type(content_type or kept):
        return specs
    return tuple(replace(spec, language="text") if spec.name == "body" else spec for spec in specs)


def takes_connection(node: StepNode) -> bool:
    """Whether the step's connector takes a connection, or a set one can be removed."""
    try:
        adapter, _ = find_action(node.action)
    except LookupError:
        return True
    return bool(node.connection) or adapter.takes_connection


def needs_connection(node: StepNode) -> bool:
    """Whether the step cannot do without a connection."""
    try:
        return find_action(node.action)[0].needs_connection
    except LookupError:
        return True


def takes_free_inputs(node: StepNode) -> bool:
    """Whether the action takes inputs of any name."""
    try:
        return find_action(node.action)[1].fields is None and not generic_action.is_generic(node)
    except LookupError:
        return False


def _connection_spec(node: StepNode, user: User) -> FieldSpec:
    usable = permitted(user, "use", Connection.objects.filter(connector=node.action.partition(".")[0]))
    choices = [(connection.slug, connection.name) for connection in usable]
    if node.connection and node.connection not in dict(choices):
        choices.append(
            (node.connection, _("%(connection)s (no permission to use it)") % {"connection": node.connection})
        )
    none = _("Choose") if needs_connection(node) else _("No connection")
    return replace(_CONNECTION, kind=FieldKind.CHOICE, choices=(("", none), *choices))


def _input_specs(node: StepNode, drawn: Mapping[str, FieldKind]) -> tuple[FieldSpec, ...]:
    """The action's fields, and other stored inputs, so that they can be removed."""
    return (*_described_inputs(node), *free_inputs(node, drawn).values())


def free_inputs(node: StepNode, drawn: Mapping[str, FieldKind] | None = None) -> dict[str, FieldSpec]:
    """Inputs that the action does not describe, by field name."""
    known = {spec.name for spec in _described_inputs(node)}
    kinds = {**{name: kind_of_value(value) for name, value in node.inputs.items()}, **(drawn or {})}
    return {f"inputs.{name}": FreeInput(name=name, kind=kind) for name, kind in kinds.items() if name not in known}


def _described_inputs(node: StepNode) -> tuple[FieldSpec, ...]:
    try:
        return find_action(node.action)[1].fields or ()
    except LookupError:
        return ()


DRAWN = "::drawn"  #: ends the name of what says how a free input is drawn


def posted_kinds(post: Mapping[str, str]) -> dict[str, FieldKind]:
    """Kinds of the free inputs of a posted form, by input name."""
    kinds = {name: text for name, text in post.items() if name.startswith("inputs.") and name.endswith(DRAWN)}
    return {
        name.removeprefix("inputs.").removesuffix(DRAWN): FieldKind(text)
        for name, text in kinds.items()
        if text in set(FieldKind)
    }


def empty_value(kind: FieldKind, present: Any) -> str | None:
    """Value of a free input whose field is empty: the input stays until it is removed."""
    is_text = kind in {FieldKind.TEXT, FieldKind.LONG_TEXT} or (kind is FieldKind.JSON and isinstance(present, str))
    return "" if is_text else None


def kind_of_value(value: Any) -> FieldKind:
    """Kind of control for an undescribed input; an expression alone does not tell its type."""
    if is_lone_expression(value):
        return FieldKind.JSON
    kinds = {
        str: FieldKind.LONG_TEXT,
        bool: FieldKind.BOOLEAN,
        int: FieldKind.NUMBER,
        float: FieldKind.NUMBER,
        list: FieldKind.LIST,
        dict: FieldKind.MAPPING,
    }
    return kinds.get(type(value), FieldKind.JSON)
